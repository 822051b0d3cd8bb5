"""From a training run to an extractor bundle: graph, parity, probe, cohort, calibrator, card, licence, readme."""

import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from safetensors.torch import load_file

from kenspeckle.bundle import Bundle, Measurement, read_bundle, verify_bundle, write_bundle
from kenspeckle.decision import Calibrator
from training.data.crops import CROP, SERVING_INTERPOLATION, SERVING_SIZE, batches_of_crops
from training.evaluation.calibrate import fit_calibrator
from training.evaluation.embed import Embedder, graph_embedder
from training.evaluation.episodes import Facts, OpenSet, draw_episodes, joined
from training.export.onnx_graph import export_onnx, parity, run_onnx
from training.export.sources import Sources
from training.recmodel.recipe import Recipe, read_recipe
from training.recmodel.shipped import ShippedExtractor, mixed
from training.recmodel.train import RECIPE, START, TUNED

REPOSITORY = Path(__file__).resolve().parents[2]
PARITY_PICTURES = 64
FALSE_ACCEPT_RATE = 0.05
CALIBRATION_REFERENCES = (1, 2, 3, 8)
CALIBRATION_GALLERIES = (5, 12, 24)
CALIBRATION_EPISODES = 15
CALIBRATION_QUERIES = 15_000


def load_run(run: Path, mix: float) -> ShippedExtractor:
    """The network of a run: ``mix`` x tuned + (1 - mix) x start.

    Raises:
        FileNotFoundError: if the run has no tuned weights yet and ``mix`` is not 0.
    """
    start = load_file(run / START)
    model = ShippedExtractor(read_recipe(run / RECIPE).dim)
    model.load_state_dict(mixed(start, load_file(run / TUNED), mix) if mix else start)
    return model


