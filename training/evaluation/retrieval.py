"""Recall@1 and mAP of an embedding, on classes that it was not fitted on above all."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kenspeckle.bundle import Measurement
from training.data.pictures import FOLDS, general_classes, grocery, grocery_classes, grocery_icons
from training.data.select import spread
from training.evaluation.embed import Embedder
from training.evaluation.metrics import Removal, cosine_blocks, retrieval_figures
from training.evaluation.pool import Pool
from training.evaluation.statistics import bootstrap_interval, mean_over_draws

DRAWS = 5
REFERENCES = 3
CANDIDATES_PER_CLASS = 10
FIGURES = ("recall@1", "mAP")


def hits_at_1(queries: Pool, gallery: Pool) -> NDArray[np.bool_]:
    """Whether the most similar gallery member of each query has its label; ``(N,)``."""
    return figures_of_queries(queries, gallery)[:, 0] > 0


def leave_one_out_hits(pool: Pool) -> NDArray[np.bool_]:
    """The same within one pool, each member against all members from other photos."""
    return figures_of_queries(pool, pool, Removal(pool.photos, pool.photos))[:, 0] > 0


def figures_of_queries(queries: Pool, gallery: Pool, removal: Removal | None = None) -> NDArray[np.float64]:
    """``FIGURES`` of each query, ``(N, 2)``; 0 where the gallery holds nothing of its label."""
    blocks = cosine_blocks(queries.vectors, gallery.vectors)
    values = retrieval_figures(blocks, queries.labels, gallery.labels, removal, ks=(1,)).values
    return np.nan_to_num(np.stack([values[name] for name in FIGURES], axis=1))


def draw_references(pool: Pool, per_label: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of up to ``per_label`` random members of every label, label by label."""
    groups = [np.flatnonzero(pool.labels == label) for label in np.unique(pool.labels)]
    return np.concatenate([rng.permutation(group)[:per_label] for group in groups])


def retrieval_measurements(embed: Embedder, name: str, data: Path, unseen_fold: int, command: str) -> list[Measurement]:
    """Recall@1 and mAP of ``name`` on the grocery test photos and on the general classes.

    Of the unseen fold: gallery "unseen" holds the unseen classes alone, "all" all classes, those that the model was
    trained on included; one icon per class, or the icon and three train photos (mean over five draws). Of all classes:
    all train photos.
    """
    every = set(range(FOLDS))
    photos, classes = grocery(data, "train", every), grocery_classes(data)
    icons, train, test = (embed(p) for p in (grocery_icons(data, every), photos, grocery(data, "test", every)))
    drawn_from = [str(photo.path) for photo in spread(photos, CANDIDATES_PER_CLASS * len(classes))]
    candidates = train.take(np.isin(train.photos, drawn_from))
    unseen = [c.name for c in classes if c.fold == unseen_fold]
    queries = test.take(np.isin(test.labels, unseen))
    group_of = {c.name: c.group for c in classes}
    groups = np.array([group_of[str(label)] for label in queries.labels])
    measured = []
    for gallery, names in (("unseen", unseen), ("all", [c.name for c in classes])):
        icon, photo = (pool.take(np.isin(pool.labels, names)) for pool in (icons, candidates))
        for references, figures in _by_references(queries, icon, photo):
            where = f"gallery {gallery}, {references}"
            for part, mask in _parts(groups):
                measured += _measured(name, where, part, figures[mask], queries.photos[mask], command)
    figures = figures_of_queries(test, train)
    measured += _measured(name, "gallery all, all train photos", "grocery test", figures, test.photos, command)
    general = embed(general_classes(data))
    figures = figures_of_queries(general, general, Removal(general.photos, general.photos))
    return [*measured, *_measured(name, "leave one out", "general classes", figures, general.photos, command)]


def _by_references(queries: Pool, icons: Pool, photos: Pool) -> list[tuple[str, NDArray[np.float64]]]:
    def with_photos(rng: np.random.Generator) -> NDArray[np.float64]:
        return figures_of_queries(queries, icons.join(photos.take(draw_references(photos, REFERENCES, rng))))

    return [
        ("icon", figures_of_queries(queries, icons)),
        (f"icon + {REFERENCES} photos", mean_over_draws(DRAWS, 0, with_photos)),
    ]


def _parts(groups: NDArray[np.str_]) -> list[tuple[str, NDArray[np.bool_]]]:
    return [
        ("grocery test, unseen classes", np.ones(len(groups), bool)),
        *((f"the same, {group}", groups == group) for group in ("cartons", "produce")),
    ]


def _measured(
    name: str, where: str, data: str, figures: NDArray[np.float64], photos: NDArray[np.str_], command: str
) -> list[Measurement]:
    return [
        measurement(f"{name}: {figure}, {where}", data, figures[:, column], photos, command)
        for column, figure in enumerate(FIGURES)
    ]


def measurement(
    metric: str, data: str, values: NDArray[np.float64], photos: NDArray[np.str_], command: str
) -> Measurement:
    """The mean of ``values`` with its interval by photo."""
    low, high = bootstrap_interval(values, photos)
    return Measurement(
        metric=metric,
        data=data,
        value=round(float(values.mean()), 4),
        interval=(round(low, 4), round(high, 4)),
        command=command,
    )
