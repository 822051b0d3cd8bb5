"""docs/training/models.md names what is there; its table of backbones is counted in backbones/test_backbones.py."""

import re
from pathlib import Path

from training.presets import preset_names
from training.recmodel.necks import NECKS

PAGE = Path(__file__).parents[3] / "docs/training/models.md"


def test_every_neck_is_named() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in NECKS if f"| `{name}` |" not in page] == []


def test_the_presets_of_official_weights_are_there() -> None:
    named = re.findall(r"^\| `(\w+/[\w.]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(named) == 7
    assert set(named) <= set(preset_names())
