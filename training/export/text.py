"""The words of an extractor bundle: licence, readme, tables."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kenspeckle.bundle import Measurement

REPOSITORY = Path(__file__).resolve().parents[2]
RETRIEVAL = (": recall@1", ": mAP")
PARITIES = {"min_cosine": "Smallest cosine to", "min_bit_agreement": "Smallest share of bits equal to those of"}


def licence_text(data: list[dict[str, str | int]]) -> str:
    """Apache-2.0 and the credit that the training data ask for."""
    origins = "\n".join(f"- {entry['name']}: {entry['licence']}" for entry in data)
    return (
        (REPOSITORY / "LICENSE").read_text(encoding="utf-8")
        + "\n\n---\n\nThe weights were made from the following; pictures under CC BY 4.0"
        + " (https://creativecommons.org/licenses/by/4.0/)\nwere cropped, resized and recoloured for it:\n\n"
        + f"{origins}\n"
    )


def readme(card: dict[str, Any], measured: Mapping[str, Sequence[Measurement]]) -> str:
    """The bundle's README.md, made of its card and of how its variants compare with ``model.onnx``."""
    calibration, spec, output = card["calibration"], card["input"], card["output"]
    given = f"`embedding` float32 (batch, {output['dim']}), unit length"
    if output["kind"] == "bits":
        given = f"`bits` uint8 (batch, {output['dim'] // 8}), most significant bit first"
    lines = [
        f"# {card['name']} {card['version']}",
        "",
        card["training"]["summary"],
        "",
        f"Input `image` uint8 (batch, {spec['height']}, {spec['width']}, 3) RGB: the box grown by"
        f" {card['crop']['margin']:.0%} on every side, squashed ({spec['interpolation']}). Output {given}.",
        f"{PARITIES[card['parity']['metric']]} the PyTorch model: {card['parity']['value']:.7f}.",
        "",
        f"Cohort: {calibration['cohort_size']} ({calibration['cohort_origin']}). `probability` was fitted on"
        f" {calibration['fitted_on']}.",
        "",
        "## Evaluation",
        "",
        *evaluation_lines([Measurement.model_validate(entry) for entry in card.get("evaluation", [])]),
        *variant_lines(measured),
        "## Limits",
        "",
        *(f"- {limit}" for limit in card["limits"]),
        "",
        "## Data",
        "",
        "| source | licence | count |",
        "| --- | --- | --- |",
        *(f"| {entry['name']} | {entry['licence']} | {entry['count']} |" for entry in card["training"]["data"]),
    ]
    return "\n".join(lines) + "\n"


def variant_lines(measured: Mapping[str, Sequence[Measurement]]) -> list[str]:
    """A Markdown table of the variants beside ``model.onnx``; nothing if there are none."""
    if not measured:
        return []
    metrics = list(dict.fromkeys(one.metric for figures in measured.values() for one in figures))
    rows = [
        [name, *(next((_cell(one) for one in figures if one.metric == metric), "") for metric in metrics)]
        for name, figures in measured.items()
    ]
    data = next(one.data for figures in measured.values() for one in figures)
    return [
        "## Variants",
        "",
        f"| file | {' | '.join(metrics)} |",
        "| --- |" + " --- |" * len(metrics),
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"Measured on {data}; 95 % bootstrap intervals over photos.",
        "",
    ]


def evaluation_lines(measured: list[Measurement]) -> list[str]:
    """Markdown tables: retrieval by model, decisions by gallery and references per item; 95 % intervals in brackets."""
    retrieval = [entry for entry in measured if any(mark in entry.metric for mark in RETRIEVAL)]
    decisions = [entry for entry in measured if entry not in retrieval]
    galleries = dict.fromkeys(entry.data.rpartition(", ")[0] for entry in decisions)
    tables = [_pivot(retrieval, lambda e: f"{e.data}: {e.metric.split(': ')[1]}", lambda e: e.metric.split(": ")[0])]
    for gallery in galleries:
        entries = [entry for entry in decisions if entry.data.rpartition(", ")[0] == gallery]
        tables.append([gallery, "", *_pivot(entries, lambda e: e.metric, lambda e: e.data.rpartition(", ")[2])])
    return [line for table in tables for line in table] or ["Not evaluated yet.", ""]


def _pivot(
    entries: list[Measurement], row: Callable[[Measurement], str], column: Callable[[Measurement], str]
) -> list[str]:
    if not entries:
        return []
    columns = list(dict.fromkeys(map(column, entries)))
    cells = {(row(entry), column(entry)): _cell(entry) for entry in entries}
    rows = dict.fromkeys(map(row, entries))
    return [
        f"| share | {' | '.join(columns)} |",
        "| --- |" + " --- |" * len(columns),
        *(f"| {name} | {' | '.join(cells.get((name, c), '') for c in columns)} |" for name in rows),
        "",
        f"Command: `{entries[0].command}`; 95 % bootstrap intervals over photos.",
        "",
    ]


def _cell(entry: Measurement) -> str:
    if entry.interval is None:
        return f"{int(entry.value):,}" if entry.metric == "bytes" else f"{entry.value:.3f}"
    return f"{entry.value:.3f} [{entry.interval[0]:.2f}, {entry.interval[1]:.2f}]"
