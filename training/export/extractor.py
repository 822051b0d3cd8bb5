"""From a trained network to an extractor bundle: graph, parity, probe, cohort, calibrator, variants, card."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from torch import nn

from kenspeckle.bundle import Bundle, Measurement, array_name, read_bundle, verify_bundle, write_bundle
from kenspeckle.crop import CropRule, Interpolation
from kenspeckle.decision import Calibrator, LeaveOut
from training.data.crops import CROP, SERVING_INTERPOLATION, batches_of_crops
from training.data.pictures import Picture
from training.data.select import spread
from training.engine.run import code_revision
from training.evaluation.calibrate import fit_calibrator
from training.evaluation.embed import Embedder, graph_embedder
from training.evaluation.episodes import Facts, OpenSet, draw_episodes, joined
from training.evaluation.pool import Pool
from training.evaluation.retrieval import draw_references, hits_at_1, measurement
from training.export.network import Output
from training.export.onnx_graph import agreement, export_onnx, parity, run_onnx, time_ratio
from training.export.sources import CalibrationSet, Sources
from training.export.text import licence_text, readme
from training.export.variants import Precision, make_variant, variant_name

RECIPE = "recipe.yaml"
"""In a bundle: the settings that its network was trained with."""
PARITY_PICTURES = 64
LEAST_PARITY = {"embedding": 0.9999, "bits": 0.99}
PARITY_METRIC = {"embedding": "min_cosine", "bits": "min_bit_agreement"}
CALIBRATION_CROPS = 200
FALSE_ACCEPT_RATE = 0.05
CALIBRATION_REFERENCES = (1, 2, 3, 8)
CALIBRATION_GALLERIES = (5, 12, 24)
CALIBRATION_EPISODES = 15
CALIBRATION_QUERIES = 15_000
SAME_THING_QUANTILE = 0.999

Peer = tuple[Embedder, CalibrationSet]
"""An embedder, and pictures of things that it knows as little as those that will be enrolled."""


@dataclass(frozen=True)
class Cut:
    """How serving makes a network's input of a picture."""

    width: int
    height: int
    crop: CropRule
    interpolation: Interpolation

    def crops(self, pictures: Sequence[Picture]) -> NDArray[np.uint8]:
        """Pictures as serving cuts them: ``(N, height, width, 3)``."""
        size = (self.width, self.height)
        return np.concatenate(list(batches_of_crops(pictures, self.crop, size, self.interpolation)))

    def embedder(self, graph: bytes) -> Embedder:
        """Embed pictures with a graph that takes such inputs."""
        return graph_embedder(graph, self.crop, (self.width, self.height), self.interpolation)


@dataclass(frozen=True)
class Fitted:
    """What calibration gives: the calibrator, and the similarity from which a cohort member is the enrolled thing."""

    calibrator: Calibrator
    same_thing: float


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

    @property
    def cut(self) -> Cut:
        """How its inputs are made."""
        return Cut(self.width, self.height, self.crop, self.interpolation)


def make_extractor(
    trained: Trained,
    sources: Sources,
    out: Path,
    command: str,
    variants: Sequence[Precision] = (),
    peers: Sequence[Peer] = (),
) -> Bundle:
    """Export a network as a bundle in ``out`` and verify it.

    Args:
        sources: pictures of the cohort, of the calibrator, of the comparison with the network and its variants.
        command: that reproduces the variants' figures.
        variants: smaller forms to make and to measure.
        peers: networks like this one, with pictures of things that they never saw, that take part in the calibration.

    Raises:
        ValueError: if the graph does not agree with the network.
    """
    cut = trained.cut
    graph = export_onnx(trained.network, trained.width, trained.height, trained.output)
    agreed = parity(trained.network, graph, cut.crops(spread(sources.labelled, PARITY_PICTURES)))
    if not agreed >= LEAST_PARITY[trained.output]:
        raise ValueError(f"the exported graph differs from the network ({PARITY_METRIC[trained.output]} {agreed:.6f})")
    own = cut.embedder(graph)
    fitted = calibrate([*peers, *((own, used) for used in sources.calibration)], sources.cohort)
    card = _card(trained, sources, fitted, agreed)
    labels = np.array([picture.label for picture in sources.cohort])
    files = {
        "model.onnx": graph,
        RECIPE: yaml.safe_dump(dict(trained.recipe), sort_keys=False, allow_unicode=True).encode(),
        "LICENSE": licence_text(sources.credits).encode(),
    }
    stored = {"image": probe_pictures(trained.width, trained.height)}, {"labels": labels}
    return _with_graphs(out, card, files, stored, cut, sources, variants, command)


def add_variants(bundle: Bundle, sources: Sources, out: Path, command: str, variants: Sequence[Precision]) -> Bundle:
    """Write a bundle again in ``out``, with variants of its ``model.onnx``; the model itself stays what it is.

    Args:
        sources: those of the bundle: the same cohort, pictures to calibrate on and to measure with.

    Raises:
        ValueError: if the sources are others than the bundle was made with.
    """
    if bundle.card.crop is None or bundle.card.output.kind == "detection":
        raise ValueError(f"{bundle.path} is not an extractor")
    probe, cohort = bundle.arrays("probe.npz"), bundle.arrays("cohort.npz")
    if len(cohort["embeddings"]) != len(sources.cohort):
        raise ValueError(
            f"the bundle's cohort has {len(cohort['embeddings'])} pictures, these have {len(sources.cohort)}: give the"
            " pictures that it was exported with"
        )
    spec = bundle.card.input
    cut = Cut(spec.width, spec.height, bundle.card.crop, spec.interpolation)
    card = bundle.card.model_dump(mode="json", exclude={"fingerprint", "files", "models"})
    files = {name: bundle.contents[name] for name in bundle.card.files}
    kept = {name: model.measured for name, model in bundle.card.models.items() if model.measured}
    return _with_graphs(out, card, files, (probe, cohort), cut, sources, variants, command, kept)