def make_bundle(run: Path, sources: Sources, out: Path, name: str, version: str, mix: float | None = None) -> Bundle:
    """Export a run as a bundle in ``out`` and verify it.

    Args:
        mix: share of the tuned weights; the recipe's if None.
    """
    recipe = read_recipe(run / RECIPE)
    recipe = recipe if mix is None else recipe.model_copy(update={"mix": mix})
    model = load_run(run, recipe.mix)
    graph = export_onnx(model, SERVING_SIZE)
    embed = graph_embedder(graph)
    cohort = embed(sources.cohort).vectors.astype(np.float16)
    tried = sources.labelled[:: max(1, len(sources.labelled) // PARITY_PICTURES)]
    crops = np.concatenate(list(batches_of_crops(tried, CROP, SERVING_SIZE, SERVING_INTERPOLATION)))
    probe = probe_pictures(SERVING_SIZE)
    card = {
        "kind": "extractor",
        "name": name,
        "version": version,
        "licence": "Apache-2.0",
        "input": {"width": SERVING_SIZE, "height": SERVING_SIZE, "interpolation": SERVING_INTERPOLATION},
        "crop": CROP.model_dump(),
        "output": {"kind": "embedding", "dim": recipe.dim},
        "calibration": {
            "calibrator": calibrate(embed, sources, cohort.astype(np.float32)).model_dump(),
            "cohort_size": len(cohort),
            "cohort_origin": sources.cohort_origin,
            "false_accept_rate": FALSE_ACCEPT_RATE,
            "fitted_on": sources.fitted_on,
        },
        "training": {
            "summary": summary(recipe),
            "data": sources.credits,
            "seeds": [recipe.seed],
            "code_revision": _revision(),
        },
        "parity": {"metric": "min_cosine", "value": round(parity(model, graph, crops), 7)},
        "limits": sources.limits,
    }
    files = {
        "model.onnx": graph,
        "probe.npz": _npz(image=probe, embedding=run_onnx(graph, probe)),
        "cohort.npz": _npz(embeddings=cohort, labels=np.array([p.label for p in sources.cohort])),
        "recipe.yaml": yaml.safe_dump(recipe.model_dump(), sort_keys=False).encode(),
        "LICENSE": licence_text(sources.credits).encode(),
    }
    return _write(out, card, files)


def calibrate(embed: Embedder, sources: Sources, cohort: NDArray[np.float32]) -> Calibrator:
    """Fit the calibrator on galleries of several sizes, with few and more references, drawn from the sources."""
    rng = np.random.default_rng(0)
    parts = []
    for used in sources.calibration:
        open_set = OpenSet(embed(used.references), embed(used.queries), embed(used.unrelated), cohort)
        facts = _facts(open_set)
        parts.append(facts.where(rng.permutation(len(facts.right))[:CALIBRATION_QUERIES]))
    return fit_calibrator(joined(parts))


def _facts(open_set: OpenSet) -> Facts:
    half = len(np.unique(open_set.queries.labels)) // 2
    sizes = {max(2, min(size, half)) for size in CALIBRATION_GALLERIES}
    return joined(
        [
            draw_episodes(open_set, references, CALIBRATION_EPISODES, seed=100 * size + references, labels=size)
            for size in sorted(sizes)
            for references in CALIBRATION_REFERENCES
        ]
    )


def with_evaluation(bundle: Bundle, measured: list[Measurement]) -> Bundle:
    """Write the bundle again with ``measured`` in the place of what its card had of the same commands."""
    commands = {entry.command for entry in measured}
    kept = [entry for entry in bundle.card.evaluation if entry.command not in commands]
    card = bundle.card.model_dump(mode="json", exclude={"fingerprint", "files", "models"})
    card["evaluation"] = [entry.model_dump(mode="json") for entry in [*kept, *measured]]
    return _write(bundle.path, card, {name: bundle.contents[name] for name in bundle.card.files})


def summary(recipe: Recipe) -> str:
    """How the weights came about, in a few sentences."""
    start = "EfficientNet-Lite0 with ImageNet weights and a linear neck fitted in closed form (shrunk within-class"
    start = f"{start} whitening s = {recipe.shrinkage:g}, then PCA to {recipe.dim})."
    if recipe.mix == 0:
        return f"{start} Not tuned."
    return (
        f"{start} Then {recipe.steps} steps of fine-tuning at {recipe.size} px (cosine softmax with angular margin,"
        " supervised contrastive loss, trunk features of unrelated pictures held to the start's), weights averaged"
        f" over steps; shipped are {recipe.mix:g} x these + {1 - recipe.mix:g} x the start."
    )


def probe_pictures(size: int) -> NDArray[np.uint8]:
    """Four drawn pictures ``(4, size, size, 3)``: colour waves, so nobody's photo is shipped."""
    y, x = np.mgrid[0:size, 0:size] / size
    rng = np.random.default_rng(0)
    waves = rng.uniform(1, 9, (4, 2, 3))
    phase = waves[:, 0, None, None] * x[..., None] + waves[:, 1, None, None] * y[..., None]
    return np.asarray(127 + 120 * np.sin(2 * np.pi * phase), np.uint8)


def licence_text(data: list[dict[str, str | int]]) -> str:
    """Apache-2.0 and the credit that the training data ask for."""
    origins = "\n".join(f"- {entry['name']}: {entry['licence']}" for entry in data)
    return (
        (REPOSITORY / "LICENSE").read_text(encoding="utf-8")
        + "\n\n---\n\nThe weights were made from the following; pictures under CC BY 4.0"
        + " (https://creativecommons.org/licenses/by/4.0/)\nwere cropped, resized and recoloured for it:\n\n"
        + f"{origins}\n"
    )


def readme(card: dict[str, Any]) -> str:
    """The bundle's README.md, made of its card."""
    calibration, spec = card["calibration"], card["input"]
    lines = [
        f"# {card['name']} {card['version']}",
        "",
        card["training"]["summary"],
        "",
        f"Input `image` uint8 (batch, {spec['height']}, {spec['width']}, 3) RGB: the box grown by"
        f" {card['crop']['margin']:.0%} on every side, squashed ({spec['interpolation']}). Output `embedding` float32"
        f" (batch, {card['output']['dim']}), unit length.",
        f"Smallest cosine to the PyTorch model: {card['parity']['value']:.7f}.",
        "",
        f"Cohort: {calibration['cohort_size']} ({calibration['cohort_origin']}). `probability` was fitted on"
        f" {calibration['fitted_on']}.",
        "",
        "## Evaluation",
        "",
        *evaluation_lines([Measurement.model_validate(entry) for entry in card.get("evaluation", [])]),
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


def evaluation_lines(measured: list[Measurement]) -> list[str]:
    """Markdown tables: retrieval by model, decisions by references per item; 95 % intervals in brackets."""
    retrieval = [entry for entry in measured if "recall@1" in entry.metric]
    decisions = [entry for entry in measured if "recall@1" not in entry.metric]
    tables = [
        _pivot(retrieval, lambda e: f"{e.data}: {e.metric.split(': ')[1]}", lambda e: e.metric.split(": ")[0]),
        _pivot(decisions, lambda e: e.metric, lambda e: e.data),
    ]
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
        return f"{entry.value:.3f}"
    return f"{entry.value:.3f} [{entry.interval[0]:.2f}, {entry.interval[1]:.2f}]"


def _write(out: Path, card: dict[str, Any], files: dict[str, bytes]) -> Bundle:
    write_bundle(out, card, {**files, "README.md": readme(card).encode()})
    bundle = read_bundle(out)
    verify_bundle(bundle)
    return bundle


def _npz(**arrays: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _revision() -> str:
    """Commit of the checkout, empty outside of one."""
    command = ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()
