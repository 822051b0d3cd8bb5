"""The course of a run as a picture."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

HIDDEN = {"kind", "step", "epoch", "batch"}


def draw_curves(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a PNG with one panel per kind of record ("train", "eval") and figure, over the step."""
    series: dict[str, dict[str, list[tuple[int, float]]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        for name, value in record.items():
            if name not in HIDDEN and isinstance(value, int | float):
                series[record["kind"]][name].append((record["step"], value))
    panels = [(f"{kind}: {name}", points) for kind, names in series.items() for name, points in names.items()]
    columns = min(3, max(1, len(panels)))
    rows = -(-max(1, len(panels)) // columns)
    figure = Figure(figsize=(4.5 * columns, 3 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for index, (title, points) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.plot(*zip(*points, strict=True), marker="." if len(points) < 50 else None, linewidth=1)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("step", fontsize=8)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
