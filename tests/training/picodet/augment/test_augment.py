import numpy as np
import pytest
from PIL import Image

from training.picodet.augment import FILTERS, Augmentation, training_sample
from training.picodet.augment import pictures as augment
from training.picodet.data import IGNORED, Sample, one_class

RED = (250, 20, 20)


def marked(width=120, height=90, box=(30, 20, 70, 60)):
    """Grey picture whose one object is all red, so that pixels tell where the box must be."""
    image = Image.new("RGB", (width, height), (90, 90, 90))
    image.paste(RED, box)
    return Sample(image, np.array([box], np.float32), one_class(1))


def empty(width, height, colour=(90, 90, 90)):
    return Sample(Image.new("RGB", (width, height), colour), np.zeros((0, 4), np.float32), one_class(0))


def augmented(first, draw, size, seed, settings):
    rng = np.random.default_rng(seed)
    return training_sample(first, draw, settings, size, rng.choice(list(FILTERS.values())), rng)


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
    assert_boxes_follow(augment.paste(empty(160, 160), marked(), np.random.default_rng(seed)), tolerance=3.5)


def test_objects_that_are_pasted_over_lose_their_box():
    boxes = np.array([[48, 48, 52, 52], [0, 0, 100, 100]], np.float32)
    small = Sample(Image.new("RGB", (100, 100)), boxes, one_class(2))
    covered = 0
    for seed in range(30):
        after = augment.paste(small, marked(), np.random.default_rng(seed))
        new = after.boxes[-1]
        if new[0] < 46 and new[1] < 46 and new[2] > 54 and new[3] > 54:
            covered += 1
            assert [48, 48, 52, 52] not in after.boxes.tolist()
    assert covered


ALL = Augmentation(mosaic=0.4, turn=0.3, crop=0.5, shrink=0.3, paste=0.5)


def test_a_seed_fixes_the_sample_and_boxes_stay_inside():
    for seed in range(25):
        first, again = (augmented(marked(), marked, 96, seed, ALL) for _ in range(2))
        assert first.image.tobytes() == again.image.tobytes()
        assert first.boxes.tolist() == again.boxes.tolist()
        assert len(first.labels) == len(first.boxes)
        assert first.boxes.min(initial=0) >= 0
        assert first.boxes.max(initial=0) <= 96.001


def test_pictures_without_objects_pass_through():
    for seed in range(10):
        sample = augmented(empty(50, 40), lambda: empty(50, 40), 64, seed, ALL)
        assert sample.image.size == (64, 64)
        assert sample.boxes.shape == (0, 4)


def test_by_default_nothing_is_drawn_from_other_pictures():
    def never():
        raise AssertionError("drawn")

    for seed in range(20):
        augmented(marked(), never, 64, seed, Augmentation())


def test_without_any_share_a_sample_is_only_resized():
    nothing = Augmentation(crop=0, flip=0, distort=0)
    sample = augmented(marked(64, 64, (8, 8, 40, 40)), marked, 64, 0, nothing)
    assert sample.image.tobytes() == marked(64, 64, (8, 8, 40, 40)).image.tobytes()
    assert sample.boxes.tolist() == [[8, 8, 40, 40]]


def region(label):
    boxes = np.array([[0, 0, 100, 100], [10, 10, 40, 40]], np.float32)
    return Sample(Image.new("RGB", (100, 100)), boxes, np.array([label, 2], np.int64))


def test_what_is_left_of_an_ignored_region_stays_ignored():
    cut = augment.crop(region(IGNORED), (60, 60, 90, 90))
    assert cut.boxes.tolist() == [[0, 0, 30, 30]]
    assert cut.labels.tolist() == [IGNORED]
    assert len(augment.crop(region(0), (60, 60, 90, 90)).boxes) == 0


def test_crops_follow_objects_and_pasted_ones_keep_their_class():
    sample = region(IGNORED)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert 2 in augment.random_crop(sample, rng).labels
        assert augment.paste(empty(100, 100), sample, rng).labels.tolist() == [2]


def test_only_ignored_regions_give_nothing_to_paste():
    donor = Sample(Image.new("RGB", (50, 50)), np.array([[0, 0, 50, 50]], np.float32), np.array([IGNORED]))
    assert len(augment.paste(empty(90, 90), donor, np.random.default_rng(0)).boxes) == 0


def test_labels_stay_with_their_boxes_in_a_mosaic():
    parts = [Sample(marked().image, marked().boxes, np.array([label])) for label in (3, 5, 7, 9)]
    mixed = augment.mosaic(parts, 128, np.random.default_rng(1))
    corners = dict(zip(mixed.labels.tolist(), mixed.boxes[:, :2].tolist(), strict=True))
    assert corners[3][0] < corners[5][0]
    assert corners[3][1] < corners[7][1]
    assert corners[9][0] > corners[7][0]
