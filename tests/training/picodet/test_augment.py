import numpy as np
import pytest
from PIL import Image

from training.picodet import augment
from training.picodet.data import Sample

RED = (250, 20, 20)


def marked(width=120, height=90, box=(30, 20, 70, 60)):
    """Grey picture whose one object is all red, so that pixels tell where the box must be."""
    image = Image.new("RGB", (width, height), (90, 90, 90))
    image.paste(RED, box)
    return Sample(image, np.array([box], np.float32))


def red_extent(image):
    pixels = np.asarray(image).astype(int)
    ys, xs = np.nonzero((pixels[..., 0] > 170) & (pixels[..., 1] < 60))
    return [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


def assert_boxes_follow(sample, tolerance=1.5):
    assert len(sample.boxes) == 1
    np.testing.assert_allclose(sample.boxes[0], red_extent(sample.image), atol=tolerance)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "change",
    [
        lambda s, rng: augment.flip(s),
        lambda s, rng: augment.quarter_turn(s, int(rng.integers(1, 4))),
        lambda s, rng: augment.squash(s, 64),
        lambda s, rng: augment.random_crop(s, rng),
        lambda s, rng: augment.shrink(s, rng),
    ],
    ids=["flip", "turn", "squash", "crop", "shrink"],
)
def test_the_box_follows_the_pixels(change, seed):
    assert_boxes_follow(change(marked(), np.random.default_rng(seed)))


def test_a_crop_that_leaves_too_little_of_a_box_drops_it():
    kept = augment.crop(marked(), (40, 0, 120, 90))
    assert kept.boxes.tolist() == [[0, 20, 30, 60]]
    assert augment.crop(marked(), (60, 0, 120, 90)).boxes.shape == (0, 4)


def test_a_mosaic_holds_the_objects_of_all_four():
    mixed = augment.mosaic([marked() for _ in range(4)], 128, np.random.default_rng(0))
    assert mixed.image.size == (128, 128)
    assert len(mixed.boxes) == 4
    for box in mixed.boxes:
        inside = np.asarray(mixed.image.crop(tuple(int(v) for v in box.round())))
        assert (inside[..., 0] > 170).mean() > 0.9


@pytest.mark.parametrize("seed", range(6))
def test_a_pasted_object_gets_a_box_around_its_pixels(seed):
    plain = Sample(Image.new("RGB", (160, 160), (90, 90, 90)), np.zeros((0, 4), np.float32))
    assert_boxes_follow(augment.paste(plain, marked(), np.random.default_rng(seed)), tolerance=3.5)


def test_objects_that_are_pasted_over_lose_their_box():
    small = Sample(Image.new("RGB", (100, 100)), np.array([[48, 48, 52, 52], [0, 0, 100, 100]], np.float32))
    covered = 0
    for seed in range(30):
        after = augment.paste(small, marked(), np.random.default_rng(seed))
        new = after.boxes[-1]
        if new[0] < 46 and new[1] < 46 and new[2] > 54 and new[3] > 54:
            covered += 1
            assert [48, 48, 52, 52] not in after.boxes.tolist()
    assert covered


def test_a_seed_fixes_the_sample_and_boxes_stay_inside():
    for seed in range(25):
        first, again = (augment.training_sample(marked, 96, np.random.default_rng(seed)) for _ in range(2))
        assert first.image.tobytes() == again.image.tobytes()
        assert first.boxes.tolist() == again.boxes.tolist()
        assert first.boxes.min(initial=0) >= 0
        assert first.boxes.max(initial=0) <= 96.001


def test_pictures_without_objects_pass_through():
    empty = Sample(Image.new("RGB", (50, 40)), np.zeros((0, 4), np.float32))
    for seed in range(10):
        sample = augment.training_sample(lambda: empty, 64, np.random.default_rng(seed))
        assert sample.image.size == (64, 64)
        assert sample.boxes.shape == (0, 4)
