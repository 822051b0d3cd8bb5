"""Embeddings drawn in the plane."""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.evaluation.pool import Pool

MOST_POINTS = 3000
NAMED_LABELS = 60
SMALL = 10
"""Fewer points than this are drawn by PCA: t-SNE needs neighbours."""


def planar(vectors: NDArray[np.float32], seed: int = 0) -> NDArray[np.float64]:
    """Places ``(N, 2)`` of vectors ``(N, dim)`` by t-SNE of their first 50 principal components.

    Source: van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 2008.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    count, dim = vectors.shape
    if count < 2:
        return np.zeros((count, 2))
    if count < SMALL:
        places = PCA(min(2, count, dim), random_state=seed).fit_transform(vectors)
        return np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
    reduced = PCA(min(50, count, dim), random_state=seed).fit_transform(vectors)
    perplexity = min(30.0, (count - 1) / 3)
    return np.asarray(TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced), np.float64)


def draw_map(pool: Pool, path: Path, title: str) -> None:
    """Write a PNG of at most 3000 members, coloured by label; the 60 most frequent labels are named in their middle."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(pool))[:MOST_POINTS])
    shown = pool.take(chosen)
    places = planar(shown.vectors)
    names, counts = np.unique(shown.labels, return_counts=True)
    figure = Figure(figsize=(9, 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    size = float(np.clip(6000 / max(1, len(shown)), 8, 40))  # square points
    colours = colormaps["tab20"].colors  # type: ignore[attr-defined]
    for rank, index in enumerate(np.argsort(-counts, kind="stable")):
        own = places[shown.labels == names[index]]
        colour = colours[rank % len(colours)] if rank < NAMED_LABELS else "lightgrey"
        axes.scatter(own[:, 0], own[:, 1], s=size, color=colour, linewidths=0)
        if rank < NAMED_LABELS:
            axes.annotate(
                _plain(str(names[index])), np.median(own, axis=0), fontsize=6, ha="center", va="center", alpha=0.8
            )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"{_plain(title)}: {len(shown)} of {len(pool)} pictures, {len(names)} labels", fontsize=10)
    figure.savefig(path, dpi=110)


def _plain(text: str) -> str:
    """Text for a picture; a dollar sign would begin a formula."""
    return text.replace("$", r"\$")
