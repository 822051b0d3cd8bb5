"""A folder of folders as a configuration: lists of pictures to train on and to measure with, and the default preset."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.config.reading import read_yaml
from training.data.pictures import Picture, folder_pictures
from training.presets import preset

HELD_OUT = 5
"""Every so manyth picture of a class is kept for measuring, from the second picture on."""
TRAIN_LIST, VAL_LIST = "train.txt", "val.txt"


def folder_config(data: Path, out: Path) -> dict[str, Any]:
    """The default preset on ``data`` (FOLDER/label/picture.jpg), with lists of pictures written into ``out``.

    Raises:
        ValueError: if there are no pictures, or fewer than two classes.
    """
    pictures = folder_pictures(data)
    if len({picture.label for picture in pictures}) < 2:
        raise ValueError(f"{data}: pictures of one class teach nothing: at least two sub-folders are needed")
    training, held_out = hold_out(pictures)
    out.mkdir(parents=True, exist_ok=True)
    _write_list(out / TRAIN_LIST, training, data)
    content = read_yaml(preset("folder"))
    content["Global"]["output_dir"] = str(out)
    loaders = content["DataLoader"]
    _point(loaders["Train"], data, out / TRAIN_LIST)
    _point(loaders["Eval"]["Gallery"], data, out / TRAIN_LIST)
    if held_out:
        _write_list(out / VAL_LIST, held_out, data)
        _point(loaders["Eval"]["Query"], data, out / VAL_LIST)
    else:  # nothing to measure with; the transforms of evaluation still say what the bundle does
        _point(loaders["Eval"]["Query"], data, out / TRAIN_LIST)
        content["Global"]["eval_during_train"] = False
    return content


def hold_out(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Pictures to train on, and every fifth of a class, from its second on, to measure with."""
    seen: dict[str, int] = defaultdict(int)
    parts: tuple[list[Picture], list[Picture]] = ([], [])
    counts: dict[str, int] = defaultdict(int)
    for picture in pictures:
        counts[picture.label] += 1
    for picture in pictures:
        measured = counts[picture.label] > 2 and seen[picture.label] % HELD_OUT == 1
        parts[measured].append(picture)
        seen[picture.label] += 1
    return parts


def _write_list(path: Path, pictures: Sequence[Picture], root: Path) -> None:
    lines = [f"{picture.path.relative_to(root).as_posix()}\t{picture.label}\n" for picture in pictures]
    path.write_text("".join(lines), encoding="utf-8")


def _point(section: dict[str, Any], root: Path, list_file: Path) -> None:
    section["dataset"] |= {"image_root": str(root), "cls_label_path": str(list_file)}
