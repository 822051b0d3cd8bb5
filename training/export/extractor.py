"""From a trained network to an extractor bundle: graph, parity, probe, cohort, calibrator, variants, card."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from torch import nn

from kenspeckle.bundle import Bundle, Measurement, array_name, read_bundle, verify_bundle, write_bundle
from kenspeckle.crop import CropRule, Interpolation
from kenspeckle.decision import Calibrator
from training.data.crops import CROP, SERVING_INTERPOLATION, batches_of_crops
from training.data.pictures import Picture
from training.data.select import spread
from training.engine.run import code_revision
from training.evaluation.calibrate import fit_calibrator
from training.evaluation.embed import Embedder, graph_embedder
from training.evaluation.episodes import Facts, OpenSet, draw_episodes, joined
from training.evaluation.retrieval import hits_at_1, measurement
from training.export.network import Output
from training.export.onnx_graph import agreement, export_onnx, parity, run_onnx
from training.export.sources import Sources
from training.export.text import licence_text, readme
from training.export.variants import Precision, make_variant, variant_name

PARITY_PICTURES = 64
LEAST_PARITY = {"embedding": 0.9999, "bits": 0.99}
PARITY_METRIC = {"embedding": "min_cosine", "bits": "min_bit_agreement"}
CALIBRATION_CROPS = 200
FALSE_ACCEPT_RATE = 0.05
CALIBRATION_REFERENCES = (1, 2, 3, 8)
CALIBRATION_GALLERIES = (5, 12, 24)
CALIBRATION_EPISODES = 15
CALIBRATION_QUERIES = 15_000


@dataclass(frozen=True)
class Trained:
    """A trained network and what its bundle says of it.

    Attributes:
        network: from ``(N, height, width, 3)`` uint8 to ``(N, dim)`` unit embeddings or ``(N, dim / 8)`` packed bits.
        recipe: settings that it was trained with, as plain values.
        limits: known limits besides those of its pictures.
    """

    network: nn.Module
    name: str
    version: str
    width: int
    height: int
    dim: int
    summary: str
    recipe: Mapping[str, Any]
    output: Output = "embedding"
    interpolation: Interpolation = SERVING_INTERPOLATION
    crop: CropRule = CROP
    seeds: Sequence[int] = ()
    limits: Sequence[str] = ()

    def crops(self, pictures: Sequence[Picture]) -> NDArray[np.uint8]:
        """Pictures as serving cuts them: ``(N, height, width, 3)``."""
        size = (self.width, self.height)
        return np.concatenate(list(batches_of_crops(pictures, self.crop, size, self.interpolation)))

    def embedder(self, graph: bytes) -> Embedder:
        """Embed pictures with a graph of this network."""
        return graph_embedder(graph, self.crop, (self.width, self.height), self.interpolation)


def make_extractor(
    trained: Trained, sources: Sources, out: Path, command: str, variants: Sequence[Precision] = ()
) -> Bundle:
    """Export a network as a bundle in ``out`` and verify it.

    Args:
        sources: pictures of the cohort, of the calibrator, of the comparison with the network and its variants.
        command: that reproduces the variants' figures.
        variants: smaller forms to make and to measure.

    Raises:
        ValueError: if the graph does not agree with the network.
    """
    graph = export_onnx(trained.network, trained.width, trained.height, trained.output)
    tried = trained.crops(spread(sources.labelled, PARITY_PICTURES))
    agreed = parity(trained.network, graph, tried)
    if not agreed >= LEAST_PARITY[trained.output]:
        raise ValueError(f"the exported graph differs from the network ({PARITY_METRIC[trained.output]} {agreed:.6f})")
    graphs = {"model.onnx": graph}
    if variants:
        crops = trained.crops(spread(sources.labelled, CALIBRATION_CROPS))
        graphs |= {variant_name(one): make_variant(graph, one, crops) for one in variants}
    calibrator = calibrate(trained.embedder(graph), sources)
    card = _card(trained, sources, calibrator, agreed)
    recipe = yaml.safe_dump(dict(trained.recipe), sort_keys=False, allow_unicode=True).encode()
    licence = licence_text(sources.credits).encode()
    files = {**graphs, **_stored_answers(trained, sources, graphs), "recipe.yaml": recipe, "LICENSE": licence}
    measured = {
        name: compare_variant(trained, graph, content, sources, tried, command)
        for name, content in graphs.items()
        if content is not graph
    }
    return write(out, card, files, measured)


def _card(trained: Trained, sources: Sources, calibrator: Calibrator, agreed: float) -> dict[str, Any]:
    return {
        "kind": "extractor",
        "name": trained.name,
        "version": trained.version,
        "licence": "Apache-2.0",
        "input": {"width": trained.width, "height": trained.height, "interpolation": trained.interpolation},
        "crop": trained.crop.model_dump(),
        "output": {"kind": trained.output, "dim": trained.dim},
        "calibration": {
            "calibrator": calibrator.model_dump(),
            "cohort_size": len(sources.cohort),
            "cohort_origin": sources.cohort_origin,
            "false_accept_rate": FALSE_ACCEPT_RATE,
            "fitted_on": sources.fitted_on,
        },
        "training": {
            "summary": trained.summary,
            "data": sources.credits,
            "seeds": list(trained.seeds),
            "code_revision": code_revision(),
        },
        "parity": {"metric": PARITY_METRIC[trained.output], "value": round(agreed, 7)},
        "limits": [*trained.limits, *sources.limits],
    }


def _stored_answers(trained: Trained, sources: Sources, graphs: Mapping[str, bytes]) -> dict[str, bytes]:
    """``probe.npz`` and ``cohort.npz``: what every graph gives for drawn pictures and for the cohort."""
    probe = {"image": probe_pictures(trained.width, trained.height)}
    cohort: dict[str, NDArray[Any]] = {"labels": np.array([picture.label for picture in sources.cohort])}
    crops = trained.crops(sources.cohort)
    for name, graph in graphs.items():
        probe[array_name(trained.output, name)] = run_onnx(graph, probe["image"])
        outputs = run_onnx(graph, crops)
        cohort[array_name("embeddings", name)] = outputs if trained.output == "bits" else outputs.astype(np.float16)
    return {"probe.npz": _npz(**probe), "cohort.npz": _npz(**cohort)}


def compare_variant(
    trained: Trained, graph: bytes, variant: bytes, sources: Sources, crops: NDArray[np.uint8], command: str
) -> list[Measurement]:
    """A variant beside ``model.onnx``: agreement on ``crops``, and recall@1 on the first calibration set."""
    used = sources.calibration[0]
    embed, other = trained.embedder(graph), trained.embedder(variant)
    queries = other(used.queries)
    before = hits_at_1(embed(used.queries), embed(used.references)).astype(np.float64)
    after = hits_at_1(queries, other(used.references)).astype(np.float64)
    agreed = agreement(run_onnx(graph, crops), run_onnx(variant, crops))
    data = f"{len(before)} queries and {len(used.references)} references: {sources.fitted_on}"
    return [
        measurement("recall@1", data, after, queries.photos, command),
        measurement("change of recall@1", data, after - before, queries.photos, command),
        Measurement(
            metric=f"{PARITY_METRIC[trained.output]} to model.onnx",
            data=f"{len(crops)} pictures",
            value=round(agreed, 5),
            command=command,
        ),
        Measurement(metric="bytes", data="the file", value=len(variant), command=command),
    ]


def calibrate(embed: Embedder, sources: Sources) -> Calibrator:
    """Fit the calibrator on galleries of several sizes, with few and more references, drawn from the sources."""
    rng = np.random.default_rng(0)
    cohort = embed(sources.cohort).vectors
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
    files = {name: bundle.contents[name] for name in bundle.card.files}
    variants = {name: model.measured for name, model in bundle.card.models.items() if model.measured}
    return write(bundle.path, card, files, variants)


def write(
    out: Path, card: dict[str, Any], files: Mapping[str, bytes], measured: Mapping[str, Sequence[Measurement]]
) -> Bundle:
    """Write a bundle with its readme, read it back and verify all its graphs."""
    write_bundle(out, card, {**files, "README.md": readme(card, measured).encode()}, measured)
    bundle = read_bundle(out)
    for variant in bundle.card.models:
        verify_bundle(bundle, variant=variant)
    return bundle


def probe_pictures(width: int, height: int) -> NDArray[np.uint8]:
    """Four drawn pictures ``(4, height, width, 3)``: colour waves, so nobody's photo is shipped."""
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width])[:, None, None]
    rng = np.random.default_rng(0)
    waves = rng.uniform(1, 9, (4, 2, 3))
    phase = waves[:, 0, None, None] * x[..., None] + waves[:, 1, None, None] * y[..., None]
    return np.asarray(127 + 120 * np.sin(2 * np.pi * phase), np.uint8)


def _npz(**arrays: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
