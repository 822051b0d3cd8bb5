import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.data.transforms import augmix as augmix_module
from training.data.transforms import build_transforms
from training.data.transforms.policies import IMAGENET_POLICY, RandAugment, RandAugmentV2, RandAugmentV4

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def run(op: str, parameters: dict[str, Any] | None, seed: int = 0, image: NDArray[Any] = IMAGE) -> NDArray[Any]:
    return build_transforms([{op: parameters}])(image, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("op", "parameters"),
    [
        ("AutoAugment", None),
        ("RandAugment", {"magnitude": 9}),
        ("RandAugmentV2", {"magnitude": 9}),
        ("RandAugmentV3", {"magnitude": 9}),
        ("RandAugmentV4", None),
        ("RandomInterpolationAugment", {"prob": 0.9}),
    ],
)
def test_policies_change_images_keep_their_shape_and_follow_the_generator(op: str, parameters: Any) -> None:
    made = [run(op, parameters, seed) for seed in range(60)]
    assert all(image.shape == IMAGE.shape and image.dtype == np.uint8 for image in made)
    assert len({image.tobytes() for image in made}) > 20
    assert all(np.array_equal(image, run(op, parameters, seed)) for seed, image in enumerate(made[:5]))


def test_the_policy_has_25_parts_of_known_operations() -> None:
    assert len(IMAGENET_POLICY) == 25
    names = {name for part in IMAGENET_POLICY for name, probability, strength in part if 0 <= probability <= 1}
    assert names <= set(RandAugment.NAMES)


@pytest.mark.parametrize("name", RandAugment.NAMES)
def test_a_larger_magnitude_changes_more(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RandAugment, "NAMES", (name,))
    ramp = np.add.outer(np.arange(20) * 5, np.arange(30) * 4)[:, :, None] + IMAGE % 16
    smooth = (8 + ramp * [1.0, 0.8, 0.6]).astype(np.uint8)

    def change(magnitude: int) -> float:
        made = [run("RandAugment", {"num_layers": 1, "magnitude": magnitude}, seed, smooth) for seed in range(8)]
        return float(np.mean([np.abs(image.astype(int) - smooth).mean() for image in made]))

    if name in ("autocontrast", "equalize", "invert"):
        assert change(1) == change(10) > 0
    else:
        assert change(0) <= 0.01
        assert change(3) < change(10)


def test_the_efficientnet_policy_covers_squares_and_scales_qualities(monkeypatch: pytest.MonkeyPatch) -> None:
    white = np.full((200, 200, 3), 200, np.uint8)
    monkeypatch.setattr(RandAugmentV2, "NAMES", ("cutout",))
    made = [run("RandAugmentV2", {"num_layers": 1, "magnitude": 5}, seed, white) for seed in range(10)]
    assert max((image == 128).all(axis=2).sum() for image in made) == 40 * 40
    monkeypatch.setattr(RandAugmentV2, "NAMES", ("brightness",))
    assert (run("RandAugmentV2", {"num_layers": 1, "magnitude": 5}, 3, white) == 200).all()
    assert (run("RandAugmentV2", {"num_layers": 1, "magnitude": 0}, 3, white) == 20).all()
    monkeypatch.setattr(RandAugmentV2, "NAMES", ("translateX",))
    moved = run("RandAugmentV2", {"num_layers": 1, "magnitude": 2}, 3, white)
    assert (moved == 128).all(axis=2).sum() == 20 * 200


def test_the_mobilevit_policy_leaves_black_corners_and_whole_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    white = np.full((40, 60, 3), 255, np.uint8)
    monkeypatch.setattr(RandAugment, "NAMES", ("translateX",))
    moved = run("RandAugmentV3", {"num_layers": 1, "magnitude": 10, "interpolation": "nearest"}, 0, white)
    assert (moved == 0).all(axis=2).sum() == 40 * round(60 * 150 / 331)
    monkeypatch.setattr(RandAugment, "NAMES", ("posterize",))
    for magnitude, bits in ((0, 8), (2, 8), (3, 7), (10, 4)):
        made = run("RandAugmentV3", {"num_layers": 1, "magnitude": magnitude})
        assert np.array_equal(made, IMAGE >> (8 - bits) << (8 - bits))
    with pytest.raises(ValueError, match="bicubic"):
        run("RandAugmentV3", {"interpolation": "smooth"})


