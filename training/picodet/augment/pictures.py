"""Changes of training pictures with their boxes. Every random one takes its generator, so a seed fixes the result."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance

from training.picodet.data import IGNORED, Sample

CROP_OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, None)
"""Least overlap of a crop with some box; None: no crop."""
CROP_TRIES = 50
CROP_SCALES, CROP_RATIOS = (0.3, 1.0), (0.5, 2.0)
ROUND_SHARE = 0.3  # of pasted objects, cut out as an ellipse
VISIBLE = 0.4  # an object of which less is left is dropped
MIN_SIDE = 6.0


def squash(sample: Sample, size: int, resampling: Image.Resampling = Image.Resampling.BILINEAR) -> Sample:
    """Resize to ``size`` x ``size`` without keeping the ratio."""
    width, height = sample.image.size
    factors = np.array([size / width, size / height] * 2, np.float32)
    return Sample(sample.image.resize((size, size), resampling), sample.boxes * factors, sample.labels)


def flip(sample: Sample) -> Sample:
    """Mirror left and right."""
    x0, y0, x1, y1 = sample.boxes.T
    width = sample.image.width
    image = sample.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return Sample(image, np.stack([width - x1, y0, width - x0, y1], axis=1), sample.labels)


def quarter_turn(sample: Sample, turns: int) -> Sample:
    """Turn by ``turns`` x 90 degrees counter-clockwise."""
    image, boxes = sample.image, sample.boxes
    for _ in range(turns):
        x0, y0, x1, y1 = boxes.T
        boxes = np.stack([y0, image.width - x1, y1, image.width - x0], axis=1)
        image = image.transpose(Image.Transpose.ROTATE_90)
    return Sample(image, boxes, sample.labels)


def crop(sample: Sample, window: tuple[int, int, int, int]) -> Sample:
    """Cut out ``window`` (left, top, right, bottom); drop objects that lose too much, but no ignored region."""
    left, top, right, bottom = window
    moved = sample.boxes - np.array([left, top, left, top], np.float32)
    clipped = np.stack([moved[:, 0::2].clip(0, right - left), moved[:, 1::2].clip(0, bottom - top)], axis=2)
    boxes = clipped.reshape(-1, 4)
    enough = (areas(boxes) >= VISIBLE * areas(sample.boxes)) | (sample.labels == IGNORED)
    return chosen(Sample(sample.image.crop(window), boxes, sample.labels), enough & large(boxes))


def random_crop(sample: Sample, rng: Generator) -> Sample:
    """Cut out a random window whose overlap with some object is above a random threshold (as in SSD), or nothing."""
    objects = sample.boxes[sample.labels != IGNORED]
    if len(objects) == 0:
        return sample
    width, height = sample.image.size
    for threshold in rng.permutation(np.array(CROP_OVERLAPS, object)):
        if threshold is None:
            return sample
        for _ in range(CROP_TRIES):
            left, top, right, bottom = _random_window(width, height, rng)
            window = np.array([left, top, right, bottom], np.float32)
            if _window_overlaps(objects, window).max() < threshold:
                continue
            cut = crop(sample, (left, top, right, bottom))
            if (cut.labels != IGNORED).any():
                return cut
    return sample


def _random_window(width: int, height: int, rng: Generator) -> tuple[int, int, int, int]:
    scale = rng.uniform(*CROP_SCALES)
    ratio = np.sqrt(rng.uniform(max(CROP_RATIOS[0], scale**2), min(CROP_RATIOS[1], scale**-2)))
    w, h = int(width * scale * ratio), int(height * scale / ratio)
    w, h = min(max(w, 1), width), min(max(h, 1), height)
    left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    return left, top, left + w, top + h


def shrink(sample: Sample, rng: Generator) -> Sample:
    """Put the picture onto a larger canvas of one random colour."""
    width, height = sample.image.size
    factor = rng.uniform(1.1, 2.2)
    canvas_size = int(width * factor), int(height * factor * rng.uniform(0.8, 1.2))
    canvas_size = max(canvas_size[0], width), max(canvas_size[1], height)
    canvas = Image.new("RGB", canvas_size, tuple(int(v) for v in rng.integers(0, 256, 3)))
    left, top = int(rng.integers(canvas_size[0] - width + 1)), int(rng.integers(canvas_size[1] - height + 1))
    canvas.paste(sample.image, (left, top))
    return Sample(canvas, sample.boxes + np.array([left, top] * 2, np.float32), sample.labels)


def mosaic(samples: list[Sample], size: int, rng: Generator) -> Sample:
    """Four cropped pictures in the quarters of one canvas, split at a random point (as in YOLOv4)."""
    x, y = (int(v) for v in rng.uniform(0.35, 0.65, 2) * size)
    canvas = Image.new("RGB", (size, size))
    boxes, labels = [], []
    quarters = ((0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size))
    for sample, (left, top, right, bottom) in zip(samples, quarters, strict=True):
        part = random_crop(sample, rng)
        factors = np.array([(right - left) / part.image.width, (bottom - top) / part.image.height] * 2, np.float32)
        canvas.paste(part.image.resize((right - left, bottom - top), Image.Resampling.BILINEAR), (left, top))
        boxes.append(part.boxes * factors + np.array([left, top] * 2, np.float32))
        labels.append(part.labels)
    merged = np.concatenate(boxes)
    return chosen(Sample(canvas, merged, np.concatenate(labels)), large(merged))


def paste(sample: Sample, donor: Sample, rng: Generator) -> Sample:
    """Paste one object cut out of ``donor``, seen in a random perspective; objects it covers are dropped."""
    objects = np.flatnonzero(donor.labels != IGNORED)
    if len(objects) == 0:
        return sample
    which = rng.choice(objects)
    cut = donor.image.crop(tuple(int(v) for v in donor.boxes[which].round()))  # type: ignore[arg-type]
    if min(cut.size) < 2 * MIN_SIDE:
        return sample
    width, height = sample.image.size
    factor = rng.uniform(0.15, 0.5) * min(width, height) / max(cut.size)
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
    labels = np.append(sample.labels[~hidden], donor.labels[which])
    return chosen(Sample(image, boxes, labels), large(boxes))


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


def distort(image: Image.Image, share: float, rng: Generator) -> Image.Image:
    """Change brightness, contrast, colour and hue, each with probability ``share``, in random order."""
    for kind in rng.permutation(4):
        if rng.random() >= share:
            continue
        if kind == 3:
            image = _shift_hue(image, int(rng.integers(-18, 19)))
        else:
            enhancer = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)[kind]
            image = enhancer(image).enhance(rng.uniform(0.5, 1.5))
    return image


def chosen(sample: Sample, keep: NDArray[np.bool_]) -> Sample:
    """The sample with those of its boxes that ``keep`` says."""
    return Sample(sample.image, sample.boxes[keep], sample.labels[keep])


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
