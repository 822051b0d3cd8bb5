"""Restarts, broken generations, full disks, and a process that is killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from services.common.errors import NotReady
from services.indexer import files, pictures
from services.indexer.directory import Directory
from services.indexer.store.listing import Filter
from tests.services.indexer.helpers import (
    Running,
    new_item,
    png,
    post_item,
    post_search,
    settings_for,
    vectors,
)

REPOSITORY = Path(__file__).parents[3]


def _labels(running: Running) -> list[str | None]:
    return [item.label for item in running.service.galleries.list_items("things", Filter(), 1000, None).items]


def test_a_restart_reads_vectors_from_the_generation(
    running: Running, fingerprint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        running.enrol(new_item(fingerprint, label=f"L{number}"), vectors(number), [png(number)])
    asked: list[int] = []
    read = Directory._vectors
    monkeypatch.setattr(Directory, "_vectors", staticmethod(lambda *args: asked.extend(args[2]) or read(*args)))
    running.restart()
    assert running.search(fingerprint, vectors(3)).hits[0].candidates[0].label == "L3"
    assert asked == []


def test_changes_after_the_generation_are_read_from_the_database(
    running: Running, fingerprint: str, tmp_path: Path
) -> None:
    made = [running.enrol(new_item(fingerprint, label=f"L{n}"), vectors(n), [png(n)]) for n in range(4)]
    running.restart()
    kept = {path.name: path.read_bytes() for path in (tmp_path / "data" / "generations").iterdir()}
    running.enrol(new_item(fingerprint, label="late"), vectors(9), [png(9)])
    running.service.galleries.delete_item("things", made[0].item_id, lambda _: True)
    before = running.search(fingerprint, vectors([8, 8], 4))
    running.restart()
    for path in (tmp_path / "data" / "generations").iterdir():
        path.unlink()
    for name, content in kept.items():
        (tmp_path / "data" / "generations" / name).write_bytes(content)
    running.service._directory._indexes.clear()
    after = running.search(fingerprint, vectors([8, 8], 4))
    assert after == before
    assert running.search(fingerprint, vectors(9)).hits[0].candidates[0].label == "late"


@pytest.mark.parametrize("damage", ["cut", "noise", "nothing"])
def test_a_broken_generation_costs_time_and_nothing_else(
    running: Running, fingerprint: str, tmp_path: Path, damage: str
) -> None:
    for number in range(6):
        running.enrol(new_item(fingerprint, label=f"L{number}"), vectors(number), [png(number)])
    before = running.search(fingerprint, vectors([5, 5], 3))
    running.restart()
    (path,) = (tmp_path / "data" / "generations").iterdir()
    content = path.read_bytes()
    noise = np.random.default_rng(0).bytes(len(content) // 2)
    path.write_bytes({"cut": content[:-200], "noise": content[: len(content) // 2] + noise, "nothing": b""}[damage])
    running.service._directory._indexes.clear()
    assert running.search(fingerprint, vectors([5, 5], 3)) == before


def test_a_generation_of_another_database_is_no_source_of_vectors(
    running: Running, fingerprint: str, tmp_path: Path, models: Path
) -> None:
    """Row numbers are the same there, references are not: so after a restored backup."""
    for number in range(3):
        running.enrol(new_item(fingerprint, label=f"L{number}"), vectors(number), [png(number)])
    other = Running(settings_for(tmp_path / "other", models))
    for number in range(3):
        other.enrol(new_item(fingerprint, label=f"L{number}"), vectors(number + 50), [png(number)])
    other.close()
    running.restart()
    (ours,) = (tmp_path / "data" / "generations").iterdir()
    (theirs,) = (tmp_path / "other" / "generations").iterdir()
    ours.write_bytes(theirs.read_bytes())
    running.service._directory._indexes.clear()
    best = running.search(fingerprint, vectors(2)).hits[0].candidates[0]
    assert (best.label, best.similarity) == ("L2", pytest.approx(1))


def test_a_disk_that_takes_no_picture_takes_no_item(
    running: Running, fingerprint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running.enrol(new_item(fingerprint, label="first"), vectors(1), [png(1)])

    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures, "_write", full)
    with pytest.raises(NotReady, match="No space left"):
        running.enrol(new_item(fingerprint, label="second"), vectors(2), [png(2)])
    assert _labels(running) == ["first"]
    assert running.search(fingerprint, vectors(2)).gallery.revision == 1
    stored = [path for path in (tmp_path / "data" / "pictures").glob("*/*") if path.is_file()]
    assert len(stored) == 1
    monkeypatch.undo()
    assert running.enrol(new_item(fingerprint, label="second"), vectors(2), [png(2)]).revision == 2


def test_a_generation_that_cannot_be_written_is_no_failure(
    running: Running, fingerprint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.enrol(new_item(fingerprint, label="first"), vectors(1), [png(1)])

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_sync", full)
    running.service._directory.save_generations(everything=True)
    monkeypatch.undo()
    running.restart()
    assert running.search(fingerprint, vectors(1)).hits[0].candidates[0].label == "first"


def test_an_index_that_cannot_follow_is_loaded_anew(
    running: Running, fingerprint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.enrol(new_item(fingerprint, label="first"), vectors(1), [png(1)])

    def out_of_memory(*_: Any) -> bool:
        raise MemoryError

    monkeypatch.setattr(Directory, "_apply_changes", out_of_memory)
    answer = running.enrol(new_item(fingerprint, label="second"), vectors(2), [png(2)])
    monkeypatch.undo()
    hit = running.search(fingerprint, vectors(2), min_revision=answer.revision).hits[0]
    assert hit.candidates[0].label == "second"


# --- kill -9 ------------------------------------------------------------------------------------------------


class Process:
    """``python -m services.indexer`` on a folder."""

    def __init__(self, data: Path, models: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {
            **os.environ,
            "KENSPECKLE_INDEXER_PORT": str(port),
            "KENSPECKLE_INDEXER_DATA_DIR": str(data),
            "KENSPECKLE_MODELS_DIR": str(models),
            "KENSPECKLE_INDEXER_GENERATION_EVERY": "7",
            "KENSPECKLE_LOG_LEVEL": "error",
            "OMP_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen([sys.executable, "-m", "services.indexer"], cwd=REPOSITORY, env=environment)
        self.url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                if httpx.get(f"{self.url}/readyz").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        self.end(signal.SIGKILL)
        raise AssertionError("the indexer did not become ready")

    def end(self, number: int) -> int:
        """Send a signal and wait; returns the exit status."""
        self._process.send_signal(number)
        return self._process.wait(timeout=20)


class Writer(threading.Thread):
    """Enrols and deletes until the connection breaks; notes what was acknowledged and what was under way."""

    def __init__(self, url: str, name: str, fingerprint: str) -> None:
        super().__init__(daemon=True)
        self._url, self._name, self._fingerprint = url, name, fingerprint
        self.alive: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.doubtful: set[str] = set()
        self.revision = 0

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=10) as client:
            number = 0
            try:
                while True:
                    number += 1
                    self._step(client, number)
            except httpx.TransportError:
                return

    def _step(self, client: httpx.Client, number: int) -> None:
        item_id = f"{self._name}-{number}"
        self.doubtful.add(item_id)
        item = new_item(self._fingerprint, label=f"Label {item_id}", item_id=item_id)
        response = post_item(client, item, vectors(list(item_id.encode())), [png(hash(item_id) % 10**6)])
        assert response.status_code == 201, response.text
        self.revision = max(self.revision, response.json()["revision"])
        self.doubtful.discard(item_id)
        self.alive[item_id] = response.json()["references"][0]["id"]
        if number % 3 == 0:
            victim = sorted(self.alive)[0]
            del self.alive[victim]
            self.doubtful.add(victim)
            removal = client.delete(f"/galleries/things/items/{victim}")
            assert removal.status_code == 200, removal.text
            self.doubtful.discard(victim)
            self.deleted.add(victim)


@pytest.mark.timeout(120)
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, models: Path, fingerprint: str) -> None:
    alive: dict[str, str] = {}
    deleted: set[str] = set()
    revision = 0
    process = Process(tmp_path / "data", models)
    for round_number in range(3):
        writers = [Writer(process.url, f"{round_number}{one}", fingerprint) for one in "abc"]
        for writer in writers:
            writer.start()
        time.sleep(0.7 + 0.2 * round_number)
        process.end(signal.SIGKILL)
        for writer in writers:
            writer.join(timeout=20)
            alive |= writer.alive
            deleted |= writer.deleted
            revision = max(revision, writer.revision)
        assert sum(len(writer.alive) for writer in writers) > 3

        process = Process(tmp_path / "data", models)
        doubtful = {one for writer in writers for one in writer.doubtful}
        with httpx.Client(base_url=process.url) as client:
            _check(client, fingerprint, alive, deleted, doubtful, revision)
            alive |= {one: reference for one, reference in _present(client).items() if one in doubtful}
    assert process.end(signal.SIGTERM) in (0, -signal.SIGTERM)


def _present(client: httpx.Client) -> dict[str, str]:
    found: dict[str, str] = {}
    cursor = None
    while True:
        params = {"limit": "1000"} | ({"cursor": cursor} if cursor else {})
        page = client.get("/galleries/things/items", params=params).json()
        found |= {item["id"]: item["references"][0]["id"] for item in page["items"]}
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def _check(
    client: httpx.Client, fingerprint: str, alive: dict[str, str], deleted: set[str], doubtful: set[str], revision: int
) -> None:
    present = _present(client)
    assert {one: present.get(one) for one in alive} == alive
    assert not deleted & set(present)
    assert set(present) <= set(alive) | doubtful
    state = client.get("/galleries/things").json()
    assert state["revision"] >= revision
    assert state["references"] == len(present)
    for item_id, reference in list(alive.items())[::5]:
        answer = post_search(client, fingerprint, vectors(list(item_id.encode())), min_revision=revision).json()
        best = answer["hits"][0]["candidates"][0]
        assert (best["item_id"], best["reference_id"]) == (item_id, reference)
        assert client.get(f"/galleries/things/references/{reference}/picture").status_code == 200
    for item_id in sorted(deleted)[::5]:
        answer = post_search(client, fingerprint, vectors(list(item_id.encode())), k=50).json()
        assert item_id not in [one["item_id"] for one in answer["hits"][0]["candidates"]]
