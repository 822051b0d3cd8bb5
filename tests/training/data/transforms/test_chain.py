from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from training.data.transforms import Undecodable, build_transforms
from training.data.transforms.decode import DecodeImage
from training.registry import UnknownName

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("backend", ["cv2", "pil"])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_pictures_are_decoded_as_rgb(backend: str, kind: str) -> None:
    chain = build_transforms([{"DecodeImage": {"to_rgb": True, "channel_first": False, "backend": backend}}])
    assert np.array_equal(chain.decode(encoded(Image.fromarray(IMAGE), kind)), IMAGE)


def test_channels_are_reversed_if_asked() -> None:
    chain = build_transforms([{"DecodeImage": {"to_rgb": False}}])
    assert np.array_equal(chain.decode(encoded(Image.fromarray(IMAGE))), IMAGE[:, :, ::-1])


@pytest.mark.parametrize("backend", ["cv2", "pil"])
def test_the_orientation_is_applied(backend: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the top row of what is stored is the right side of what is seen
    content = encoded(Image.fromarray(IMAGE), "JPEG", exif=exif, quality=95)
    assert DecodeImage(backend=backend)(content).shape == (9, 6, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"nothing", encoded(Image.fromarray(IMAGE), "JPEG")[:-40]])
@pytest.mark.parametrize("backend", ["cv2", "pil"])
def test_what_is_no_whole_picture_is_an_error(backend: str, content: bytes) -> None:
    with pytest.raises(Undecodable):
        DecodeImage(backend=backend)(content)  # type: ignore[arg-type]


def test_the_result_is_chw_whether_or_not_the_chain_says_so() -> None:
    plain = build_transforms([])
    told = build_transforms([{"ToCHWImage": None}])
    assert np.array_equal(plain.chw(IMAGE, RNG), told.chw(IMAGE, RNG))
    assert plain.chw(IMAGE, RNG).shape == (3, 6, 9)


def test_decoding_comes_first_only() -> None:
    with pytest.raises(ValueError, match="only possible as the first"):
        build_transforms([{"ToCHWImage": {}}, {"DecodeImage": {}}])


def test_unknown_transforms_and_parameters_name_the_near_ones() -> None:
    with pytest.raises(UnknownName, match=r"unknown transform 'ResizeImages'; did you mean ResizeImage"):
        build_transforms([{"ResizeImages": {"size": 3}}])
    with pytest.raises(UnknownName, match=r"parameter of transform ResizeImage 'resizeshort'; did you mean resize_sho"):
        build_transforms([{"ResizeImage": {"resizeshort": 3}}])
    with pytest.raises(ValueError, match="one name with its parameters"):
        build_transforms([{"ToCHWImage": {}, "ToTensor": {}}])
