from pathlib import Path

import numpy as np
import pytest

from tests.training.pictures import draw_folder
from training.data.pictures import folder_pictures
from training.recmodel.closed_form import closed_form_neck
from training.recmodel.ensemble import ensemble, teach
from training.recmodel.shipped import DIM


def test_the_ensemble_is_the_mean_of_the_cosines_of_its_members() -> None:
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(12, DIM + 8)).astype(np.float32) for _ in range(2)]
    features = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in features]
    labels = ["a", "b", "c", "d"] * 2
    together = ensemble(features, labels, 0.5)
    cosines = []
    for one in features:
        weight, bias = closed_form_neck(one[:8], np.arange(8) % 4, DIM, 0.5)
        embedded = one @ weight.T + bias
        embedded /= np.linalg.norm(embedded, axis=1, keepdims=True)
        cosines.append(embedded @ embedded.T)
    np.testing.assert_allclose(together @ together.T, np.mean(cosines, axis=0), atol=1e-5)


def test_embeddings_are_made_once_and_kept(tmp_path: Path) -> None:
    pictures = folder_pictures(draw_folder(tmp_path / "things", 2, 1, seed=0))
    cache = tmp_path / "teacher.npy"
    rows = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float16)
    np.save(cache, rows)
    taught = teach(pictures[:1], pictures[1:], 0.5, cache)
    assert [taught[p].tolist() for p in pictures] == rows.astype(np.float32).tolist()
    with pytest.raises(ValueError, match="2 embeddings for 1"):
        teach(pictures[:1], [], 0.5, cache)
