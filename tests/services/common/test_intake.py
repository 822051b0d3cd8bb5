"""Pictures as people and attackers send them: what is read, how, and what is refused with which problem."""

import hashlib
import io
import struct
import time
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from services.common.errors import NotAPicture, ServiceError, TooLarge, Unprocessable
from services.common.intake import Picture
from services.common.intake import decode_picture as decode

# Pillow warns of metadata that it cannot read; here that is the point.
pytestmark = pytest.mark.filterwarnings("ignore")

RED = (200, 30, 40)
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"] + (["AVIF"] if features.check("avif") else [])


def decode_picture(data: bytes, max_pixels: int = 50_000_000) -> Picture:
    return decode(data, max_pixels)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def quartered(width: int = 64, height: int = 32) -> Image.Image:
    """White picture with a red upper left quarter: shows every turn and flip."""
    image = Image.new("RGB", (width, height), "white")
    image.paste(RED, (0, 0, width // 2, height // 2))
    return image


def is_red(image: Image.Image, x: int, y: int) -> bool:
    return bool(np.abs(np.subtract(image.getpixel((x, y)), RED)).max() < 40)


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    return data


@pytest.mark.parametrize("kind", FORMATS)
def test_every_type_is_told_by_content_and_decoded_to_rgb(kind: str) -> None:
    data = encode(quartered(), kind)
    picture = decode_picture(data)
    assert picture.media_type == f"image/{kind.lower()}"
    assert (picture.width, picture.height) == picture.image.size == (64, 32)
    assert picture.image.mode == "RGB"
    assert picture.sha256 == hashlib.sha256(data).hexdigest()
    assert is_red(picture.image, 8, 4)
    assert not is_red(picture.image, 50, 4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(kind: str, orientation: int) -> None:
    picture = decode_picture(encode(quartered(), kind, exif=exif(orientation)))
    sideways = orientation >= 5
    assert (picture.width, picture.height) == ((32, 64) if sideways else (64, 32))
    right, bottom = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}[
        orientation
    ]
    width, height = picture.image.size
    assert is_red(picture.image, width // 4 + right * width // 2, height // 4 + bottom * height // 2)


@pytest.mark.parametrize("orientation", [0, 9, 60000])
def test_an_orientation_that_does_not_exist_is_ignored(orientation: int) -> None:
    assert is_red(decode_picture(encode(quartered(), "JPEG", exif=exif(orientation))).image, 8, 4)


def test_broken_metadata_does_not_cost_the_picture() -> None:
    assert decode_picture(encode(quartered(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")).width == 64


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_lies_over_white(mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 4, 8))
    kind = "TIFF" if mode == "PA" else "PNG"
    layered = image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)
    if mode == "PA":
        layered.putalpha(image.getchannel("A"))
    rgb = decode_picture(encode(layered, kind)).image
    assert rgb.getpixel((1, 1)) == (0, 0, 0)
    assert rgb.getpixel((6, 1)) == (255, 255, 255)


def test_a_palette_with_a_transparent_colour_lies_over_white() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((0, 0), 0)
    rgb = decode_picture(encode(image, "PNG", transparency=0)).image
    assert rgb.getpixel((0, 0)) == (255, 255, 255)
    assert rgb.getpixel((2, 2)) == (10, 20, 30)


def test_sixteen_bit_grey_keeps_its_range() -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    for kind in ("PNG", "TIFF"):
        grey = np.asarray(decode_picture(encode(Image.fromarray(ramp), kind)).image)[..., 0]
        assert np.array_equal(grey, (ramp >> 8).astype(np.uint8))


def test_sixteen_bit_colour_is_read() -> None:
    line = b"\0" + struct.pack(">6H", 0xFFFF, 0x8000, 0, 0, 0x8000, 0xFFFF)
    picture = decode_picture(png(2, 1, line, depth=16))
    assert picture.image.getpixel((0, 0)) == (255, 128, 0)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK"])
def test_other_colour_modes_become_rgb(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    picture = decode_picture(encode(quartered().convert(mode), kind))
    assert picture.image.mode == "RGB"
    assert picture.image.getpixel((50, 20)) == pytest.approx((255, 255, 255), abs=6)


def test_floating_point_pixels_are_refused() -> None:
    with pytest.raises(Unprocessable, match="F pixels"):
        decode_picture(encode(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_read(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, "blue", "green")]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    assert is_red(decode_picture(data).image, 4, 4)


def test_a_very_large_photo_is_reduced_and_its_boxes_stay_full_size() -> None:
    photo = quartered(4000, 3000)
    picture = decode_picture(encode(photo, "JPEG", exif=exif(6)))
    assert (picture.width, picture.height) == (3000, 4000)
    assert picture.image.size == (1500, 2000)
    assert picture.to_image([[1500, 0, 3000, 2000]]).tolist() == [[750, 0, 1500, 1000]]
    assert is_red(picture.image, 1100, 500)


@pytest.mark.parametrize("size", [(1600, 1200), (3100, 2000), (9000, 900)])
def test_a_photo_is_not_reduced_below_the_models_needs(size: tuple[int, int]) -> None:
    assert decode_picture(encode(Image.new("RGB", size), "JPEG")).image.size == size


def test_pixels_are_counted_before_decoding() -> None:
    bomb = png(50_000, 50_000, b"")
    started = time.perf_counter()
    with pytest.raises(TooLarge):
        decode_picture(bomb)
    with pytest.raises(TooLarge, match="10 x 11 pixels; at most 100"):
        decode_picture(png(10, 11, b""), max_pixels=100)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "WEBP", "JPEG"])
def test_the_pixel_limit_holds_for_every_type(kind: str) -> None:
    with pytest.raises(TooLarge):
        decode_picture(encode(quartered(), kind), max_pixels=64 * 32 - 1)


@pytest.mark.parametrize(
    "data",
    [b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4\n", b"%!PS-Adobe\n", b"P6 1 1 255 abc"],
)
def test_other_content_is_not_a_picture(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        decode_picture(data)


@pytest.mark.skipif("HEIF" in Image.OPEN, reason="this Pillow reads HEIC")
@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_of_a_phones_heic_picture_it_is_said_what_to_do(brand: bytes) -> None:
    with pytest.raises(NotAPicture, match=r"HEIC.*send it as JPEG"):
        decode_picture(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(100))


def test_an_empty_body_is_refused() -> None:
    with pytest.raises(Unprocessable, match="empty"):
        decode_picture(b"")


@pytest.mark.parametrize("kind", ["EPS", "PDF", "ICO", "PPM", "TGA", "PCX"])
def test_types_that_are_not_on_the_list_stay_closed(kind: str) -> None:
    with pytest.raises(NotAPicture):
        decode_picture(encode(quartered(), kind))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("part", [0.3, 0.7, 0.95])
def test_a_truncated_file_is_refused(kind: str, part: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encode(noise, kind)
    with pytest.raises((Unprocessable, NotAPicture)):
        decode_picture(data[: int(len(data) * part)])


def test_a_picture_of_no_size_is_refused() -> None:
    for width, height in ((0, 4), (4, 0), (0, 0)):
        with pytest.raises((Unprocessable, NotAPicture)):
            decode_picture(png(width, height, b""))


def test_a_polyglot_is_the_picture_that_its_head_says() -> None:
    data = encode(quartered(), "JPEG") + b"PK\x03\x04<script>alert(1)</script>" + encode(quartered(), "PNG")
    assert decode_picture(data).media_type == "image/jpeg"
    with pytest.raises(NotAPicture):
        decode_picture(b"GIF87" + encode(quartered(), "PNG"))


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = encode(quartered(), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    scan = data[start:-2]
    with pytest.raises(Unprocessable, match="scans"):
        decode_picture(data[:-2] + scan * 200 + b"\xff\xd9")


def test_a_text_chunk_bomb_is_refused() -> None:
    bomb = chunk(b"zTXt", b"k\0\0" + zlib.compress(b"\0" * 100_000_000))
    data = png(1, 1, b"\0\0\0\0")
    started = time.perf_counter()
    with pytest.raises(ServiceError):
        decode_picture(data[:33] + bomb + data[33:])
    assert time.perf_counter() - started < 5


SAMPLES = {kind: encode(quartered(), kind) for kind in FORMATS}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(FORMATS), st.data())
def test_a_damaged_file_gives_a_picture_or_a_problem_and_nothing_else(kind: str, data: st.DataObject) -> None:
    content = bytearray(SAMPLES[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(st.binary(max_size=6))
        content[place : place + data.draw(st.integers(0, 8))] = piece
    _picture_or_problem(bytes(content))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([SAMPLES[kind][:head] for kind in FORMATS for head in (4, 16, 40)]), st.binary(max_size=200))
def test_noise_behind_a_true_head_gives_a_picture_or_a_problem(head: bytes, rest: bytes) -> None:
    _picture_or_problem(head + rest)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from(FORMATS), st.sampled_from(["RGB", "L", "P", "1"]))
def test_any_size_is_read(width: int, height: int, kind: str, mode: str) -> None:
    source = "RGB" if kind in ("JPEG", "AVIF") else mode
    picture = decode_picture(encode(Image.new(source, (width, height)), kind))
    assert (picture.width, picture.height) == (width, height)


def _picture_or_problem(content: bytes) -> None:
    with suppress(NotAPicture, TooLarge, Unprocessable):
        picture = decode_picture(content, max_pixels=4_000_000)
        assert picture.image.mode == "RGB"
        assert picture.width * picture.height <= 4_000_000


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, raw: bytes, depth: int = 8) -> bytes:
    """A PNG by hand, so that its header may lie."""
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data
