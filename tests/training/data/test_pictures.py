from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.pictures import draw_folder
from training.data.augment import Augmentation, random_quad, random_view
from training.data.pictures import Picture, folder_pictures, grocery, grocery_classes, seen_folds
from training.data.select import TooFewClasses, leave_classes_out, split_by_label, spread


def test_a_folder_of_folders_gives_one_label_per_folder(tmp_path: Path) -> None:
    pictures = folder_pictures(draw_folder(tmp_path / "f", 3, 2, seed=0))
    assert [p.label for p in pictures] == ["thing-0"] * 2 + ["thing-1"] * 2 + ["thing-2"] * 2
    assert all(p.box is None for p in pictures)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "label").mkdir()
    with pytest.raises(ValueError, match="no pictures"):
        folder_pictures(tmp_path)
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        folder_pictures(tmp_path / "nowhere")


def write_grocery(root: Path) -> None:
    folder = root / "grocery"
    (folder / "boxes").mkdir(parents=True)
    rows = ["fine,coarse,group,icon"]
    rows += [f"{group[0]}{i},x,{group},i.jpg" for i in range(4) for group in ("Fruit", "Packages")]
    (folder / "classes.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "train.txt").write_text("".join(f"{n}.jpg\t{n}\n" for n in ("F0", "P0", "P1", "P3")), encoding="utf-8")
    boxes = ",".join(f'"{n}.jpg": {{"boxes": [[1, 2, 3, 4], [0, 0, 9, 9]]}}' for n in ("F0", "P0", "P1", "P3"))
    (folder / "boxes/localizer.json").write_text(f'{{"images": {{{boxes}}}}}', encoding="utf-8")


def test_folds_count_within_cartons_and_within_produce(tmp_path: Path) -> None:
    write_grocery(tmp_path)
    folds = {c.name: (c.group, c.fold) for c in grocery_classes(tmp_path)}
    assert folds["P3"] == ("cartons", 0)
    assert folds["F2"] == ("produce", 2)


def test_a_held_out_fold_stays_out_and_the_best_box_is_taken(tmp_path: Path) -> None:
    write_grocery(tmp_path)
    pictures = grocery(tmp_path, "train", seen_folds(0))
    assert [(p.label, p.box) for p in pictures] == [("P1", (1, 2, 3, 4))]


def test_views_have_the_size_asked_for_and_follow_the_generator() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))
    views = [random_view(image, (10, 10, 50, 50), 32, np.random.default_rng(s), Augmentation()) for s in (1, 1, 2)]
    assert views[0].shape == (32, 32, 3)
    assert views[0].dtype == np.uint8
    assert np.array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])


def test_without_any_range_a_view_is_the_box_itself() -> None:
    still = Augmentation(
        whole_share=0, box_jitter=0, rotation_degrees=0, perspective=0, brightness=0, contrast=0, saturation=0,
        colour_cast=0, blur_share=0, erase_share=0, mirror_share=0,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    assert random_quad((1, 2, 5, 8), rng, still) == pytest.approx((1, 2, 1, 8, 5, 8, 5, 2))
    pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    view = random_view(Image.fromarray(pixels), None, 16, rng, still)
    assert np.abs(view.astype(int) - pixels).max() <= 1


def test_labels_are_split_in_halves_and_lone_pictures_left_out(tmp_path: Path) -> None:
    pictures = folder_pictures(draw_folder(tmp_path / "f", 2, 3, seed=0))
    first, second = split_by_label([*pictures[:4]])
    assert [p.path.name for p in first] == ["0.png", "2.png"]
    assert [p.path.name for p in second] == ["1.png"]


def test_a_spread_takes_from_every_label_before_it_takes_more_of_one(tmp_path: Path) -> None:
    pictures = folder_pictures(draw_folder(tmp_path / "f", 3, 4, seed=0))
    assert sorted(p.label for p in spread(pictures, 4)) == sorted(
        [*{p.label for p in pictures}, spread(pictures, 1)[0].label]
    )
    assert len(spread(pictures, 99)) == 12


def test_pictures_are_opened_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (20, 10), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert Picture(tmp_path / "turned.jpg", "x").open().size == (10, 20)


def pictures_of(*counts: int) -> list[Picture]:
    return [Picture(Path(f"{label}/{i}.jpg"), f"thing-{label}") for label, n in enumerate(counts) for i in range(n)]


def labels_of(pictures: list[Picture]) -> set[str]:
    return {picture.label for picture in pictures}


@pytest.mark.parametrize("counts", [[14] * 12, [5] * 30, [1, 20] * 40, [3] * 400])
def test_classes_left_out_suffice_and_leave_half_to_train_on(counts: list[int]) -> None:
    pictures = pictures_of(*counts)
    parts = leave_classes_out(pictures)
    used = [labels_of(parts.training), labels_of(parts.calibration), labels_of(parts.others)]
    assert sorted([*parts.training, *parts.calibration, *parts.others], key=pictures.index) == pictures
    assert sum(map(len, used)) == len(counts)
    assert len(used[0]) >= len(counts) / 2
    assert min(len(used[1]), len(used[2])) >= min(30, max(3, len(counts) // 10))
    assert len(used[1]) <= 30
    assert len(parts.others) >= 40
    assert min(Counter(picture.label for picture in parts.calibration).values()) >= 2
    assert labels_of(leave_classes_out(pictures[::-1]).training) == used[0]


@pytest.mark.parametrize("counts", [[14] * 11, [5] * 15, [1] * 200, [50, 50]])
def test_too_few_classes_or_pictures_are_not_left_out(counts: list[int]) -> None:
    with pytest.raises(TooFewClasses, match=f"{len(counts)} classes with {sum(counts)} pictures"):
        leave_classes_out(pictures_of(*counts))
