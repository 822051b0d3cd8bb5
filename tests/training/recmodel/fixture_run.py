"""A tiny run of everything: fifteen drawn pictures of three classes, PPLCNet_x0_25 at 32 pixels."""

from pathlib import Path

from tests.training.pictures import draw_folder

CONFIG = Path(__file__).parent / "tiny.yaml"


def lay_out(folder: Path) -> Path:
    """Write ``pictures/`` and ``list.txt``, as ``tiny.yaml`` names them, into ``folder``; returns it."""
    pictures = draw_folder(folder / "pictures", 3, 5, seed=0)
    lines = [f"{path.relative_to(pictures)} {path.parent.name[-1]}" for path in sorted(pictures.rglob("*.png"))]
    (folder / "list.txt").write_text("\n".join(lines) + "\n")
    return folder
