"""Arrays of the published implementation in the optional data folder, and the rules of the weights that made them."""

import importlib.util
from functools import cache

import numpy as np

from tests.training.shared import SHARED, fixtures

PARITY = SHARED / "weights/parity"


@cache
def rules():
    """The module that makes seeded weights and inputs."""
    fixtures("picodet")
    spec = importlib.util.spec_from_file_location("make_parity_weights", PARITY / "make_parity_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stored(name):
    """The arrays of a fixture file; skips the test where it is not there."""
    return np.load(fixtures("picodet") / f"expected_{name}.npz", allow_pickle=False)
