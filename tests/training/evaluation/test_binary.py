import os
from pathlib import Path

import numpy as np
import pytest

from training.evaluation.binary import binary_codes, hamming_distances, packed_bits

SHARED = Path(os.environ.get("KENSPECKLE_SHARED", Path(__file__).parents[4] / "shared"))
FIXTURE = SHARED / "reference/fixtures/recmodel/deploy_binarize.npz"


def test_packed_bits_count_the_same_differences_as_codes() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(7, 24)), rng.normal(size=(5, 24))
    codes = binary_codes(first, "sign") @ binary_codes(second, "sign").T
    distances = hamming_distances(packed_bits(first, "sign"), packed_bits(second, "sign"))
    np.testing.assert_array_equal(codes, 24 - 2 * distances)
    naive = [[int(((a > 0) != (b > 0)).sum()) for b in second] for a in first]
    assert distances.tolist() == naive


def test_the_first_feature_is_the_most_significant_bit() -> None:
    assert packed_bits(np.array([[1.0, -1, -1, -1, -1, -1, -1, 2]]), "sign").tolist() == [[0b10000001]]
    assert packed_bits(np.array([[0.6, 0.4, 0, 0, 0, 0, 0, 0.51]]), "round").tolist() == [[0b10000001]]


@pytest.mark.shared
@pytest.mark.skipif(not FIXTURE.exists(), reason=f"no reference arrays at {FIXTURE} (KENSPECKLE_SHARED)")
def test_bits_are_those_of_the_deployed_form() -> None:
    with np.load(FIXTURE, allow_pickle=False) as data:
        np.testing.assert_array_equal(packed_bits(data["x_sign"], "sign"), data["bytes_sign"])
        np.testing.assert_array_equal(packed_bits(data["x_round"], "round"), data["bytes_round"])
        packed = data["bytes_sign"]
        np.testing.assert_array_equal(hamming_distances(packed, packed), data["hamming"])
