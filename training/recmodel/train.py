"""Fine-tuning of the embedding network. A run is a folder: recipe, checkpoint, log, start and tuned weights."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from training.data.augment import disturbed, random_view
from training.data.crops import CROP, SERVING_INTERPOLATION, SERVING_SIZE, batches_of_crops
from training.data.cutouts import Masks, cut_out_view, cut_outs
from training.data.pictures import Picture
from training.losses import CELoss, cosine_distance, relation_distance, supervised_contrastive
from training.recmodel.ensemble import teach
from training.recmodel.heads import ArcMargin
from training.recmodel.recipe import Recipe
from training.recmodel.shipped import ShippedExtractor, set_closed_form_neck, trunk_features

START, TUNED, CLASSES = "start.safetensors", "tuned.safetensors", "classes.safetensors"
CHECKPOINT, LOG, RECIPE = "checkpoint.pt", "log.jsonl", "recipe.yaml"
MASKS, TEACHER = "cutouts.npy", "teacher.npy"
Progress = Callable[[int, dict[str, float]], None]


@dataclass
class _State:
    model: ShippedExtractor
    average: dict[str, Tensor]
    head: ArcMargin
    optimiser: torch.optim.AdamW
    step: int = 0


@dataclass(frozen=True)
class _Data:
    groups: dict[str, list[Picture]]
    retained: Sequence[Picture]
    masks: Masks
    taught: dict[Picture, NDArray[np.float32]]


def train(
    labelled: Sequence[Picture],
    retained: Sequence[Picture],
    recipe: Recipe,
    run: Path,
    pretrained: bool = True,
    save_every: int = 25,
    progress: Progress = lambda step, losses: None,
    stop_after: int | None = None,
) -> None:
    """Train in the folder ``run``, or go on with what is there; the same steps give the same weights either way.

    Args:
        labelled: pictures of at least ``classes_per_batch`` labels.
        retained: pictures whose trunk features are held to the start's; needed if ``retained_per_batch`` > 0.
        pretrained: start from the ImageNet weights.
        save_every: steps between checkpoints.
        progress: called after every step with its number (from 1) and losses.
        stop_after: end the call after this step, to be resumed later.

    Raises:
        ValueError: if there are too few labels or no retained pictures, or the run has another recipe.
    """
    labels = sorted({picture.label for picture in labelled})
    if len(labels) < recipe.classes_per_batch:
        raise ValueError(f"{len(labels)} labels are fewer than the {recipe.classes_per_batch} of a batch")
    if recipe.retained_per_batch and not retained:
        raise ValueError("the recipe retains features, but no pictures to retain were given")
    start, classes = begin(labelled, recipe, run, pretrained)
    state = _resume(run, recipe, start, classes)
    frozen = ShippedExtractor(recipe.dim)
    frozen.load_state_dict(start)
    groups = {label: [p for p in labelled if p.label == label] for label in labels}
    taught = teach(labelled, retained, recipe.shrinkage, run / TEACHER) if recipe.distillation else {}
    data = _Data(groups, retained, masks_of(labelled, recipe, run), taught)
    last = recipe.steps if stop_after is None else min(stop_after, recipe.steps)
    while state.step < last:
        losses = _step(state, frozen, data, recipe)
        with (run / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps({"step": state.step, **losses}) + "\n")
        progress(state.step, losses)
        if state.step % save_every == 0 or state.step == last:
            _save(state, run)
    if state.step == recipe.steps:
        save_file(state.average, run / TUNED)


def _claim(run: Path, recipe: Recipe) -> None:
    """Write the recipe into a new run; refuse to go on with another one."""
    run.mkdir(parents=True, exist_ok=True)
    path = run / RECIPE
    if path.exists() and Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))) != recipe:
        raise ValueError(f"{path} differs from the recipe asked for: resume with the same recipe or use a new folder")
    path.write_text(yaml.safe_dump(recipe.model_dump(), sort_keys=False), encoding="utf-8")


def begin(labelled: Sequence[Picture], recipe: Recipe, run: Path, pretrained: bool) -> tuple[dict[str, Tensor], Tensor]:
    """Make, once per run, what training starts from.

    Returns:
        Weights of the trunk and of the closed-form neck fitted on serving-size crops; class means ``(classes, dim)``.

    Raises:
        ValueError: if the run was begun with another recipe.
    """
    _claim(run, recipe)
    if not (run / CLASSES).exists():
        torch.manual_seed(recipe.seed)
        model = ShippedExtractor(recipe.dim, pretrained)
        features, numbers = fit_neck(model, labelled, recipe.shrinkage, masks_of(labelled, recipe, run))
        with torch.no_grad():
            embeddings = model.embed(torch.from_numpy(features))
        sums = torch.zeros(int(numbers.max()) + 1, recipe.dim)
        sums.index_add_(0, torch.from_numpy(numbers), embeddings)
        save_file(model.state_dict(), run / START)
        save_file({"weight": F.normalize(sums)}, run / CLASSES)
    return load_file(run / START), load_file(run / CLASSES)["weight"]


def masks_of(labelled: Sequence[Picture], recipe: Recipe, run: Path) -> Masks:
    """Where the things are in their pictures, made once per run; nothing if the recipe asks for no cut-outs."""
    if not recipe.augmentation.cut_out_share:
        return {}
    return dict(zip(labelled, cut_outs(labelled, run / MASKS), strict=True))


def fit_neck(
    model: ShippedExtractor, labelled: Sequence[Picture], shrinkage: float, masks: Masks | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Fit the closed-form neck of ``model`` on the serving crops of ``labelled``.

    Args:
        masks: of pictures that are also shown cut out on white.

    Returns:
        Unit trunk features ``(N, 1280)`` and class numbers ``(N,)``, in the order of the sorted labels.
    """
    numbers = np.unique([p.label for p in labelled], return_inverse=True)[1]
    features = trunk_features(model, batches_of_crops(labelled, CROP, SERVING_SIZE, SERVING_INTERPOLATION))
    if masks:
        rng = np.random.default_rng(0)
        cut = (np.array(cut_out_view(p, masks[p], None, SERVING_SIZE, rng))[None] for p in labelled)
        features, numbers = np.concatenate([features, trunk_features(model, cut)]), np.concatenate([numbers, numbers])
    set_closed_form_neck(model, features, numbers, shrinkage)
    return features, numbers


