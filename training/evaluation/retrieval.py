"""Recall@1 of an embedding on classes that it was not fitted on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kenspeckle.bundle import Measurement
from training.data.pictures import FOLDS, Picture, general_classes, grocery, grocery_classes, grocery_icons
from training.data.select import spread
from training.evaluation.embed import Embedder
from training.evaluation.metrics import Removal, cosine_blocks, retrieval_figures
from training.evaluation.pool import Pool
from training.evaluation.statistics import bootstrap_interval, mean_over_draws

DRAWS = 5
REFERENCES = 3
CANDIDATES_PER_CLASS = 10


def hits_at_1(queries: Pool, gallery: Pool) -> NDArray[np.bool_]:
    """Whether the most similar gallery member of each query has its label; ``(N,)``."""
    return _hits(queries, gallery, None)


def leave_one_out_hits(pool: Pool) -> NDArray[np.bool_]:
    """The same within one pool, each member against all members from other photos."""
    return _hits(pool, pool, Removal(pool.photos, pool.photos))


def _hits(queries: Pool, gallery: Pool, removal: Removal | None) -> NDArray[np.bool_]:
    blocks = cosine_blocks(queries.vectors, gallery.vectors)
    nearest = retrieval_figures(blocks, queries.labels, gallery.labels, removal, ks=(1,)).nearest
    return np.asarray((nearest >= 0) & (gallery.labels[nearest] == queries.labels))


def draw_references(pool: Pool, per_label: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of up to ``per_label`` random members of every label, label by label."""
    groups = [np.flatnonzero(pool.labels == label) for label in np.unique(pool.labels)]
    return np.concatenate([rng.permutation(group)[:per_label] for group in groups])


def retrieval_measurements(embed: Embedder, name: str, data: Path, unseen_fold: int, command: str) -> list[Measurement]:
    """Recall@1 of ``name`` on the grocery test photos of the unseen fold and on the general classes.

    "unseen": the gallery holds the unseen classes alone; "all": all classes, those that the model was trained on
    included. One icon per class, or the icon and three train photos (mean over five draws).
    """
    every = set(range(FOLDS))
    icons, photos = embed(grocery_icons(data, every)), embed(_candidates(data))
    queries = embed(grocery(data, "test", {unseen_fold}))
    classes = grocery_classes(data)
    unseen = [c.name for c in classes if c.fold == unseen_fold]
    group_of = {c.name: c.group for c in classes}
    groups = np.array([group_of[str(label)] for label in queries.labels])
    measured = []
    for gallery, names in (("unseen", unseen), ("all", [c.name for c in classes])):
        icon, photo = (pool.take(np.isin(pool.labels, names)) for pool in (icons, photos))
        for references, hits in _gallery_hits(queries, icon, photo):
            metric = f"{name}: recall@1, gallery {gallery}, {references}"
            measured += _by_group(metric, hits, queries, groups, command)
    general = embed(general_classes(data))
    hits = leave_one_out_hits(general).astype(np.float64)
    metric = f"{name}: recall@1, leave one out"
    return [*measured, measurement(metric, "general classes", hits, general.photos, command)]


def _candidates(data: Path) -> list[Picture]:
    """Train photos that galleries are drawn from: some of each class."""
    photos = grocery(data, "train", set(range(FOLDS)))
    return spread(photos, CANDIDATES_PER_CLASS * len({photo.label for photo in photos}))


def _gallery_hits(queries: Pool, icons: Pool, photos: Pool) -> list[tuple[str, NDArray[np.float64]]]:
    def with_photos(rng: np.random.Generator) -> NDArray[np.float64]:
        drawn = photos.take(draw_references(photos, REFERENCES, rng))
        return hits_at_1(queries, icons.join(drawn)).astype(np.float64)

    return [
        ("icon", hits_at_1(queries, icons).astype(np.float64)),
        (f"icon + {REFERENCES} photos", mean_over_draws(DRAWS, 0, with_photos)),
    ]


def _by_group(
    metric: str, hits: NDArray[np.float64], queries: Pool, groups: NDArray[np.str_], command: str
) -> list[Measurement]:
    parts: Sequence[tuple[str, NDArray[np.bool_]]] = [
        ("grocery test, unseen classes", np.ones(len(hits), bool)),
        *((f"the same, {group}", groups == group) for group in ("cartons", "produce")),
    ]
    return [measurement(metric, part, hits[mask], queries.photos[mask], command) for part, mask in parts]


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