def test_two_operations_come_each_with_half_a_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RandAugmentV4, "NAMES", ("cutout",))
    white = np.full((200, 200, 3), 255, np.uint8)
    covered = [int((run("RandAugmentV4", None, seed, white) == 0).all(axis=2).sum()) for seed in range(400)]
    assert 70 < covered.count(0) < 130
    assert max(covered) <= 2 * 40 * 40
    sides = {round(area**0.5) for area in covered if area and round(area**0.5) ** 2 == area}
    assert {2 * round(20 * level / 9) for level in range(1, 10)} <= sides


def test_what_is_made_small_and_large_again_has_lost_detail() -> None:
    assert np.array_equal(run("RandomInterpolationAugment", {"prob": 0}), IMAGE)
    made = [run("RandomInterpolationAugment", {"prob": 1}, seed) for seed in range(30)]
    assert all(abs(image.mean() - IMAGE.mean()) < 12 for image in made)
    assert np.mean([image.std() for image in made]) < 0.85 * IMAGE.std()


def test_timms_policy_follows_the_generator_alone() -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    made = [run("TimmAutoAugment", {"prob": 1}, seed) for seed in (1, 1, 2)]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    assert np.array_equal(np.random.get_state()[1], before)


def test_without_timm_its_policy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm.data.auto_augment", None)
    with pytest.raises(ValueError, match="pip install timm"):
        run("TimmAutoAugment", None)


def test_the_number_of_layers_is_that_of_operations() -> None:
    assert np.array_equal(run("RandAugment", {"num_layers": 0}), IMAGE)


def test_mixed_images_are_float_of_the_same_range_with_the_probability() -> None:
    made = [run("AugMix", {"prob": 0.3}, seed) for seed in range(400)]
    mixed = [image for image in made if image.dtype == np.float32]
    assert 80 < len(mixed) < 160
    assert all(np.array_equal(image, IMAGE) for image in made if image.dtype == np.uint8)
    assert all(image.min() >= -0.01 and image.max() <= 255.01 for image in mixed)


def test_a_mix_is_the_weighted_sum_of_chains_and_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """With operations that do nothing it is the image; with those that make black, the image's own share of it."""
    monkeypatch.setattr(augmix_module, "operate", lambda picture, *_: picture)
    assert np.allclose(run("AugMix", {"prob": 1}), IMAGE, atol=1e-3)
    monkeypatch.setattr(augmix_module, "operate", lambda picture, *_: picture.point(lambda value: 0))
    shares = np.array([run("AugMix", {"prob": 1}, seed).sum() / IMAGE.sum() for seed in range(1500)])
    assert shares.mean() == pytest.approx(0.5, abs=0.05)
    assert shares.var() == pytest.approx(0.25 / (2 * 0.1 + 1), abs=0.01)


def test_depth_and_width_count_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(augmix_module, "operate", lambda picture, name, *_: calls.append(name) or picture)
    run("AugMix", {"prob": 1, "mixture_width": 4, "mixture_depth": 2})
    assert len(calls) == 8
    lengths = set()
    for seed in range(20):
        calls.clear()
        run("AugMix", {"prob": 1, "mixture_width": 1, "mixture_depth": -1}, seed)
        lengths.add(len(calls))
    assert lengths == {1, 2, 3}


def test_every_operation_of_a_mix_is_drawn() -> None:
    rng = np.random.default_rng(0)
    for name in augmix_module.OPERATIONS:
        made = augmix_module.operate(augmix_module.to_pil(IMAGE), name, 10, rng)
        assert made.size == (30, 20)


def test_the_extractors_view_is_a_transform() -> None:
    view = run("RandomView", {"size": 16, "mirror_share": 0.0})
    assert view.shape == (16, 16, 3)
    assert not np.array_equal(view, run("RandomView", {"size": 16, "mirror_share": 0.0}, 1))
    with pytest.raises(ValueError, match="mirror"):
        run("RandomView", {"size": 16, "mirror": 0.0})
