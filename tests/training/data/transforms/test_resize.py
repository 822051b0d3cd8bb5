import numpy as np
import pytest
from PIL import Image

from training.data.transforms import build_transforms
from training.data.transforms.resize import CV2_INTERPOLATIONS, PIL_INTERPOLATIONS

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (36, 48, 3), dtype=np.uint8)


def test_a_number_is_a_square_and_a_pair_is_width_and_height() -> None:
    assert build_transforms([{"ResizeImage": {"size": 20}}])(IMAGE, RNG).shape == (20, 20, 3)
    assert build_transforms([{"ResizeImage": {"size": [20, 30]}}])(IMAGE, RNG).shape == (30, 20, 3)


@pytest.mark.parametrize(("shape", "wanted"), [((36, 48), (24, 32)), ((48, 36), (32, 24)), ((30, 47), (24, 38))])
def test_the_shorter_side_is_scaled_and_the_aspect_kept(shape: tuple[int, int], wanted: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    assert build_transforms([{"ResizeImage": {"resize_short": 24}}])(image, RNG).shape[:2] == wanted


def test_bilinear_of_opencv_is_the_textbook_one() -> None:
    """Output centre (x + 0.5) * scale - 0.5, weights linear in the distance, edges repeated."""
    resized = build_transforms([{"ResizeImage": {"size": [31, 29], "interpolation": "bilinear"}}])(
        IMAGE.astype(np.float32), RNG
    )
    wanted = np.empty_like(resized)
    for y in range(29):
        for x in range(31):
            v, u = (y + 0.5) * 36 / 29 - 0.5, (x + 0.5) * 48 / 31 - 0.5
            top, left = int(np.floor(v)), int(np.floor(u))
            dy, dx = v - top, u - left
            rows = np.clip([top, top + 1], 0, 35)
            columns = np.clip([left, left + 1], 0, 47)
            block = IMAGE[np.ix_(rows, columns)].astype(np.float64)
            wanted[y, x] = np.einsum("i,j,ijc->c", [1 - dy, dy], [1 - dx, dx], block)
    assert np.allclose(resized, wanted, atol=2e-3)


@pytest.mark.parametrize("name", list(PIL_INTERPOLATIONS))
def test_the_pil_backend_is_pillow(name: str) -> None:
    resized = build_transforms([{"ResizeImage": {"size": 24, "interpolation": name, "backend": "pil"}}])(IMAGE, RNG)
    assert np.array_equal(resized, Image.fromarray(IMAGE).resize((24, 24), PIL_INTERPOLATIONS[name]))


def test_random_interpolation_draws_bilinear_or_bicubic() -> None:
    def resize(name: str, seed: int) -> bytes:
        chain = build_transforms([{"ResizeImage": {"size": 24, "interpolation": name}}])
        return bytes(chain(IMAGE, np.random.default_rng(seed)).tobytes())

    drawn = {resize("random", seed) for seed in range(20)}
    assert drawn == {resize("bilinear", 0), resize("bicubic", 0)}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "either size or resize_short"),
        ({"size": 3, "resize_short": 3}, "either size or resize_short"),
        ({"size": [3, 4, 5]}, r"wanted a positive number or \[width, height\]"),
        ({"size": 0}, "wanted a positive number"),
        ({"size": 3, "interpolation": "box"}, r"'box' is not one of nearest.*backend cv2"),
        ({"size": 3, "interpolation": "area", "backend": "pil"}, r"'area' is not one of.*backend pil"),
        ({"size": 3, "backend": "tf"}, "backend is cv2 or pil"),
    ],
)
def test_impossible_parameters_are_named(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_transforms([{"ResizeImage": parameters}])


def test_every_interpolation_of_opencv_is_there() -> None:
    assert set(CV2_INTERPOLATIONS) == {"nearest", "bilinear", "area", "bicubic", "lanczos"}
