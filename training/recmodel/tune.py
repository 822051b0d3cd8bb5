"""Tuning of the shipped extractor with retention, in a run folder."""

from collections.abc import Sequence
from pathlib import Path

from training.data.pictures import Picture
from training.engine.loop import Report, Trainer
from training.engine.run import Run
from training.engine.settings import LoopSettings
from training.recmodel.ensemble import teach
from training.recmodel.recipe import Recipe
from training.recmodel.retention import RetentionTask
from training.recmodel.retention_batches import Material
from training.recmodel.start import begin, masks_of

TEACHER = "teacher.npy"
LOG_STEPS, SAVE_STEPS = 5, 25


def open_run(folder: Path, recipe: Recipe) -> Run:
    """The run folder of a recipe.

    Raises:
        ValueError: if it holds a run of another recipe.
    """
    return Run(folder, recipe.model_dump(mode="json"))


def tune(
    labelled: Sequence[Picture],
    retained: Sequence[Picture],
    recipe: Recipe,
    folder: Path,
    device: str = "cpu",
    workers: int = 0,
    report: Report = lambda kind, record: None,
) -> None:
    """Train in the run ``folder``, or go on with what is there.

    Args:
        labelled: pictures of at least ``classes_per_batch`` labels.
        retained: pictures whose trunk features are held to the start's; needed if ``retained_per_batch`` > 0.
        workers: processes that make batches; 0: this one.
        report: is told of every record of the log.

    Raises:
        ValueError: if there are too few labels or no retained pictures, or the folder holds a run of another recipe.
    """
    check_pictures(labelled, retained, recipe)
    run = open_run(folder, recipe)
    task = retention_task(labelled, retained, recipe, folder, workers)
    Trainer(task, loop_settings(recipe, device), run, report=report).train()


def check_pictures(labelled: Sequence[Picture], retained: Sequence[Picture], recipe: Recipe) -> None:
    """Are there enough pictures for the batches of a recipe?

    Raises:
        ValueError: if there are too few labels or no retained pictures.
    """
    labels = len({picture.label for picture in labelled})
    if labels < recipe.classes_per_batch:
        raise ValueError(
            f"{labels} labels are fewer than the {recipe.classes_per_batch} of a batch: lower classes_per_batch in the"
            " recipe"
        )
    if recipe.retained_per_batch and not retained:
        raise ValueError("the recipe retains features, but no pictures to retain were given")


def retention_task(
    labelled: Sequence[Picture], retained: Sequence[Picture], recipe: Recipe, folder: Path, workers: int = 0
) -> RetentionTask:
    """The task of a run; start, cut-outs and teacher's embeddings are made in its ``folder`` once."""
    start = begin(labelled, recipe, folder)
    groups = {label: [p for p in labelled if p.label == label] for label in sorted({p.label for p in labelled})}
    taught = teach(labelled, retained, recipe.shrinkage, folder / TEACHER) if recipe.distillation else {}
    material = Material(groups, retained, masks_of(labelled, recipe, folder), taught)
    return RetentionTask(recipe, start, material, workers)


def loop_settings(recipe: Recipe, device: str = "cpu") -> LoopSettings:
    """One epoch of the recipe's steps, whose average over steps is what is exported."""
    return LoopSettings(
        epochs=1,
        seed=recipe.seed,
        log_steps=LOG_STEPS,
        save_steps=SAVE_STEPS,
        evaluate_every=0,
        ema_decay=recipe.ema,
        device=device,
    )
