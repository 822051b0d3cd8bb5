import base64
import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.pictures import draw_folder
from training.data.pictures import folder_pictures
from training.evaluation.embedding_map import planar
from training.evaluation.pool import Pool, pool_of
from training.evaluation.protocol import rank_pools
from training.evaluation.report import Pictured, per_class, surest_unknown, worst_page, worst_queries, write_report


def colours(pictures: list) -> Pool:  # type: ignore[type-arg]
    """Unit mean colours: a poor embedding, so that some queries go wrong."""
    means = np.array([np.asarray(picture.open(), np.float32).mean(axis=(0, 1)) for picture in pictures])
    return pool_of(pictures, [(means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)])


@pytest.fixture
def drawn(tmp_path: Path) -> Pictured:
    pictures = folder_pictures(draw_folder(tmp_path / "things", 6, 4, seed=3, side=24))
    return Pictured(colours(pictures), pictures)


def test_classes_are_counted_one_by_one_with_what_they_were_taken_for() -> None:
    vectors = np.array([[1, 0], [0.9, 0.1], [0.1, 1], [0.7, 0.75], [0, 1]], np.float32)
    labels = np.array(["a", "a", "b", "a", "b"])
    pool = Pool(vectors, labels, np.arange(5).astype(str))
    a, b = per_class(rank_pools(pool, None), pool, pool)
    assert (a.label, a.queries, a.recall, a.confused_with, a.confusions) == ("a", 3, pytest.approx(2 / 3), "b", 1)
    assert (b.label, b.queries, b.recall, b.confused_with) == ("b", 2, 1.0, "")
    assert worst_queries(rank_pools(pool, None), pool, pool) == [3]


def test_the_surest_mistakes_come_first() -> None:
    rng = np.random.default_rng(0)
    pool = Pool(
        rng.normal(size=(30, 4)).astype(np.float32), rng.integers(0, 5, 30).astype(str), np.arange(30).astype(str)
    )
    figures = rank_pools(pool, None)
    worst = worst_queries(figures, pool, pool, count=99)
    assert (np.diff(figures.similarity[worst]) <= 0).all()
    assert sorted(worst) == np.flatnonzero(pool.labels[figures.nearest] != pool.labels).tolist()
    assert worst_queries(figures, pool, pool, count=3) == worst[:3]


def test_the_page_escapes_labels_and_shows_both_pictures(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "things", 2, 2, seed=0, side=16)
    (folder / "thing-0").rename(folder / "<b>zero")
    pictures = folder_pictures(folder)
    vectors = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    drawn = Pictured(pool_of(pictures, [vectors]), pictures)
    text = worst_page("<title>", rank_pools(drawn.pool, None), drawn, drawn, b"map")
    assert "<b>zero" not in text
    assert "&lt;b&gt;zero" in text
    assert "&lt;title&gt;" in text
    assert text.count("data:image/jpeg") == 8


def test_a_report_holds_figures_classes_page_and_map(drawn: Pictured, tmp_path: Path) -> None:
    figures = rank_pools(drawn.pool, None)
    write_report(tmp_path / "report", "drawn things", figures, drawn, drawn)
    assert json.loads((tmp_path / "report/figures.json").read_text()) == figures.means()
    with (tmp_path / "report/per_class.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["queries"]) for row in rows) == 24
    weighted = sum(float(row["recall@1"]) * int(row["queries"]) for row in rows) / 24
    assert weighted == pytest.approx(figures.means()["recall@1"], abs=1e-3)
    with Image.open(tmp_path / "report/map.png") as image:
        assert image.width > 300
    page = (tmp_path / "report/worst.html").read_text()
    assert "drawn things" in page
    assert base64.b64encode((tmp_path / "report/map.png").read_bytes()).decode() in page


def test_unknown_things_are_shown_with_what_they_resemble_most(drawn: Pictured) -> None:
    known = np.flatnonzero(drawn.pool.labels != "thing-5")
    gallery = Pictured(drawn.pool.take(known), [drawn.pictures[i] for i in known])
    figures = rank_pools(drawn.pool, gallery.pool)
    unknown = surest_unknown(figures, drawn.pool, gallery.pool, count=3)
    assert {drawn.pool.labels[i] for i in unknown} == {"thing-5"}
    assert (np.diff(figures.similarity[unknown]) <= 0).all()
    assert figures.similarity[unknown[0]] == figures.similarity[drawn.pool.labels == "thing-5"].max()
    page = worst_page("open", figures, drawn, gallery, b"map")
    assert "Unknown things" in page
    assert page.count("it is: thing-5") == 4
    assert "AUROC" in page
    assert "nan" not in page


def test_of_many_classes_the_page_lists_the_hardest(drawn: Pictured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluation.report.HARDEST", 4)
    page = worst_page("many", rank_pools(drawn.pool, None), drawn, drawn, b"map")
    assert "6 classes. The other 2 are in per_class.csv." in page


def test_the_map_keeps_groups_together() -> None:
    rng = np.random.default_rng(0)
    centres = 5 * rng.normal(size=(3, 12))
    number = np.repeat(np.arange(3), 12)
    places = planar((centres[number] + 0.1 * rng.normal(size=(36, 12))).astype(np.float32))
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) + np.where(np.eye(36), np.inf, 0)
    assert (number[distances.argmin(axis=1)] == number).all()
    few = planar(rng.normal(size=(1, 12)).astype(np.float32))
    assert few.shape == (1, 2)
