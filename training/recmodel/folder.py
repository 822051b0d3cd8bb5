"""A folder of folders as a configuration: lists of pictures to train on and to measure with, and the default preset."""

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.config.reading import read_yaml
from training.data.pictures import Picture, folder_pictures
from training.data.readers.lists import TAB, list_pictures
from training.data.select import ClassesByUse, TooFewClasses, leave_classes_out
from training.engine.checkpoint import LATEST, has_checkpoint
from training.engine.run import CONFIG
from training.presets import preset

HELD_OUT = 5
"""Every so manyth picture of a class is kept for measuring, from the second picture on."""
LEAST_STEPS, EVALUATIONS = 200, 12
"""Steps of a run, so that few pictures train as well; how often it is measured, at most once an epoch."""
TRAIN_LIST, VAL_LIST = "train.txt", "val.txt"
CALIBRATION_LIST, OTHERS_LIST = "calibration.txt", "others.txt"


def folder_config(data: Path, out: Path, leave_out: bool = False) -> dict[str, Any]:
    """The default preset on ``data`` (FOLDER/label/picture.jpg), with lists of pictures written into ``out``.

    Args:
        leave_out: keep some classes out of training, for cohort and calibrator; where they are too few, a warning says
            so and all are trained on.

    Raises:
        ValueError: if there are no pictures, fewer than two classes, or others than the run in ``out`` began with.
    """
    pictures = folder_pictures(data)
    if len({picture.label for picture in pictures}) < 2:
        raise ValueError(f"{data}: pictures of one class teach nothing: at least two sub-folders are needed")
    parts = _by_use(pictures, data) if leave_out else ClassesByUse(pictures, [], [])
    training, held_out = hold_out(parts.training)
    lists = {TRAIN_LIST: training, VAL_LIST: held_out, CALIBRATION_LIST: parts.calibration, OTHERS_LIST: parts.others}
    _write_lists(lists, data, out)
    content = read_yaml(preset("folder"))
    batch = content["DataLoader"]["Train"]["sampler"]["batch_size"]
    epochs = max(content["Global"]["epochs"], -(-LEAST_STEPS * batch // len(training)))
    content["Global"] |= {"output_dir": str(out), "epochs": epochs, "eval_interval": max(1, epochs // EVALUATIONS)}
    loaders = content["DataLoader"]
    _point(loaders["Train"], data, out / TRAIN_LIST)
    _point(loaders["Eval"]["Gallery"], data, out / TRAIN_LIST)
    if held_out:
        _point(loaders["Eval"]["Query"], data, out / VAL_LIST)
    else:  # nothing to measure with; the transforms of evaluation still say what the bundle does
        _point(loaders["Eval"]["Query"], data, out / TRAIN_LIST)
        content["Global"]["eval_during_train"] = False
    return content


def classes_by_use(run: Path) -> ClassesByUse | None:
    """The pictures that a run of ``train --data`` trained on and left out; None if it left none out, or is no such run.

    Args:
        run: a run folder or one of its checkpoints.

    Raises:
        ValueError: if a picture is not there any more.
    """
    folder = next((one for one in (run, run.parent) if (one / OTHERS_LIST).exists()), None)
    if folder is None:
        return None
    root = Path(read_yaml(folder / CONFIG)["DataLoader"]["Train"]["dataset"]["image_root"])
    lists = (TRAIN_LIST, CALIBRATION_LIST, OTHERS_LIST)
    return ClassesByUse(*(list_pictures(folder / name, root, TAB) for name in lists))


def _by_use(pictures: Sequence[Picture], data: Path) -> ClassesByUse:
    try:
        return leave_classes_out(pictures)
    except TooFewClasses as error:
        warnings.warn(
            f"{data}: there will be no bundle: {error}. Give --others with pictures of anything else", stacklevel=2
        )
        return ClassesByUse(list(pictures), [], [])


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


def _write_lists(lists: Mapping[str, Sequence[Picture]], root: Path, out: Path) -> None:
    """Write every list that has pictures; a run that was begun keeps its own."""
    texts = {
        name: "".join(f"{picture.path.relative_to(root).as_posix()}\t{picture.label}\n" for picture in pictures)
        for name, pictures in lists.items()
    }
    before = {name: (out / name).read_text(encoding="utf-8") if (out / name).exists() else "" for name in lists}
    if texts != before and has_checkpoint(out / LATEST):
        raise ValueError(
            f"{out}: this run was begun with other pictures, or with others left out: give another --out, or remove it"
        )
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        if text:
            (out / name).write_text(text, encoding="utf-8")
        else:
            (out / name).unlink(missing_ok=True)


def _point(section: dict[str, Any], root: Path, list_file: Path) -> None:
    section["dataset"] |= {"image_root": str(root), "cls_label_path": str(list_file)}
