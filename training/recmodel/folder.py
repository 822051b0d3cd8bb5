"""A folder of folders to tune on: which of its classes train, listed in the run folder, and a recipe that fits."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from training.data.pictures import Picture, folder_pictures
from training.data.readers.lists import TAB, list_pictures
from training.data.select import ClassesByUse, TooFewClasses, leave_classes_out
from training.recmodel.recipe import Recipe

LEAST_STEPS, PASSES = 100, 7
"""Steps of a run: so many passes over the pictures, as the shipped extractor had, and not fewer steps than these."""
TRAIN_LIST, CALIBRATION_LIST, OTHERS_LIST = "train.txt", "calibration.txt", "others.txt"


def folder_classes(data: Path, out: Path, leave_out: bool) -> ClassesByUse:
    """The pictures of ``data`` (FOLDER/label/picture.jpg) by use, with their lists written into ``out``.

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
    _write_lists(parts, out)
    return parts


def classes_by_use(run: Path) -> ClassesByUse | None:
    """The pictures that a run of ``tune --data`` trained on and left out; None if it left none out, or is no such run.

    Args:
        run: a run folder.

    Raises:
        ValueError: if a picture is not there any more.
    """
    if not (run / OTHERS_LIST).exists():
        return None
    lists = (TRAIN_LIST, CALIBRATION_LIST, OTHERS_LIST)
    return ClassesByUse(*(list_pictures(run / name, run, TAB, allow_outside=True) for name in lists))


def fitted(recipe: Recipe, pictures: Sequence[Picture]) -> Recipe:
    """The recipe with steps that suit the number of pictures, and no more classes in a batch than there are."""
    labels = min(recipe.classes_per_batch, len({picture.label for picture in pictures}))
    steps = max(LEAST_STEPS, -(-PASSES * len(pictures) // (labels * recipe.pictures_per_class)))
    return recipe.model_copy(update={"classes_per_batch": labels, "steps": steps})


def _by_use(pictures: Sequence[Picture], data: Path) -> ClassesByUse:
    try:
        return leave_classes_out(pictures)
    except TooFewClasses as error:
        warnings.warn(
            f"{data}: there will be no bundle: {error}. Give --others with pictures of anything else", stacklevel=2
        )
        return ClassesByUse(list(pictures), [], [])


def _write_lists(parts: ClassesByUse, out: Path) -> None:
    """Write a list of every part that has pictures; a run that was begun keeps its own."""
    lists = {TRAIN_LIST: parts.training, CALIBRATION_LIST: parts.calibration, OTHERS_LIST: parts.others}
    texts = {
        name: "".join(f"{picture.path.absolute()}\t{picture.label}\n" for picture in pictures)
        for name, pictures in lists.items()
    }
    before = {name: (out / name).read_text(encoding="utf-8") if (out / name).exists() else "" for name in lists}
    if texts != before and any(before.values()):
        raise ValueError(
            f"{out}: this run was begun with other pictures, or with others left out: give another --out, or remove it"
        )
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        if text:
            (out / name).write_text(text, encoding="utf-8")
        else:
            (out / name).unlink(missing_ok=True)