def _resume(run: Path, recipe: Recipe, start: dict[str, Tensor], classes: Tensor) -> _State:
    model = ShippedExtractor(recipe.dim)
    model.load_state_dict(start)
    model.freeze(recipe.frozen_blocks)
    saved = torch.load(run / CHECKPOINT, weights_only=True) if (run / CHECKPOINT).exists() else None
    head = ArcMargin(recipe.dim, len(classes), scale=recipe.scale)
    head.weight.data.copy_(classes)
    groups = [
        {"params": [p for p in model.backbone.parameters() if p.requires_grad], "lr": recipe.trunk_rate},
        {"params": list(model.neck.parameters()), "lr": recipe.neck_rate},
        {"params": list(head.parameters()), "lr": recipe.head_rate},
    ]
    for group in groups:
        group["top_rate"] = group["lr"]
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    state = _State(model, {k: v.clone() for k, v in start.items()}, head, optimiser)
    if saved is not None:
        model.load_state_dict(saved["model"])
        head.load_state_dict(saved["head"])
        optimiser.load_state_dict(saved["optimiser"])
        state.average, state.step = saved["average"], saved["step"]
    return state


def _save(state: _State, run: Path) -> None:
    content = {
        "model": state.model.state_dict(),
        "average": state.average,
        "head": state.head.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "step": state.step,
    }
    temporary = run / f"{CHECKPOINT}.part"
    torch.save(content, temporary)
    temporary.replace(run / CHECKPOINT)


def rate_factor(step: int, recipe: Recipe) -> float:
    """Learning rate of a step (from 0) as a share of the top rate: linear warm-up, then cosine decay to 0."""
    warmup = max(1, round(recipe.steps * recipe.warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, recipe.steps - warmup)))


