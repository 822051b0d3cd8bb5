"""What an evaluation of one set leaves to look at: tables per class, the worst queries, a map."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from kenspeckle.report import document, embedded, figure_cards, picture, table, thumbnail
from training.data.pictures import Picture
from training.evaluation.embedding_map import draw_map
from training.evaluation.metrics import QueryFigures
from training.evaluation.pool import Pool
from training.evaluation.protocol import open_set_figures

WORST, UNKNOWN, HARDEST = 60, 30, 50
PER_CLASS, FIGURES, PAGE, MAP = "per_class.csv", "figures.json", "worst.html", "map.png"


@dataclass(frozen=True)
class Pictured:
    """Embeddings and the pictures that they were made of, in the same order."""

    pool: Pool
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class ClassFigures:
    """Means over the answerable queries of one label, and the label that its misses were most often taken for."""

    label: str
    queries: int
    recall: float
    mean_precision: float
    confused_with: str
    confusions: int


def per_class(figures: QueryFigures, queries: Pool, gallery: Pool) -> list[ClassFigures]:
    """Figures of every label that has an answerable query, the worst recall@1 first."""
    answerable = figures.answerable()
    right, found = hits(figures, queries, gallery)
    rows = []
    for label in np.unique(queries.labels[answerable]):
        own = answerable & (queries.labels == label)
        others = Counter(found[own & ~right].tolist())
        other, count = others.most_common(1)[0] if others else ("", 0)
        precision = float(figures.values["mAP"][own].mean())
        rows.append(ClassFigures(str(label), int(own.sum()), float(right[own].mean()), precision, other, count))
    return sorted(rows, key=lambda row: (row.recall, row.mean_precision, row.label))


def hits(figures: QueryFigures, queries: Pool, gallery: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Whether the nearest entry of each query has its label, and which label it has."""
    found = np.where(figures.nearest >= 0, gallery.labels[figures.nearest], "")
    return (figures.nearest >= 0) & (found == queries.labels), found


def worst_queries(figures: QueryFigures, queries: Pool, gallery: Pool, count: int = WORST) -> list[int]:
    """Answerable queries whose nearest entry is wrong, those of the greatest similarity to it first."""
    right, _ = hits(figures, queries, gallery)
    wrong = np.flatnonzero(figures.answerable() & ~right)
    return [int(i) for i in wrong[np.argsort(-figures.similarity[wrong], kind="stable")][:count]]


def surest_unknown(figures: QueryFigures, queries: Pool, gallery: Pool, count: int = UNKNOWN) -> list[int]:
    """Queries whose label is not in the gallery, those of the greatest similarity to something in it first."""
    unknown = np.flatnonzero(~np.isin(queries.labels, gallery.labels) & (figures.nearest >= 0))
    return [int(i) for i in unknown[np.argsort(-figures.similarity[unknown], kind="stable")][:count]]


def worst_page(title: str, figures: QueryFigures, queries: Pictured, gallery: Pictured, plane: bytes) -> str:
    """A page: figures, thumbnails of the worst queries beside what they resembled, the hardest classes, the map.

    Args:
        plane: the map of the queries, a PNG.
    """
    means = figures.means() | open_set_figures(figures, queries.pool.labels, gallery.pool.labels)
    classes = per_class(figures, queries.pool, gallery.pool)
    wrong = worst_queries(figures, queries.pool, gallery.pool)
    unknown = surest_unknown(figures, queries.pool, gallery.pool)
    more = f" The other {len(classes) - HARDEST} are in {PER_CLASS}." if len(classes) > HARDEST else ""
    parts = [
        f"<p>{int(figures.answerable().sum())} queries with something to find,"
        f" {len(gallery.pool)} gallery entries.</p>",
        figure_cards(list(means.items())),
        "<h2>Worst cases: surest of a wrong label</h2>",
        _cases(wrong, figures, queries, gallery) or "<p>None: the nearest entry of every query has its label.</p>",
    ]
    if unknown:
        parts += [
            "<h2>Unknown things that look most like something in the gallery</h2>",
            _cases(unknown, figures, queries, gallery),
        ]
    parts += [
        "<h2>Classes, the hardest first</h2>",
        f"<p>{len(classes)} classes.{more}</p>",
        table(["class", "queries", "recall@1", "mAP", "most confused with"], [_row(one) for one in classes[:HARDEST]]),
        "<h2>Map of the queries</h2>",
        f"<div class='plot'>{embedded(plane, 'png')}</div>",
    ]
    return document(title, parts)


def write_report(folder: Path, title: str, figures: QueryFigures, queries: Pictured, gallery: Pictured) -> None:
    """Write figures (JSON), table per class (CSV), page of the worst cases (HTML) and map of the queries (PNG)."""
    folder.mkdir(parents=True, exist_ok=True)
    means = figures.means() | open_set_figures(figures, queries.pool.labels, gallery.pool.labels)
    (folder / FIGURES).write_text(json.dumps(means, indent=1) + "\n", encoding="utf-8")
    with (folder / PER_CLASS).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "queries", "recall@1", "mAP", "most_confused_with", "confusions"])
        for row in per_class(figures, queries.pool, gallery.pool):
            numbers = (f"{row.recall:.4f}", f"{row.mean_precision:.4f}")
            writer.writerow([row.label, row.queries, *numbers, row.confused_with, row.confusions])
    draw_map(queries.pool, folder / MAP, title)
    page = worst_page(title, figures, queries, gallery, (folder / MAP).read_bytes())
    (folder / PAGE).write_text(page, encoding="utf-8")


def _row(one: ClassFigures) -> tuple[str, int, str, str, str]:
    confused = f"{one.confused_with} ({one.confusions})" if one.confusions else ""
    return one.label, one.queries, f"{one.recall:.1%}", f"{one.mean_precision:.1%}", confused


def _cases(chosen: Sequence[int], figures: QueryFigures, queries: Pictured, gallery: Pictured) -> str:
    cases = "".join(_case(query, figures, queries, gallery) for query in chosen)
    return f"<div class='cases'>{cases}</div>" if cases else ""


def _case(query: int, figures: QueryFigures, queries: Pictured, gallery: Pictured) -> str:
    nearest = int(figures.nearest[query])
    asked, found = queries.pictures[query], gallery.pictures[nearest]
    precision = figures.values["mAP"][query]
    ranked = "" if np.isnan(precision) else f", average precision {precision:.3f}"
    return (
        "<div class='case'><div class='pair'>"
        f"{picture(thumbnail(asked.path, asked.box), f'it is: {asked.label}')}"
        f"{picture(thumbnail(found.path, found.box), f'most like: {found.label}')}</div>"
        f"<p>similarity {figures.similarity[query]:.3f}{ranked}</p>"
        f"<p>{escape(_short(asked))} → {escape(_short(found))}</p></div>"
    )


def _short(picture: Picture) -> str:
    """The file's name with that of its folder."""
    return f"{picture.path.parent.name}/{picture.path.name}"