def _with_graphs(
    out: Path,
    card: dict[str, Any],
    files: Mapping[str, bytes],
    stored: tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]],
    cut: Cut,
    sources: Sources,
    variants: Sequence[Precision],
    command: str,
    kept: Mapping[str, Sequence[Measurement]] | None = None,
) -> Bundle:
    """Make the variants of ``files["model.onnx"]`` with their stored answers, and write all.

    Args:
        stored: arrays of ``probe.npz`` and ``cohort.npz``; those of ``model.onnx`` are made where they are missing.
        kept: figures of variants that are among the files already.
    """
    graph = files["model.onnx"]
    graphs = {"model.onnx": graph}
    if variants:
        crops = cut.crops(spread(sources.labelled, CALIBRATION_CROPS))
        graphs |= {variant_name(one): make_variant(graph, one, crops) for one in variants}
    probe, cohort = stored
    pictures = cut.crops(sources.cohort)
    measured = dict(kept or {})
    for name, content in graphs.items():
        answer, members = array_name(card["output"]["kind"], name), array_name("embeddings", name)
        if content is graph and answer in probe:
            continue
        probe[answer], outputs = run_onnx(content, probe["image"]), run_onnx(content, pictures)
        cohort[members] = outputs if outputs.dtype == np.uint8 else outputs.astype(np.float16)
        if content is not graph:
            measured[name] = compare_variant(cut, graph, content, sources, command)
    answers = {"probe.npz": _npz(**probe), "cohort.npz": _npz(**cohort)}
    return write(out, card, {**files, **graphs, **answers}, measured)


def _card(trained: Trained, sources: Sources, fitted: Fitted, agreed: float) -> dict[str, Any]:
    return {
        "kind": "extractor",
        "name": trained.name,
        "version": trained.version,
        "licence": "Apache-2.0",
        "input": {"width": trained.width, "height": trained.height, "interpolation": trained.interpolation},
        "crop": trained.crop.model_dump(),
        "output": {"kind": trained.output, "dim": trained.dim},
        "calibration": {
            "calibrator": fitted.calibrator.model_dump(),
            "same_thing": fitted.same_thing,
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


def compare_variant(cut: Cut, graph: bytes, variant: bytes, sources: Sources, command: str) -> list[Measurement]:
    """A variant beside ``model.onnx``: agreement on labelled pictures, recall@1 on the first calibration set, size."""
    used = sources.calibration[0]
    embed, other = cut.embedder(graph), cut.embedder(variant)
    queries = other(used.queries)
    before = hits_at_1(embed(used.queries), embed(used.references)).astype(np.float64)
    after = hits_at_1(queries, other(used.references)).astype(np.float64)
    crops = cut.crops(spread(sources.labelled, PARITY_PICTURES))
    first, second = run_onnx(graph, crops), run_onnx(variant, crops)
    metric = PARITY_METRIC["bits" if first.dtype == np.uint8 else "embedding"]
    data = f"{len(before)} queries and {len(used.references)} references: {sources.fitted_on}"
    agreed = round(agreement(first, second), 5)
    return [
        measurement("recall@1", data, after, queries.photos, command),
        measurement("change of recall@1", data, after - before, queries.photos, command),
        Measurement(metric=f"{metric} to model.onnx", data=f"{len(crops)} pictures", value=agreed, command=command),
        Measurement(metric="bytes", data="the file", value=len(variant), command=command),
        Measurement(
            metric="processor time beside model.onnx",
            data="one picture, one thread",
            value=round(time_ratio(graph, variant, crops[0]), 2),
            command=command,
        ),
    ]


def calibrate(sets: Sequence[Peer], cohort: Sequence[Picture]) -> Fitted:
    """Fit the calibrator on galleries of several sizes, with few and more references; every set counts the same.

    Args:
        sets: embedders, each with pictures of things that it knows as little as those that will be enrolled.
        cohort: pictures of the cohort.
    """
    rng = np.random.default_rng(0)
    embedded: dict[Embedder, Pool] = {}
    open_sets = []
    for embed, used in sets:
        members = embedded[embed] if embed in embedded else embedded.setdefault(embed, embed(cohort))
        pools = embed(used.references), embed(used.queries), embed(used.unrelated)
        open_sets.append((OpenSet(*pools, members.vectors), members))
    maxima = np.concatenate([_unrelated_maxima(*one) for one in open_sets])
    same = float(np.quantile(maxima, SAME_THING_QUANTILE)) if len(maxima) else 1.0
    parts = []
    for one, members in open_sets:
        kinds = np.unique(members.labels, return_inverse=True)[1].astype(np.int64)
        facts = _facts(replace(one, leave_out=LeaveOut(kinds, same)))
        parts.append(facts.where(rng.permutation(len(facts.right))[:CALIBRATION_QUERIES]))
    return Fitted(fit_calibrator(joined(parts)), round(same, 4))


def _unrelated_maxima(data: OpenSet, members: Pool) -> NDArray[np.float32]:
    """How much members of the cohort look like galleries that hold none of their labels; empty if there are none."""
    rng = np.random.default_rng(0)
    others = ~np.isin(members.labels, data.references.labels)
    galleries = [data.references.take(draw_references(data.references, 8, rng)) for _ in range(CALIBRATION_EPISODES)]
    return np.concatenate([data.cohort_maxima(gallery)[others] for gallery in galleries])


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
