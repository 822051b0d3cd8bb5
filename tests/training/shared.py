import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("KENSPECKLE_SHARED", Path(__file__).parents[3] / "shared"))


def fixtures(name: str) -> Path:
    """The reference arrays of ``name`` (recmodel, picodet); skips the test where they are not there."""
    folder = SHARED / "reference/fixtures" / name
    if not folder.is_dir():
        pytest.skip(f"no reference arrays at {folder} (set KENSPECKLE_SHARED)")
    return folder
