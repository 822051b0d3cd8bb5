"""Where the reference arrays of the optional data folder are, and the mark of tests that read them."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

SHARED = Path(os.environ.get("KENSPECKLE_SHARED", Path(__file__).parents[3] / "shared"))
RECMODEL = SHARED / "reference/fixtures/recmodel"
needs_recmodel_arrays = [
    pytest.mark.shared,
    pytest.mark.skipif(not RECMODEL.exists(), reason=f"no reference arrays at {RECMODEL} (KENSPECKLE_SHARED)"),
]


def recmodel_arrays(name: str) -> dict[str, Tensor]:
    """All arrays of one file of the RecModel fixtures."""
    with np.load(RECMODEL / f"{name}.npz", allow_pickle=False) as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored.files}
