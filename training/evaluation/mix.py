"""Figures by which the share of the tuned weights is chosen: val photos only."""

from pathlib import Path

import numpy as np

from training.data.pictures import grocery, mainbody, seen_folds
from training.data.select import spread
from training.evaluation.embed import Embedder
from training.evaluation.retrieval import DRAWS, REFERENCES, draw_references, hits_at_1, leave_one_out_hits
from training.evaluation.statistics import mean_over_draws

SHARES = (0.0, 0.3, 0.5, 0.7, 1.0)
PHOTOS_PER_LABEL = 8


def mix_recalls(embed: Embedder, data: Path, unseen_fold: int) -> tuple[float, float]:
    """Recall@1 of grocery val photos (three train photos per trained class), and of main-body val boxes by label."""
    seen = seen_folds(unseen_fold)
    trained = grocery(data, "train", seen)
    labels = len({picture.label for picture in trained})
    photos, queries = embed(spread(trained, PHOTOS_PER_LABEL * labels)), embed(grocery(data, "val", seen))

    def hits(rng: np.random.Generator) -> np.ndarray:
        return hits_at_1(queries, photos.take(draw_references(photos, REFERENCES, rng))).astype(np.float64)

    general = leave_one_out_hits(embed(mainbody(data, "val")))
    return float(mean_over_draws(DRAWS, 0, hits).mean()), float(general.mean())
