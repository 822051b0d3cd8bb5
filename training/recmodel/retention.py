"""The tuning of the shipped extractor as a task of the engine: new things are learnt, the old ones retained."""

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from training.engine.optimisation import FunctionSchedule, Optimisation
from training.engine.task import MODEL, Position
from training.losses import CELoss, cosine_distance, relation_distance, supervised_contrastive
from training.recmodel.heads import ArcMargin
from training.recmodel.recipe import Recipe
from training.recmodel.retention_batches import Batch, Batches, Material
from training.recmodel.shipped import ShippedExtractor, pixels
from training.recmodel.start import Start

HEAD = "head"
MARGIN_RAMP = 3
"""The margin has its full size after one in so many of the steps."""


class RetentionTask:
    """Margin softmax and supervised contrastive loss on labelled pictures, features of others held to the start's.

    One epoch is the whole run.

    Args:
        workers: processes that make batches; 0: this one. They come out the same.
    """

    def __init__(self, recipe: Recipe, start: Start, material: Material, workers: int = 0) -> None:
        self._recipe, self._material, self._workers = recipe, material, workers
        self._model = ShippedExtractor(recipe.dim)
        self._model.load_state_dict(start.weights)
        self._frozen = deepcopy(self._model.backbone).requires_grad_(False)
        self._model.freeze(recipe.frozen_blocks)
        self._head = ArcMargin(recipe.dim, len(start.classes), scale=recipe.scale)
        self._head.weight.data.copy_(start.classes)
        self._cross_entropy = CELoss(recipe.smoothing)
        self.modules: Mapping[str, nn.Module] = {MODEL: self._model, HEAD: self._head}
        self.batches_per_epoch = recipe.steps

    def optimisations(self, steps_per_epoch: int) -> list[Optimisation]:
        """AdamW for trunk, neck and head, each with its own top rate."""
        recipe = self._recipe
        parts = (
            (self._model.backbone, recipe.trunk_rate),
            (self._model.neck, recipe.neck_rate),
            (self._head, recipe.head_rate),
        )
        return [
            Optimisation(
                torch.optim.AdamW([p for p in part.parameters() if p.requires_grad], weight_decay=recipe.weight_decay),
                FunctionSchedule(partial(rate, recipe, top)),
            )
            for part, top in parts
        ]

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        """The batches of the run from number ``first`` on."""
        steps = range(epoch * self.batches_per_epoch + first, (epoch + 1) * self.batches_per_epoch)
        batches = Batches(self._material, self._recipe)
        yield from DataLoader(batches, batch_size=None, sampler=steps, num_workers=self._workers)

    def samples(self, batch: Batch) -> int:
        """Pictures of a batch."""
        return len(batch.views)

    def losses(self, network: nn.Module, batch: Batch, at: Position) -> dict[str, Tensor]:
        """Softmax, contrastive loss, retention where there are retained pictures, distillation with a teacher."""
        recipe, device = self._recipe, self._head.weight.device
        batch, images = batch.to(device), pixels(batch.views.to(device))
        outputs = network(images)
        features, embeddings = outputs["backbone"], F.normalize(outputs["features"])
        self._head.margin = recipe.margin * min(1.0, MARGIN_RAMP * at.step / recipe.steps)
        losses = self._of_labels(embeddings, batch)
        if batch.retained:
            held = slice(len(batch.labels), len(batch.labels) + batch.retained)
            before = self._frozen.to(device)(images[held])
            moved, relations = cosine_distance(features[held], before), relation_distance(features[held], before)
            losses["retention"] = recipe.retention_cosine * moved + recipe.retention_relation * relations
        if batch.target is not None:
            losses["distillation"] = recipe.distillation * relation_distance(embeddings, batch.target)
        return losses

    def _of_labels(self, embeddings: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Softmax over the labelled pictures; contrastive loss over them and, if asked for, copies."""
        recipe, labels = self._recipe, batch.labels
        labelled = embeddings[: len(labels)]
        logits = self._head(labelled, labels)
        if recipe.copies:
            alone = int(labels.max()) + 1 + torch.arange(batch.retained, device=labels.device)
            contrastive = supervised_contrastive(embeddings, torch.cat([labels, alone, alone]), recipe.temperature)
        else:
            contrastive = supervised_contrastive(labelled, labels, recipe.temperature)
        return {
            "softmax": self._cross_entropy({"logits": logits}, labels),
            "contrastive": recipe.contrastive_weight * contrastive,
        }

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """Nothing: what a share of the tuned weights is worth is measured on the finished run (``choose-mix``)."""
        return {}


def rate(recipe: Recipe, top: float, step: int) -> float:
    """Learning rate of a step (from 0): linear warm-up that ends at ``top``, then cosine decay to 0."""
    warmup = max(1, round(recipe.steps * recipe.warmup_share))
    if step < warmup:
        return top * ((step + 1) / warmup)
    return top * (0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, recipe.steps - warmup))))
