from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.data.transforms import build_transforms
from training.data.transforms.geometry import RandomRotation

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def run(op: str, parameters: dict[str, Any] | None, image: NDArray[Any] = IMAGE, seed: int = 0) -> NDArray[Any]:
    return build_transforms([{op: parameters}])(image, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("op", "parameters", "flipped"),
    [
        ("RandFlipImage", {"flip_code": 1}, IMAGE[:, ::-1]),
        ("RandFlipImage", {"flip_code": 0}, IMAGE[::-1]),
        ("RandFlipImage", {"flip_code": -1}, IMAGE[::-1, ::-1]),
        ("RandomHorizontalFlip", None, IMAGE[:, ::-1]),
    ],
)
def test_half_of_the_images_are_flipped(op: str, parameters: dict[str, Any], flipped: NDArray[Any]) -> None:
    made = [run(op, parameters, seed=seed) for seed in range(400)]
    done = sum(np.array_equal(image, flipped) for image in made)
    assert sum(np.array_equal(image, IMAGE) for image in made) == 400 - done
    assert 155 < done < 245


def test_turns_by_right_angles_come_alike() -> None:
    square = IMAGE[:6, :6]
    counts = [0] * 4
    for seed in range(400):
        image = run("RandomRot90", None, square, seed)
        counts[next(k for k in range(4) if np.array_equal(image, np.rot90(square, k)))] += 1
    assert min(counts) > 60


@pytest.mark.parametrize(
    ("mode", "numpy_mode"),
    [("constant", "constant"), ("edge", "edge"), ("reflect", "reflect"), ("symmetric", "symmetric")],
)
def test_borders_are_those_of_numpy(mode: str, numpy_mode: Any) -> None:
    for padding, sides in ((2, (2, 2, 2, 2)), ([1, 2], (1, 2, 1, 2)), ([1, 2, 3, 4], (1, 2, 3, 4))):
        left, top, right, bottom = sides
        wanted = np.pad(IMAGE, ((top, bottom), (left, right), (0, 0)), numpy_mode)
        assert np.array_equal(run("Pad", {"padding": padding, "padding_mode": mode}), wanted)


def test_a_border_has_its_colour() -> None:
    assert run("Pad", {"padding": 1, "fill": [1, 2, 3]})[0, 0].tolist() == [1, 2, 3]
    assert run("Pad", {"padding": 1, "fill": 7})[0, 0].tolist() == [7, 7, 7]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_turning_a_square_by_right_angles_is_exact(interpolation: str, quarter: int) -> None:
    square = IMAGE[:6, :6]
    turned = RandomRotation(0, interpolation).turned(square, 90 * quarter)
    assert np.array_equal(turned, np.rot90(square, quarter))


def test_turning_keeps_the_size_unless_told_to_expand() -> None:
    assert RandomRotation(0).turned(IMAGE, 90).shape == IMAGE.shape
    assert np.array_equal(RandomRotation(0, expand=True).turned(IMAGE, 90), np.rot90(IMAGE))


def test_angles_are_uniform_and_drawn_with_the_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    angles: list[float] = []
    monkeypatch.setattr(RandomRotation, "turned", lambda self, image, degrees: angles.append(degrees) or image)
    for seed in range(2000):
        run("RandomRotation", {"degrees": 90, "prob": 0.3, "interpolation": "bilinear"}, seed=seed)
    assert 510 < len(angles) < 690
    assert np.histogram(angles, bins=3, range=(-90, 90))[0].min() > 140
    assert run("RandomRotation", {"degrees": [5, 6], "prob": 1}) is IMAGE
    assert 5 <= angles[-1] <= 6


def test_free_corners_are_filled() -> None:
    white = np.full((40, 40, 3), 255, np.uint8)
    assert RandomRotation(0).turned(white, 45)[0, 0].tolist() == [0, 0, 0]
    assert RandomRotation(0, fill=[1, 2, 3]).turned(white, 45)[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("op", "parameters", "message"),
    [
        ("RandFlipImage", {"flip_code": 2}, "flip_code is 1, 0 or -1"),
        ("Pad", {"padding": [1, 2, 3]}, "padding is 1, 2 or 4 numbers"),
        ("Pad", {"padding": 1, "padding_mode": "wrap"}, "padding_mode one of constant"),
        ("Pad", {"padding": 1, "fill": [1, 2]}, "one value or three"),
        ("RandomRotation", {"degrees": 9, "interpolation": "box"}, "'box' is not one of nearest"),
    ],
)
def test_impossible_parameters_are_named(op: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(op, parameters)
