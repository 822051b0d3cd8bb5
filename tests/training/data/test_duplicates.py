from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.data.duplicates import NEAR, Print, near_pairs, print_of, prints_of, same_content


def photo(seed: int, side: int = 96) -> Image.Image:
    """A smooth random picture."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_a_copy_saved_anew_or_resized_is_nearly_the_same_and_others_are_not(tmp_path: Path) -> None:
    paths = [saved(photo(n), tmp_path / f"{n}.png") for n in range(30)]
    copies = [
        saved(photo(3), tmp_path / "quality.jpg", quality=60),
        saved(photo(7).resize((50, 50)), tmp_path / "small.png"),
        saved(photo(9).rotate(90), tmp_path / "turned.png", exif=orientation(6)),
    ]
    prints = [print_of(path) for path in [*paths, *copies]]
    assert near_pairs(prints) == [(3, 30), (7, 31), (9, 32)]


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def test_the_size_is_that_of_the_upright_picture(tmp_path: Path) -> None:
    path = saved(photo(1).resize((40, 30)), tmp_path / "a.jpg", exif=orientation(6))
    assert print_of(path).size == (30, 40)


def test_plain_pictures_have_no_print_and_the_same_content_is_no_near_pair(tmp_path: Path) -> None:
    white = print_of(saved(Image.new("RGB", (50, 50), "white"), tmp_path / "w.png"))
    assert white.bits is None
    same = print_of(saved(photo(1), tmp_path / "a.png"))
    assert near_pairs([white, white, same, same]) == []
    assert same_content([white, white, same, Print("", problem="gone")]) == [[0, 1]]


@pytest.mark.parametrize(("content", "problem"), [(b"text", "no picture"), (None, "cannot be read")])
def test_what_cannot_be_decoded_says_why(tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content:
        (tmp_path / "a.jpg").write_bytes(content)
    assert problem in str(print_of(tmp_path / "a.jpg").problem)


def test_a_cut_off_picture_is_found(tmp_path: Path) -> None:
    stream = BytesIO()
    photo(1, 400).save(stream, "JPEG", quality=95)
    (tmp_path / "a.jpg").write_bytes(stream.getvalue()[:-1000])
    assert "cut off" in str(print_of(tmp_path / "a.jpg").problem)


def test_each_file_is_read_once(tmp_path: Path) -> None:
    paths = [saved(photo(n), tmp_path / f"{n}.png") for n in (0, 1)]
    calls: list[int] = []
    assert list(prints_of([*paths, *paths], 2, lambda: calls.append(1))) == paths
    assert len(calls) == 2


@settings(max_examples=30)
@given(st.lists(st.integers(0, 2**16 - 1), min_size=2, max_size=12), st.integers(0, 7), st.integers(0, 2**32))
def test_pairs_are_those_of_comparing_all(numbers: list[int], most: int, seed: int) -> None:
    """Few different words, with up to eight bits flipped anywhere, so that many pairs are near."""
    rng = np.random.default_rng(seed)
    bits = np.array([[number % 3] * 8 for number in numbers], np.uint16)
    for row in bits:
        for bit in rng.choice(128, rng.integers(0, 9), replace=False):
            row[bit // 16] ^= np.uint16(1 << (bit % 16))
    prints = [Print(str(n), row.view(np.uint8)) for n, row in enumerate(bits)]
    wanted = [
        (a, b)
        for a in range(len(bits))
        for b in range(a + 1, len(bits))
        if sum(bin(int(x) ^ int(y)).count("1") for x, y in zip(bits[a], bits[b], strict=True)) <= most
    ]
    assert near_pairs(prints, most) == wanted


def test_more_bits_than_bands_are_refused() -> None:
    assert NEAR < 8
    with pytest.raises(ValueError, match="at most 7 differing bits"):
        near_pairs([], 8)
