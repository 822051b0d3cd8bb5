"""docs/training/models.md names what is there; its table of backbones is counted in backbones/test_backbones.py."""

from pathlib import Path

from training.importers.official import OFFICIAL
from training.recmodel.necks import NECKS

PAGE = Path(__file__).parents[3] / "docs/training/models.md"


def test_every_neck_and_official_model_is_named() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in NECKS if f"| `{name}` |" not in page] == []
    assert [name for name in OFFICIAL if f"`{name}`" not in page] == []
