"""Random changes of training pictures. Every function takes its generator, so a seed fixes the result."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance

from training.picodet.data import Sample

CROP_OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
CROP_TRIES = 30
MOSAIC_SHARE, CROP_SHARE, SHRINK_SHARE, PASTE_SHARE, TURN_SHARE = 0.3, 0.55, 0.2, 0.55, 0.08
MOST_PASTED = 6
ROUND_SHARE = 0.3  # of pasted objects, cut out as an ellipse
VISIBLE = 0.4  # a box of which less is left is dropped
MIN_SIDE = 6.0
FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.BOX, Image.Resampling.LANCZOS)

Draw = Callable[[], Sample]


def training_sample(draw: Draw, size: int, rng: Generator) -> Sample:
    """Make one augmented ``size`` x ``size`` sample.

    Args:
        draw: gives the next random picture of the training set.
    """
    sample = mosaic([draw() for _ in range(4)], size, rng) if rng.random() < MOSAIC_SHARE else draw()
    if rng.random() < TURN_SHARE:
        sample = quarter_turn(sample, int(rng.integers(1, 4)))
    choice = rng.random()
    if choice < CROP_SHARE:
        sample = random_crop(sample, rng)
    elif choice < CROP_SHARE + SHRINK_SHARE:
        sample = shrink(sample, rng)
    sample = squash(sample, size, FILTERS[rng.integers(len(FILTERS))])
    if rng.random() < PASTE_SHARE:
        for _ in range(rng.integers(1, MOST_PASTED + 1)):
            sample = paste(sample, draw(), rng)
    if rng.random() < 0.5:
        sample = flip(sample)
    return Sample(distort(sample.image, rng), sample.boxes)


def squash(sample: Sample, size: int, resampling: Image.Resampling = Image.Resampling.BILINEAR) -> Sample:
    """Resize to ``size`` x ``size`` without keeping the ratio."""
    width, height = sample.image.size
    factors = np.array([size / width, size / height] * 2, np.float32)
    return Sample(sample.image.resize((size, size), resampling), sample.boxes * factors)


def flip(sample: Sample) -> Sample:
    """Mirror left and right."""
    x0, y0, x1, y1 = sample.boxes.T
    width = sample.image.width
    image = sample.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return Sample(image, np.stack([width - x1, y0, width - x0, y1], axis=1))


def quarter_turn(sample: Sample, turns: int) -> Sample:
    """Turn by ``turns`` x 90 degrees counter-clockwise."""
    image, boxes = sample.image, sample.boxes
    for _ in range(turns):
        x0, y0, x1, y1 = boxes.T
        boxes = np.stack([y0, image.width - x1, y1, image.width - x0], axis=1)
        image = image.transpose(Image.Transpose.ROTATE_90)
    return Sample(image, boxes)


def crop(sample: Sample, window: tuple[int, int, int, int]) -> Sample:
    """Cut out ``window`` (left, top, right, bottom); boxes that lose too much are dropped."""
    left, top, right, bottom = window
    moved = sample.boxes - np.array([left, top, left, top], np.float32)
    clipped = np.stack([moved[:, 0::2].clip(0, right - left), moved[:, 1::2].clip(0, bottom - top)], axis=2)
    boxes = clipped.reshape(-1, 4)
    enough = areas(boxes) >= VISIBLE * areas(sample.boxes)
    return Sample(sample.image.crop(window), boxes[enough & large(boxes)])


def random_crop(sample: Sample, rng: Generator) -> Sample:
    """Cut out a random window whose overlap with some box is above a random threshold (as in SSD)."""
    width, height = sample.image.size
    if len(sample.boxes) == 0:
        return sample
    threshold = CROP_OVERLAPS[rng.integers(len(CROP_OVERLAPS))]
    for _ in range(CROP_TRIES):
        scale, ratio = rng.uniform(0.35, 1.0), np.sqrt(rng.uniform(0.5, 2.0))
        w, h = (int(min(1, f) * side) for f, side in ((scale * ratio, width), (scale / ratio, height)))
        left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
        cut = crop(sample, (left, top, left + w, top + h))
        window = np.array([left, top, left + w, top + h], np.float32)
        if len(cut.boxes) and _window_overlaps(sample.boxes, window).max() >= threshold:
            return cut
    return sample


def shrink(sample: Sample, rng: Generator) -> Sample:
    """Put the picture onto a larger canvas of one random colour."""
    width, height = sample.image.size
    factor = rng.uniform(1.1, 2.2)
    canvas_size = int(width * factor), int(height * factor * rng.uniform(0.8, 1.2))
    canvas_size = max(canvas_size[0], width), max(canvas_size[1], height)
    canvas = Image.new("RGB", canvas_size, tuple(int(v) for v in rng.integers(0, 256, 3)))
    left, top = int(rng.integers(canvas_size[0] - width + 1)), int(rng.integers(canvas_size[1] - height + 1))
    canvas.paste(sample.image, (left, top))
    return Sample(canvas, sample.boxes + np.array([left, top] * 2, np.float32))


def mosaic(samples: list[Sample], size: int, rng: Generator) -> Sample:
    """Four cropped pictures in the quarters of one canvas, split at a random point (as in YOLOv4)."""
    x, y = (int(v) for v in rng.uniform(0.35, 0.65, 2) * size)
    canvas = Image.new("RGB", (size, size))
    boxes = []
    quarters = ((0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size))
    for sample, (left, top, right, bottom) in zip(samples, quarters, strict=True):
        part = random_crop(sample, rng)
        factors = np.array([(right - left) / part.image.width, (bottom - top) / part.image.height] * 2, np.float32)
        canvas.paste(part.image.resize((right - left, bottom - top), Image.Resampling.BILINEAR), (left, top))
        boxes.append(part.boxes * factors + np.array([left, top] * 2, np.float32))
    merged = np.concatenate(boxes)
    return Sample(canvas, merged[large(merged)])


def paste(sample: Sample, donor: Sample, rng: Generator) -> Sample:
    """Paste one boxed object of ``donor``, seen in a random perspective; boxes it covers are dropped."""
    if len(donor.boxes) == 0:
        return sample
    box = donor.boxes[rng.integers(len(donor.boxes))]
    left, top, right, bottom = (int(v) for v in box.round())
    cut = donor.image.crop((left, top, right, bottom))
    if min(cut.size) < 2 * MIN_SIDE:
        return sample
    width, height = sample.image.size
    longest = rng.uniform(0.15, 0.5) * min(width, height)
    factor = longest / max(cut.size)
    cut = cut.resize((max(8, int(cut.width * factor)), max(8, int(cut.height * factor))))
    piece, mask = tilt(cut, rng)
    left = int(rng.integers(-piece.width // 5, max(width - piece.width * 4 // 5, 1)))
    top = int(rng.integers(-piece.height // 5, max(height - piece.height * 4 // 5, 1)))
    image = sample.image.copy()
    image.paste(piece, (left, top), mask)
    x0, y0, x1, y1 = mask.getbbox() or (0, 0, 0, 0)
    new = np.array([x0 + left, y0 + top, x1 + left, y1 + top], np.float32)
    new = np.concatenate([new[:2].clip(0), new[2:].clip(max=(width, height))]).astype(np.float32)
    hidden = _intersections(sample.boxes, new) > (1 - VISIBLE) * areas(sample.boxes)
    boxes = np.concatenate([sample.boxes[~hidden], new[None]])
    return Sample(image, boxes[large(boxes)])


def tilt(image: Image.Image, rng: Generator) -> tuple[Image.Image, Image.Image]:
    """Turn and shear a picture as a camera would see a flat thing; returns it and the mask of its pixels."""
    width, height = image.size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    angle = rng.normal(0, 0.25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    seen = (corners - corners.mean(0)) @ turn.T + rng.normal(0, 0.04, (4, 2)) * [width, height]
    seen -= seen.min(0)
    out_width, out_height = (int(v) for v in np.ceil(seen.max(0)))
    out = out_width, out_height
    coefficients = _perspective(seen, corners)
    piece = image.transform(out, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR)
    mask = _outline(image.size, rng).transform(
        out, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
    )
    return piece, mask


def _outline(size: tuple[int, int], rng: Generator) -> Image.Image:
    if rng.random() >= ROUND_SHARE:
        return Image.new("L", size, 255)
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse((0, 0, size[0] - 1, size[1] - 1), fill=255)
    return mask


def distort(image: Image.Image, rng: Generator) -> Image.Image:
    """Change brightness, contrast, colour and hue, each with probability one half, in random order."""
    for kind in rng.permutation(4):
        if rng.random() < 0.5:
            continue
        if kind == 3:
            image = _shift_hue(image, int(rng.integers(-18, 19)))
        else:
            enhancer = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)[kind]
            image = enhancer(image).enhance(rng.uniform(0.5, 1.5))
    return image


def areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Area of each box in square pixels."""
    sides = (boxes[:, 2:] - boxes[:, :2]).clip(0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def large(boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether both sides of each box have at least ``MIN_SIDE`` pixels."""
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= MIN_SIDE)


def _intersections(boxes: NDArray[np.float32], window: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = np.maximum(boxes[:, :2], window[:2]), np.minimum(boxes[:, 2:], window[2:])
    return areas(np.concatenate([low, high], axis=1))


def _window_overlaps(boxes: NDArray[np.float32], window: NDArray[np.float32]) -> NDArray[np.float32]:
    both = _intersections(boxes, window)
    return np.asarray(both / (areas(boxes) + areas(window[None]) - both), np.float32)


def _shift_hue(image: Image.Image, shift: int) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([(level + shift) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _perspective(source: NDArray[np.float64], target: NDArray[np.float64]) -> list[float]:
    """The eight coefficients with which Pillow maps the corners ``source`` to ``target``."""
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    solution: list[float] = np.linalg.solve(np.array(rows), target.reshape(-1)).tolist()
    return solution
