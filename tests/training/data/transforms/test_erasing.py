from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.data.transforms import build_transforms

ONES = np.ones((60, 80, 3), np.float32)


def run(op: str, parameters: dict[str, Any] | None, image: NDArray[Any] = ONES, seed: int = 0) -> NDArray[Any]:
    return build_transforms([{op: parameters}])(image, np.random.default_rng(seed))


def rectangle(image: NDArray[Any]) -> tuple[int, int] | None:
    """Height and width of what is not 1, which must be a rectangle."""
    rows, columns = np.where((image != 1).all(axis=2))
    if not len(rows):
        return None
    height, width = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    assert len(rows) == height * width
    return height, width


def test_rectangles_have_the_stated_probability_area_and_ratio() -> None:
    found = [rectangle(run("RandomErasing", {"EPSILON": 0.4, "sh": 0.2}, seed=seed)) for seed in range(1500)]
    sides = np.array([one for one in found if one])
    assert 515 < len(sides) < 685
    areas = sides.prod(axis=1) / (60 * 80)
    ratios = sides[:, 0] / sides[:, 1]
    assert 0.018 < areas.min() < 0.025
    assert 0.19 < areas.max() < 0.21
    assert 0.28 < ratios.min() < 0.4
    assert 2.4 < ratios.max() < 3.6


def test_the_image_given_is_not_changed() -> None:
    run("RandomErasing", {"EPSILON": 1})
    assert (ONES == 1).all()


def test_modes_fill_with_a_colour_or_noise() -> None:
    constant = run("RandomErasing", {"EPSILON": "1.0", "mean": [2, 3, 4]})
    assert np.unique(constant[(constant != 1).all(axis=2)], axis=0).tolist() == [[2, 3, 4]]
    one = run("RandomErasing", {"EPSILON": 1, "mode": "rand"})
    assert len(np.unique(one[(one != 1).all(axis=2)], axis=0)) == 1
    noise = run("RandomErasing", {"EPSILON": 1, "mode": "pixel", "sl": 0.3})
    values = noise[(noise != 1).all(axis=2)]
    assert abs(values.mean()) < 0.1
    assert values.std() == pytest.approx(1, abs=0.1)


def test_images_with_channels_first_are_erased_in_the_same_places() -> None:
    turned = run("RandomErasing", {"EPSILON": 1}, ONES.transpose(2, 0, 1))
    assert np.array_equal(turned.transpose(1, 2, 0), run("RandomErasing", {"EPSILON": 1}))


def test_a_cut_out_square_may_lie_over_the_edge() -> None:
    sizes = {rectangle(run("Cutout", {"length": 20}, seed=seed)) for seed in range(100)}
    assert (20, 20) in sizes
    assert all(size is not None and max(size) <= 20 for size in sizes)
    assert any(size is not None and min(size) < 20 for size in sizes)


def test_hidden_cells_are_half_of_a_grid() -> None:
    shares = [(run("HideAndSeek", None, np.ones((224, 224, 3), np.float32), seed) == 0).mean() for seed in range(100)]
    assert np.mean(shares) == pytest.approx(0.4, abs=0.07)
    assert min(shares) == 0


@pytest.mark.parametrize(("mode", "kept"), [(0, 0.25), (1, 0.75)])
def test_a_grid_keeps_squares_or_what_is_between(mode: int, kept: float) -> None:
    image = np.ones((400, 400, 3), np.float32)
    shares = []
    for seed in range(60):
        made = run("GridMask", {"d1": 20, "d2": 40, "rotate": 30, "mode": mode}, image, seed)
        assert set(np.unique(made)) == {0, 1}
        shares.append(made.mean())
    assert np.mean(shares) == pytest.approx(kept, abs=0.02)


def test_bars_of_a_grid_have_their_width() -> None:
    made = run("GridMask", {"d1": 20, "d2": 21, "ratio": 0.25}, np.ones((100, 100, 3), np.float32))[:, :, 0]
    assert made.mean() == pytest.approx(0.75**2, abs=0.05)


@pytest.mark.parametrize("parameters", [{"mode": "x"}, {"sl": 0.5, "sh": 0.4}, {"r1": 2}, {"EPSILON": "often"}])
def test_impossible_parameters_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"RandomErasing|arithmetic"):
        run("RandomErasing", parameters)
