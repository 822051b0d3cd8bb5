from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.labels import labelled_set, number_labels, read_classes, save_classes
from training.data.pictures import Picture


def pictures(*labels: str) -> list[Picture]:
    return [Picture(Path(f"{number}.jpg"), label) for number, label in enumerate(labels)]


def test_numbers_are_kept_and_the_head_fits_the_largest() -> None:
    found = labelled_set(pictures("5", "100", "7", "5"))
    assert found.labels.tolist() == [5, 100, 7, 5]
    assert found.class_num == 101
    assert found.name_of(100) == "100"


def test_relabelling_counts_in_order_of_value_not_of_text() -> None:
    found = labelled_set(pictures("100", "9", "20"), relabel=True)
    assert found.labels.tolist() == [2, 0, 1]
    assert found.class_num == 3
    assert list(found.classes) == ["9", "20", "100"]


def test_names_are_numbered_in_sorted_order() -> None:
    found = labelled_set(pictures("tea", "milk", "7", "tea"))
    assert found.classes == {"7": 0, "milk": 1, "tea": 2}
    assert found.labels.tolist() == [2, 1, 0, 2]


def test_one_value_written_in_two_ways_is_one_class() -> None:
    assert labelled_set(pictures("007", "7", "8"), relabel=True).labels.tolist() == [0, 0, 1]


def test_a_test_set_speaks_of_the_classes_of_training_only() -> None:
    classes = labelled_set(pictures("milk", "tea")).classes
    assert labelled_set(pictures("tea"), classes=classes).labels.tolist() == [1]
    with pytest.raises(ValueError, match=r"1 labels are not among the given classes, the first is 'coffee'"):
        labelled_set(pictures("coffee", "tea"), classes=classes)


@given(st.sets(st.text(max_size=4), min_size=1))
def test_relabelled_numbers_are_dense(labels: set[str]) -> None:
    numbers = number_labels(labels, relabel=True)
    assert sorted(set(numbers.values())) == list(range(len(set(numbers.values()))))
    assert set(numbers) == labels


def test_the_map_is_saved_and_read_again(tmp_path: Path) -> None:
    classes = number_labels({"Müsli", "tea"})
    save_classes(classes, tmp_path / "classes.json")
    assert read_classes(tmp_path / "classes.json") == classes


@pytest.mark.parametrize("text", ["[1]", '{"a": "b"}', '{"a": -1}', '{"a": true}', "{"])
def test_another_file_is_no_class_map(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(ValueError, match="no class map"):
        read_classes(tmp_path / "c.json")
