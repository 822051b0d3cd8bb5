"""Several test sets in one file, one table of what a model reaches on them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from training.data.adapters import DATASETS
from training.data.labels import LabelledSet
from training.evaluation.embed import Embedder
from training.evaluation.metrics import QueryFigures
from training.evaluation.protocol import RetrievalProtocol, open_set_figures, rank_pools
from training.evaluation.report import Pictured


class SuiteSet(BaseModel):
    """One test set: ``query`` and ``gallery`` are sections as of ``dataset`` in a configuration, without transforms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    query: dict[str, Any]
    gallery: dict[str, Any] | None = Field(default=None, description="Left out: the queries are their own gallery.")

    @field_validator("query", "gallery")
    @classmethod
    def _named(cls, section: dict[str, Any] | None) -> dict[str, Any] | None:
        if section is not None and not isinstance(section.get("name"), str):
            raise ValueError("say which reader it is, for example name: FolderDataset")
        return section


class Suite(BaseModel):
    """The file ``evaluate --suite`` reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sets: list[SuiteSet] = Field(min_length=1)


@dataclass(frozen=True)
class SetResult:
    """What was measured on one set; the pictures are those of the embeddings, in the same order."""

    name: str
    figures: QueryFigures
    queries: Pictured
    gallery: Pictured

    def means(self) -> dict[str, float]:
        """All means, those of the open set too where some queries are of labels that the gallery has not."""
        labels = self.queries.pool.labels, self.gallery.pool.labels
        return self.figures.means() | open_set_figures(self.figures, *labels)


def read_suite(path: Path) -> Suite:
    """Read a suite from YAML; paths in it are relative to its folder.

    Raises:
        ValueError: naming what is missing or unknown.
    """
    try:
        suite = Suite.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{path}: {'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from error
    return Suite(sets=[_relative_to(path.parent, one) for one in suite.sets])


def evaluate_set(
    embed: Embedder, name: str, queries: LabelledSet, gallery: LabelledSet | None, protocol: RetrievalProtocol
) -> SetResult:
    """Embed a set and rank its gallery.

    Raises:
        ValueError: if no query has another picture of its label in the gallery.
    """
    asked = Pictured(embed(queries.pictures), queries.pictures)
    known = asked if gallery is None else Pictured(embed(gallery.pictures), gallery.pictures)
    figures = rank_pools(asked.pool, known.pool, protocol)
    if not figures.answerable().any():
        raise ValueError(f"{name}: no query has another picture of its label in the gallery")
    return SetResult(name, figures, asked, known)


def evaluate_suite(
    embed: Embedder, suite: Suite, protocol: RetrievalProtocol, report: Callable[[SetResult], None]
) -> dict[str, dict[str, float]]:
    """Evaluate set after set; all are read before the first is embedded, so that a wrong path shows at once.

    Args:
        report: is given each result as it comes.

    Returns:
        The means by set.

    Raises:
        ValueError: if a set cannot be read or measured.
    """
    opened = [(one.name, DATASETS.build(one.query), _gallery_of(one)) for one in suite.sets]
    means = {}
    for name, queries, gallery in opened:
        result = evaluate_set(embed, name, queries, gallery, protocol)
        means[name] = result.means()
        report(result)
    return means


def recall_table(means: dict[str, dict[str, float]], model: str) -> list[str]:
    """The table of the old documents in Markdown: recall@1 % (mAP %) of a model by set."""
    cells = [f"{100 * one['recall@1']:.1f} ({100 * one['mAP']:.1f})" for one in means.values()]
    return [
        f"| recall@1 % (mAP %) | {' | '.join(means)} |",
        "| --- |" + " --- |" * len(means),
        f"| {model} | {' | '.join(cells)} |",
    ]


def figure_table(means: dict[str, dict[str, float]]) -> list[str]:
    """Every figure by set, in Markdown."""
    names = list(dict.fromkeys(name for one in means.values() for name in one))
    return [
        f"| figure | {' | '.join(means)} |",
        "| --- |" + " --- |" * len(means),
        *(f"| {name} | {' | '.join(_cell(one.get(name)) for one in means.values())} |" for name in names),
    ]


def _cell(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.4f}"


def _gallery_of(one: SuiteSet) -> LabelledSet | None:
    return None if one.gallery is None else DATASETS.build(one.gallery)


def _relative_to(folder: Path, one: SuiteSet) -> SuiteSet:
    def moved(section: dict[str, Any]) -> dict[str, Any]:
        paths = {"image_root", "cls_label_path", "archive", "folder", "label_root"}
        return {key: str(folder / value) if key in paths and value else value for key, value in section.items()}

    gallery = None if one.gallery is None else moved(one.gallery)
    return one.model_copy(update={"query": moved(one.query), "gallery": gallery})
