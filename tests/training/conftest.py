import pytest
import torch

torch.set_num_threads(1)  # toy networks: a second thread only waits, and for long where the cores are busy


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests need no file to survive a power cut; on a busy disk each sync takes a second."""
    monkeypatch.setattr("training.engine.checkpoint.os.fsync", lambda descriptor: None)
