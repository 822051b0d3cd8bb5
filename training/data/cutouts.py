"""Things cut out of their photos, and views of them on another ground: what a clean product picture looks like."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from training.data.pictures import Picture

Masks = dict[Picture, NDArray[np.bool_]]

SIDE = 128
AROUND = 0.25
ROUNDS = 3
LEAST_SHARE, MOST_SHARE = 0.2, 0.97
MIN_GROUND = 0.03
SQUARE_SHARE, WHITE_SHARE, PLAIN_SHARE, SHADOW_SHARE, BLOB_SHARE = 0.5, 0.6, 0.15, 0.4, 0.2


def region_of(picture: Picture, width: int, height: int) -> tuple[int, int, int, int]:
    """The box grown by a quarter on every side, within the picture: where the mask of a thing lies."""
    x0, y0, x1, y1 = picture.box or (0, 0, width, height)
    dx, dy = AROUND * (x1 - x0), AROUND * (y1 - y0)
    return max(0, int(x0 - dx)), max(0, int(y0 - dy)), min(width, int(x1 + dx) + 1), min(height, int(y1 + dy) + 1)


def cut_out(picture: Picture) -> NDArray[np.bool_]:
    """Where the thing is: ``(128, 128)`` over ``region_of`` the picture; nowhere if it cannot be told from the ground.

    GrabCut from the box (Rother et al., SIGGRAPH 2004), then the largest piece. A mask of less than a fifth of the
    box, or of nearly all of it, is not believed.
    """
    image = picture.open()
    x0, y0, x1, y1 = region_of(picture, image.width, image.height)
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, (x0, y0, x1, y1)))
    box = np.array(picture.box or (x0, y0, x1, y1))
    scale = np.array([SIDE / (x1 - x0), SIDE / (y1 - y0)] * 2)
    left, top, right, bottom = np.round((box - (x0, y0, x0, y0)) * scale).astype(int)
    labels = np.full((SIDE, SIDE), cv2.GC_BGD, np.uint8)
    labels[top:bottom, left:right] = cv2.GC_PR_FGD
    if (labels == cv2.GC_BGD).mean() < MIN_GROUND:
        return np.zeros((SIDE, SIDE), np.bool_)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    pixels = np.ascontiguousarray(small)
    # No rectangle: the labels say where to begin, which OpenCV's types do not know.
    cv2.grabCut(pixels, labels, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    mask = _largest_piece((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
    share = mask.sum() / max(1, (bottom - top) * (right - left))
    return mask if LEAST_SHARE <= share <= MOST_SHARE else np.zeros_like(mask)


def _largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, pieces, statistics, _ = cv2.connectedComponentsWithStats(opened)
    if count < 2:
        return np.zeros_like(mask)
    return np.asarray(pieces == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax())


def cut_outs(
    pictures: Sequence[Picture], cache: Path, progress: Callable[[Iterable[Picture]], Iterable[Picture]] = iter
) -> NDArray[np.bool_]:
    """``cut_out`` of every picture, ``(N, 128, 128)``, kept in the file ``cache`` (.npy, bits).

    Raises:
        ValueError: if the file is there and holds another number of masks.
    """
    if not cache.exists():
        masks = np.stack([cut_out(picture) for picture in progress(pictures)])
        np.save(cache, np.packbits(masks, axis=-1))
    packed = np.load(cache, allow_pickle=False)
    if len(packed) != len(pictures):
        raise ValueError(f"{cache} holds {len(packed)} masks for {len(pictures)} pictures: remove it")
    return np.unpackbits(packed, axis=-1).astype(np.bool_)


def cut_out_view(
    picture: Picture, mask: NDArray[np.bool_], ground: Image.Image | None, size: int, rng: np.random.Generator
) -> Image.Image:
    """The thing (or a round piece of it) on white, on a plain colour or on ``ground``, turned and skewed a little.

    Args:
        mask: of ``cut_out``; if it is empty, a round piece of the box takes its place.
        ground: photo of something else; None for white alone, without a turn.
    """
    image = picture.open()
    alpha = _alpha(picture, image, mask, rng, fixed=ground is None)
    image.putalpha(alpha)
    held = alpha.getbbox() or (0, 0, image.width, image.height)
    quad = _quad(held, rng, fixed=ground is None)
    thing = image.transform((size, size), Image.Transform.QUAD, quad, Image.Resampling.BICUBIC)
    canvas = _ground(ground, size, rng)
    if ground is not None and rng.random() < SHADOW_SHARE:
        _cast_shadow(canvas, thing.getchannel("A"), rng)
    canvas.paste(thing, mask=thing.getchannel("A"))
    return canvas


def _alpha(
    picture: Picture, image: Image.Image, mask: NDArray[np.bool_], rng: np.random.Generator, fixed: bool
) -> Image.Image:
    alpha = Image.new("L", image.size, 0)
    if mask.any() and (fixed or rng.random() >= BLOB_SHARE):
        left, top, right, bottom = region_of(picture, image.width, image.height)
        size = (right - left, bottom - top)
        alpha.paste(Image.fromarray(mask).convert("L").resize(size, Image.Resampling.BILINEAR), (left, top))
    else:
        x0, y0, x1, y1 = picture.box or (0, 0, *image.size)
        share = 0.8 if fixed else rng.uniform(0.35, 1.0)
        width, height = share * (x1 - x0), share * (y1 - y0)
        x, y = (low + rng.uniform(0, 1) * room for low, room in ((x0, x1 - x0 - width), (y0, y1 - y0 - height)))
        ImageDraw.Draw(alpha).ellipse((x, y, x + width, y + height), fill=255)
    return alpha.filter(ImageFilter.GaussianBlur(0.8))


def _quad(held: Sequence[float], rng: np.random.Generator, fixed: bool) -> tuple[float, ...]:
    low, high = np.array(held[:2], float), np.array(held[2:], float)
    centre, side = (low + high) / 2, high - low
    if fixed or rng.random() < SQUARE_SHARE:
        side = np.full(2, side.max())
    half = side / 2 * (1.08 if fixed else rng.uniform(1.0, 1.5))
    corners = centre + half * np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)])
    if fixed:
        return tuple(corners.ravel().tolist())
    corners += rng.uniform(-0.08, 0.08, (4, 2)) * side
    angle = np.deg2rad(rng.uniform(-12, 12))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return tuple(((corners - centre) @ turn + centre).ravel().tolist())


def _ground(ground: Image.Image | None, size: int, rng: np.random.Generator) -> Image.Image:
    kind = 0.0 if ground is None else rng.random()
    if ground is None or kind < WHITE_SHARE:
        return Image.new("RGB", (size, size), (255, 255, 255))
    if kind < WHITE_SHARE + PLAIN_SHARE:
        red, green, blue = rng.integers(60, 256, 3).tolist()
        return Image.new("RGB", (size, size), (red, green, blue))
    side = rng.uniform(0.4, 1.0) * min(ground.size)
    x, y = rng.uniform(0, 1, 2) * (np.array(ground.size) - side)
    return ground.resize((size, size), Image.Resampling.BILINEAR, (x, y, x + side, y + side))


def _cast_shadow(canvas: Image.Image, alpha: Image.Image, rng: np.random.Generator) -> None:
    size = canvas.width
    shift = (int(rng.uniform(-0.05, 0.05) * size), int(rng.uniform(0, 0.06) * size))
    shadow = Image.new("L", canvas.size, 0)
    shadow.paste(alpha, shift)
    strength = rng.uniform(0.2, 0.6)
    soft = shadow.filter(ImageFilter.GaussianBlur(0.03 * size)).point(lambda value: int(value * strength))
    canvas.paste((0, 0, 0), mask=soft)
