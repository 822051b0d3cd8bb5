"""A page that shows how a detector does: pictures with found and true boxes, precision and recall, what it misses."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from kenspeckle.geometry import box_iou
from training.picodet.data import Picture, load
from training.picodet.evaluation.average_precision import of_class, precision_recall
from training.picodet.evaluation.detectors import Detections
from training.picodet.evaluation.matching import MATCH_IOU, TOP, score_picture, wilson
from training.picodet.evaluation.measure import CHECKED

GRID, CURVES, PAGE = "grid.png", "precision-recall.png", "report.html"
COLUMNS, MOST_PICTURES = 6, 36
SIZES = ((0.0, 0.05), (0.05, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 1.01))
"""Root of an object's area as a share of the root of the picture's."""
TRUE, FOUND, IGNORED_COLOUR = "#18a558", "#d6336c", "#868e96"
STYLE = (
    "body{font:15px/1.5 sans-serif;margin:2rem auto;max-width:70rem}table{border-collapse:collapse}"
    "td,th{border:1px solid #ddd;padding:.25rem .6rem;text-align:right}td:first-child,th:first-child{text-align:left}"
    "img{max-width:100%}"
)


@dataclass(frozen=True)
class Missed:
    """Objects of one kind and how many of them are not among the best boxes."""

    objects: int
    missed: int


def write_report(
    name: str,
    pictures: Sequence[Picture],
    found: Mapping[str, Sequence[Detections]],
    out: Path,
    classes: Sequence[str] = (),
) -> Path:
    """Write ``report.html`` with its two pictures into ``out``.

    Args:
        name: the detector that the page is about, one of ``found``; the others are only in the curves.
        pictures: what was looked at.
        found: detections in each picture by detector.
        classes: names of the classes that the detector tells apart, if there are several: each has a curve then.
    """
    out.mkdir(parents=True, exist_ok=True)
    draw_grid(pictures, found[name], out / GRID, classes)
    curves = {label: of_class(pictures, found[name], number) for number, label in enumerate(classes)}
    draw_curves(curves or {key: (pictures, detections) for key, detections in found.items()}, out / CURVES)
    sizes, sources = missed_by(pictures, found[name])
    page = [
        f"<!doctype html><meta charset=utf-8><title>{html.escape(name)}</title><style>{STYLE}</style>",
        f"<h1>{html.escape(name)}: {len(pictures)} pictures</h1>",
        "<h2>Found and true boxes</h2>",
        f"<p>Green: true, red: the best {TOP} found (score), grey: to be ignored. Pictures whose best box is wrong"
        f" come first.</p><img src={GRID} alt='Pictures with boxes'>",
        f"<h2>Precision and recall at IoU {MATCH_IOU}</h2><img src={CURVES} alt='Precision over recall'>",
        f"<h2>What is missed</h2><p>Objects that none of the best {TOP} boxes overlaps by {MATCH_IOU} or more.</p>",
        _table("Size (root of the area, share of the picture's side)", sizes),
        _table("Source", sources),
    ]
    path = out / PAGE
    path.write_text("\n".join(page) + "\n", encoding="utf-8")
    return path


def missed_by(pictures: Sequence[Picture], found: Sequence[Detections]) -> tuple[dict[str, Missed], dict[str, Missed]]:
    """Missed objects by size and by source."""
    sizes: dict[str, list[bool]] = {f"{low:.0%} to {min(high, 1):.0%}": [] for low, high in SIZES}
    sources: dict[str, list[bool]] = {}
    for picture, detections in zip(pictures, found, strict=True):
        if len(picture.objects) == 0:
            continue
        with Image.open(picture.path) as image:
            area = image.width * image.height
        overlaps = box_iou(detections.boxes[:TOP], picture.objects)
        misses = np.asarray(~(overlaps >= MATCH_IOU).any(axis=0))
        sides = np.sqrt((picture.objects[:, 2:] - picture.objects[:, :2]).prod(axis=1) / area)
        for side, miss in zip(sides.tolist(), misses.tolist(), strict=True):
            index = next(i for i, (low, high) in enumerate(SIZES) if low <= side < high)
            sizes[list(sizes)[index]].append(miss)
            sources.setdefault(picture.source, []).append(miss)
    return _counted(sizes), _counted(sources)


def worst_first(pictures: Sequence[Picture], found: Sequence[Detections]) -> list[int]:
    """Picture numbers: wrong best box, then objects missed, then the rest evenly spread."""

    def badness(index: int) -> tuple[int, int]:
        score = score_picture(pictures[index], found[index])
        return score.best_right - score.photos, score.recalled - score.objects

    ranks = [badness(index) for index in range(len(pictures))]
    bad = sorted((index for index, rank in enumerate(ranks) if rank != (0, 0)), key=ranks.__getitem__)
    good = [index for index, rank in enumerate(ranks) if rank == (0, 0)]
    # At least a third of the page shows what goes well.
    room = MOST_PICTURES - min(len(bad), MOST_PICTURES * 2 // 3)
    return bad[: MOST_PICTURES - min(len(good), MOST_PICTURES // 3)] + good[:: max(len(good) // max(room, 1), 1)][:room]


def draw_grid(
    pictures: Sequence[Picture], found: Sequence[Detections], path: Path, classes: Sequence[str] = ()
) -> None:
    """Pictures with true and found boxes, as PNG; found ones with their class if there are several."""
    chosen = worst_first(pictures, found)[:MOST_PICTURES]
    rows = max(-(-len(chosen) // COLUMNS), 1)
    figure = Figure(figsize=(2.6 * COLUMNS, 2.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for place, index in enumerate(chosen):
        picture, detections = pictures[index], found[index]
        axes = figure.add_subplot(rows, COLUMNS, place + 1)
        axes.imshow(load(picture).image)
        axes.set_axis_off()
        axes.set_title(picture.source, fontsize=7)
        for boxes, colour in ((picture.objects, TRUE), (picture.ignored, IGNORED_COLOUR)):
            for box in boxes.tolist():
                axes.add_patch(_outline(box, colour, 2.5))
        names = _names(detections, classes)
        for box, score, name in zip(detections.boxes[:TOP].tolist(), detections.scores, names, strict=False):
            label = f"{name} {score:.2f}".lstrip()
            axes.add_patch(_outline(box, FOUND, 1.2))
            axes.text(box[0], box[1], label, color="white", fontsize=6, backgroundcolor=FOUND, va="top")
    figure.savefig(path, dpi=90)


def draw_curves(curves: Mapping[str, tuple[Sequence[Picture], Sequence[Detections]]], path: Path) -> None:
    """Precision over recall at IoU 0.5 of every detector or class, as PNG, without pictures of one checked box."""
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, (pictures, found) in curves.items():
        pairs = [pair for pair in zip(pictures, found, strict=True) if not pair[0].source.startswith(CHECKED)]
        precision = precision_recall([picture for picture, _ in pairs], [detections for _, detections in pairs])
        axes.plot(np.linspace(0, 1, len(precision)), precision, label=name)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def _names(found: Detections, classes: Sequence[str]) -> list[str]:
    """Class of each box, empty where the detector knows only one."""
    if found.classes is None or not classes:
        return [""] * len(found.scores)
    return [classes[number] for number in found.classes]


def _outline(box: list[float], colour: str, width: float) -> Rectangle:
    x0, y0, x1, y1 = box
    return Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=width)


def _counted(flags: Mapping[str, list[bool]]) -> dict[str, Missed]:
    return {name: Missed(len(values), sum(values)) for name, values in flags.items()}


def _table(title: str, rows: Mapping[str, Missed]) -> str:
    lines = [f"<table><tr><th>{html.escape(title)}<th>objects<th>missed<th>share<th>95 % interval</tr>"]
    for name, row in rows.items():
        share = f"{row.missed / row.objects:.3f}" if row.objects else ""
        low, high = wilson(row.missed, row.objects)
        interval = f"{low:.2f} to {high:.2f}" if row.objects else ""
        lines.append(f"<tr><td>{html.escape(name)}<td>{row.objects}<td>{row.missed}<td>{share}<td>{interval}</tr>")
    return "\n".join([*lines, "</table>"])
