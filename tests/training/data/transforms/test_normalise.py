import numpy as np
import pytest

from training.data.transforms import build_transforms

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]


@pytest.mark.parametrize("scale", ["1.0/255.0", 0.00392157, None])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_values_are_scaled_shifted_and_divided(scale: str | float | None, dtype: type[np.number]) -> None:
    chain = build_transforms([{"NormalizeImage": {"scale": scale, "mean": MEAN, "std": STD, "order": "hwc"}}])
    made = chain(IMAGE.astype(dtype), RNG)
    factor = 0.00392157 if scale == 0.00392157 else 1 / 255
    assert made.dtype == np.float32
    assert np.allclose(made, (IMAGE * factor - np.array(MEAN)) / np.array(STD), atol=1e-6)


def test_the_order_of_axes_must_be_the_stated_one() -> None:
    with pytest.raises(ValueError, match=r"shape \(5, 7, 3\) is not in the stated order; write order: ''"):
        build_transforms([{"NormalizeImage": {}}])(IMAGE, RNG)
    first = build_transforms([{"ToCHWImage": None}, {"NormalizeImage": {"mean": MEAN, "std": STD}}])(IMAGE, RNG)
    last = build_transforms([{"NormalizeImage": {"mean": MEAN, "std": STD, "order": ""}}])(IMAGE, RNG)
    assert np.array_equal(first.transpose(1, 2, 0), last)


def test_the_frameworks_tensor_and_normalising() -> None:
    chain = build_transforms([{"ToTensor": None}, {"Normalize": {"mean": MEAN, "std": STD}}])
    wanted = ((IMAGE / 255 - np.array(MEAN)) / np.array(STD)).transpose(2, 0, 1)
    assert np.allclose(chain.chw(IMAGE, RNG), wanted, atol=1e-6)
    single = build_transforms([{"Normalize": {"mean": 127.5, "std": 127.5, "data_format": "HWC"}}])(IMAGE, RNG)
    assert np.allclose(single, IMAGE / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    "op",
    [
        {"NormalizeImage": {"order": "nhwc"}},
        {"NormalizeImage": {"output_fp16": True}},
        {"NormalizeImage": {"scale": "os.sep"}},
        {"Normalize": {"data_format": "NCHW"}},
    ],
)
def test_impossible_parameters_are_refused(op: dict[str, dict[str, object]]) -> None:
    with pytest.raises(ValueError, match=r"Normalize|arithmetic"):
        build_transforms([op])
