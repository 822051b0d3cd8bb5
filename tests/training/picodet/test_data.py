import json

import numpy as np
import pytest
from PIL import Image

from training.picodet.data import IGNORED, DataError, load, read_checked, read_coco, read_pseudo_boxes


def coco(**changes):
    content = {
        "images": [
            {"id": 7, "file_name": "a.png", "width": 40, "height": 30, "source_key": "cups", "license": "MIT"},
            {"id": 8, "file_name": "b.png", "width": 40, "height": 30},
        ],
        "annotations": [{"id": 1, "image_id": 7, "bbox": [5, 6, 50, 10]}],
    }
    return content | changes


def written(tmp_path, content, name="boxes.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_coco_boxes_become_corners_cut_at_the_border(tmp_path):
    first, second = read_coco(written(tmp_path, coco()))
    assert first.boxes.tolist() == [[5, 6, 40, 16]]
    assert (first.path, first.source, first.licence) == (tmp_path / "a.png", "cups", "MIT")
    assert second.boxes.shape == (0, 4)
    assert second.source == "boxes"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "cannot be read"),
        ({"images": []}, "annotations"),
        (coco(annotations=[{"id": 3, "image_id": 99, "bbox": [0, 0, 1, 1]}]), "annotation 3: no image 99"),
        (coco(annotations=[{"id": 4, "image_id": 7, "bbox": [0, 0, 0, 5]}]), "annotation 4.*no area"),
        (coco(annotations=[{"id": 5, "image_id": 7, "bbox": [90, 0, 5, 5]}]), "annotation 5.*no area"),
        (coco(annotations=[{"id": 6, "image_id": 7, "bbox": [1, 2, 3]}]), "annotation 6.*four numbers"),
        (coco(annotations=[{"id": 6, "image_id": 7, "bbox": ["a", 0, 1, 1]}]), "annotation 6.*four numbers"),
        (coco(annotations=[{"id": 6, "image_id": 7}]), "bbox"),
    ],
)
def test_a_bad_coco_file_is_refused_with_the_entry_at_fault(tmp_path, content, reason):
    with pytest.raises(DataError, match=f"boxes.json.*{reason}"):
        read_coco(written(tmp_path, content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.json: cannot be read"):
        read_coco(tmp_path / "none.json")


def test_only_sure_pseudo_boxes_are_taken(tmp_path):
    images = {
        "x/1.jpg": {"boxes": [[0, 0, 9, 9], [1, 1, 4, 4], [2, 2, 3, 3]], "scores": [0.9, 0.3, 0.29]},
        "x/2.jpg": {"boxes": [[0, 0, 9, 9]], "scores": [0.2]},
        "x/3.jpg": {"boxes": [[0, 0, 9, 9]], "scores": [0.9]},
    }
    path = written(tmp_path, {"images": images})
    (only,) = read_pseudo_boxes(path, ["x/1.jpg", "x/2.jpg"], tmp_path, "shop")
    assert only.boxes.tolist() == [[0, 0, 9, 9], [1, 1, 4, 4]]
    assert (only.path, only.source) == (tmp_path / "x/1.jpg", "shop")
    with pytest.raises(DataError, match=r"x/4\.jpg"):
        read_pseudo_boxes(path, ["x/4.jpg"], tmp_path, "shop")


def test_checked_boxes_of_one_kind_are_read(tmp_path):
    images = {"1.jpg": {"kind": "single", "box": [1, 2, 3, 4]}, "2.jpg": {"kind": "pile", "box": [0, 0, 9, 9]}}
    (only,) = read_checked(written(tmp_path, {"images": images}), tmp_path, "single")
    assert only.boxes.tolist() == [[1, 2, 3, 4]]


def test_pictures_are_decoded_as_rgb(tmp_path):
    Image.new("L", (40, 30), 7).save(tmp_path / "a.png")
    sample = load(read_coco(written(tmp_path, coco()))[0])
    assert np.asarray(sample.image).shape == (30, 40, 3)


CATEGORIES = [{"id": 1, "name": "bottle"}, {"id": 2, "name": "person"}]


def annotation(number, category=1, **more):
    return {"id": number, "image_id": 7, "bbox": [5, 6, 20, 10], "category_id": category, **more}


def labels(tmp_path, *annotations, **options):
    first, _ = read_coco(written(tmp_path, coco(annotations=list(annotations), categories=CATEGORIES)), **options)
    return first.labels.tolist()


def test_all_categories_are_one_class_without_a_mapping(tmp_path):
    assert labels(tmp_path, annotation(1), annotation(2, category=2)) == [0, 0]


def test_a_mapping_gives_classes_and_ignores_the_categories_that_it_lacks(tmp_path):
    assert labels(tmp_path, annotation(1), annotation(2, category=2), mapping={"bottle": 3}) == [3, IGNORED]


@pytest.mark.parametrize("key", ["ignore", "iscrowd"])
def test_crowds_and_ignored_annotations_are_regions_to_ignore(tmp_path, key):
    path = written(tmp_path, coco(annotations=[annotation(1, **{key: 1}), annotation(2, **{key: 0})]))
    first, _ = read_coco(path)
    assert first.labels.tolist() == [IGNORED, 0]
    assert len(first.objects) == len(first.ignored) == 1


def test_objects_under_the_smallest_area_are_ignored(tmp_path):
    small = annotation(1, bbox=[0, 0, 4, 3])  # a hundredth of 40 x 30
    assert labels(tmp_path, small, min_area=0.02) == [IGNORED]
    assert labels(tmp_path, small, min_area=0.005) == [0]


def test_a_category_that_nobody_has_is_refused(tmp_path):
    with pytest.raises(DataError, match="no category 'botle'; it has bottle, person"):
        labels(tmp_path, annotation(1), mapping={"botle": 0})
    with pytest.raises(DataError, match="annotation 1: no category 9"):
        labels(tmp_path, annotation(1, category=9), mapping={"bottle": 0})


def test_pictures_may_lie_elsewhere(tmp_path):
    first, _ = read_coco(written(tmp_path, coco()), images=tmp_path / "pictures")
    assert first.path == tmp_path / "pictures/a.png"