def _step(state: _State, frozen: ShippedExtractor, data: _Data, recipe: Recipe) -> dict[str, float]:
    """One optimiser step. Its random numbers depend on seed and step alone, so that a resumed run is the same run."""
    rng = np.random.default_rng((recipe.seed, state.step))
    chosen, numbers = _draw(data.groups, recipe, rng)
    kept = _some(data.retained, recipe.retained_per_batch, rng)
    shown = [*chosen, *kept, *(kept if recipe.copies else [])]
    views = _views(shown, data, recipe, rng)
    for group in state.optimiser.param_groups:
        group["lr"] = group["top_rate"] * rate_factor(state.step, recipe)
    features = state.model.features(views)
    embeddings = state.model.embed(features)
    state.head.margin = recipe.margin * min(1.0, 3 * state.step / recipe.steps)
    losses = _labelled_losses(state.head, embeddings, numbers, len(kept), recipe)
    if kept:
        held = slice(len(chosen), len(chosen) + len(kept))
        with torch.no_grad():
            before = frozen.features(views[held])
        moved, relations = cosine_distance(features[held], before), relation_distance(features[held], before)
        losses["retention"] = recipe.retention_cosine * moved + recipe.retention_relation * relations
    if data.taught:
        target = torch.from_numpy(np.stack([data.taught[picture] for picture in shown]))
        losses["distillation"] = recipe.distillation * relation_distance(embeddings, target)
    state.optimiser.zero_grad()
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    state.optimiser.step()
    for name, value in state.model.state_dict().items():
        if value.is_floating_point():
            state.average[name].lerp_(value, 1 - recipe.ema)
    state.step += 1
    return {name: round(float(value.detach()), 4) for name, value in losses.items()}


def _labelled_losses(
    head: ArcMargin, embeddings: Tensor, numbers: Tensor, kept: int, recipe: Recipe
) -> dict[str, Tensor]:
    """Softmax over the labelled pictures, which come first; contrastive loss over them and, if asked for, copies."""
    labelled = embeddings[: len(numbers)]
    logits = head(labelled, numbers)
    if recipe.copies:
        alone = int(numbers.max()) + 1 + torch.arange(kept)
        contrastive = supervised_contrastive(embeddings, torch.cat([numbers, alone, alone]), recipe.temperature)
    else:
        contrastive = supervised_contrastive(labelled, numbers, recipe.temperature)
    return {
        "softmax": CELoss(recipe.smoothing)({"logits": logits}, numbers),
        "contrastive": recipe.contrastive_weight * contrastive,
    }


def _draw(groups: dict[str, list[Picture]], recipe: Recipe, rng: np.random.Generator) -> tuple[list[Picture], Tensor]:
    """Pictures of random labels, each equally often, and their class numbers."""
    names = list(groups)
    numbers = rng.choice(len(names), recipe.classes_per_batch, replace=False)
    chosen = []
    for number in numbers:
        group = groups[names[number]]
        picks = rng.choice(len(group), recipe.pictures_per_class, replace=len(group) < recipe.pictures_per_class)
        chosen += [group[pick] for pick in picks]
    return chosen, torch.from_numpy(np.repeat(numbers, recipe.pictures_per_class))


def _some(pictures: Sequence[Picture], count: int, rng: np.random.Generator) -> list[Picture]:
    return [pictures[i] for i in rng.choice(len(pictures), count)] if pictures else []


def _views(pictures: Sequence[Picture], data: _Data, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(np.stack([_view(picture, data, recipe, rng) for picture in pictures]))


def _view(picture: Picture, data: _Data, recipe: Recipe, rng: np.random.Generator) -> NDArray[np.uint8]:
    augmentation, mask = recipe.augmentation, data.masks.get(picture)
    if mask is not None and rng.random() < augmentation.cut_out_share:
        (ground,) = _some(data.retained or [picture], 1, rng)
        view = cut_out_view(picture, mask, ground.open(), recipe.size, rng)
        return disturbed(view, rng, augmentation)
    return random_view(picture.open(), picture.box, recipe.size, rng, augmentation)
