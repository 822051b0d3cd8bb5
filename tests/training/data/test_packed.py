from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from training.data.packed import PackedPictures
from training.data.pictures import Picture

names = st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=8)
numbers = st.floats(-10, 1e5)
pictures = st.builds(
    Picture,
    names.map(lambda name: Path("/root dir") / name),
    st.just("label"),
    st.none() | st.tuples(numbers, numbers, numbers, numbers),
    st.none() | names,
)


@given(st.lists(pictures, max_size=6))
def test_nothing_is_lost(given_pictures: list[Picture]) -> None:
    packed = PackedPictures(given_pictures)
    for index, one in enumerate(given_pictures):
        assert (packed.path(index), packed.box(index), packed.group(index)) == (str(one.path), one.box, one.group)
