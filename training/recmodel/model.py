"""RecModel: backbone, neck and head, from the ``Arch`` section of a configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from training.recmodel.backbones.build import build_backbone
from training.recmodel.heads import HEADS
from training.recmodel.necks import NECKS
from training.recmodel.stop import stop_after
from training.recmodel.teacher import TEACHERS, Teacher
from training.recmodel.weights import load_weights, read_weights
from training.registry import UnknownName

Outputs = dict[str, Tensor]
ARCH_KEYS = (
    "name",
    "Backbone",
    "BackboneStopLayer",
    "Neck",
    "Head",
    "head_feature_from",
    "infer_output_key",
    "use_sync_bn",
    "models",
    "freeze_params_list",
    "pretrained_list",
    "infer_model_name",
    "infer_add_softmax",
    "is_rec",
    "class_num",
)
"""The last three mean nothing here: embeddings are exported, never probabilities; labels are always at hand; the head
has its own number of classes."""
PROBE_SIZE = 224


class RecModel(nn.Module):
    """Backbone, neck and head of metric learning.

    Args:
        backbone: pictures ``(N, 3, H, W)`` to features.
        neck: features to embeddings; None: the features are the embeddings.
        head: ``(features, labels) -> logits``; None: no logits.
        head_feature_from: ``neck`` or ``backbone``: what the head sees.
        infer_output_key: output that ``inference`` gives.
    """

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module | None = None,
        head: nn.Module | None = None,
        head_feature_from: str = "neck",
        infer_output_key: str | None = "features",
    ) -> None:
        super().__init__()
        self.backbone, self.neck, self.head = backbone, neck, head
        self.head_feature_from = head_feature_from
        self.infer_output_key = infer_output_key or "features"

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Outputs:
        """All outputs by name.

        Args:
            images: ``(N, 3, H, W)``, normalised.
            labels: ``(N,)`` int64; heads with a margin need them in training.

        Returns:
            ``backbone`` (flattened), ``neck`` if there is one, ``features`` (of the neck, else of the backbone), all
            ``(N, D)``, and ``logits`` ``(N, classes)`` if there is a head.
        """
        map_ = self.backbone(images)
        outputs = {"backbone": map_.flatten(1)}
        if self.neck is not None:
            outputs["neck"] = self.neck(map_)
        outputs["features"] = outputs["neck"] if self.neck is not None else outputs["backbone"]
        if self.head is not None:
            seen = outputs["backbone" if self.head_feature_from == "backbone" else "features"]
            outputs["logits"] = self.head(seen, labels)
        return outputs


class DistillationModel(nn.Module):
    """Several RecModels that see the same pictures; outputs by the name of the model.

    Args:
        models: by name; a ``Teacher`` among them gives features alone.
        frozen: names of those that are not trained; they stay in evaluation mode.
        infer_model_name: the one that is evaluated and exported.
    """

    def __init__(self, models: Mapping[str, nn.Module], frozen: Sequence[str], infer_model_name: str) -> None:
        super().__init__()
        served = [name for name, model in models.items() if isinstance(model, RecModel)]
        if infer_model_name not in served:
            raise UnknownName("model", infer_model_name, served)
        self.models = nn.ModuleDict(models)
        self.frozen = tuple(frozen)
        self.infer_model_name = infer_model_name
        for name in self.frozen:
            self.models[name].eval().requires_grad_(False)

    @property
    def student(self) -> RecModel:
        """The model that is evaluated and exported."""
        model: RecModel = self.models[self.infer_model_name]  # type: ignore[assignment]
        return model

    def train(self, mode: bool = True) -> "DistillationModel":
        super().train(mode)
        for name in self.frozen:
            self.models[name].eval()
        return self

    def forward(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Outputs]:
        """Outputs of every model as ``RecModel`` gives them; no gradients through the frozen ones."""
        outputs = {}
        for name, model in self.models.items():
            with torch.set_grad_enabled(torch.is_grad_enabled() and name not in self.frozen):
                outputs[name] = model(images, labels)
        return outputs


class Inference(nn.Module):
    """The part of a RecModel that is served: pictures ``(N, 3, H, W)`` to one of its outputs, without the head."""

    def __init__(self, model: RecModel) -> None:
        super().__init__()
        self.backbone, self.neck = model.backbone, model.neck
        self.key = model.infer_output_key

    def forward(self, images: Tensor) -> Tensor:
        """``(N, D)``, not normalised."""
        map_: Tensor = self.backbone(images)
        return map_.flatten(1) if self.neck is None or self.key == "backbone" else self.neck(map_)


def inference(model: RecModel | DistillationModel) -> Inference:
    """The network to export, in evaluation mode. Its layers are those of ``model``.

    Raises:
        ValueError: if ``infer_output_key`` asks for logits: bundles hold embeddings.
    """
    served = model.student if isinstance(model, DistillationModel) else model
    if served.infer_output_key not in ("features", "neck", "backbone"):
        raise ValueError(f"Arch.infer_output_key {served.infer_output_key!r} is not exported: features or backbone")
    return Inference(served).eval()


def build_recmodel(arch: Mapping[str, Any]) -> RecModel | DistillationModel:
    """Build the ``Arch`` section of an old or new configuration.

    Raises:
        UnknownName: for unknown names, keys and stop layers, with the near ones.
        ValueError: if the parts do not fit together.
        FileNotFoundError: if start weights are asked for and not there.
    """
    for key in arch:
        if key not in ARCH_KEYS:
            raise UnknownName("key of Arch", key, list(ARCH_KEYS))
    name = arch.get("name", "RecModel")
    if name == "DistillationModel":
        return _build_distillation(arch)
    if name != "RecModel":
        raise UnknownName("Arch", name, ["RecModel", "DistillationModel"])
    backbone = build_backbone(arch["Backbone"])
    stop = (arch.get("BackboneStopLayer") or {}).get("name")
    if stop:
        stop_after(backbone, stop)
    model = RecModel(
        backbone,
        NECKS.build(arch["Neck"]) if arch.get("Neck") else None,
        HEADS.build(arch["Head"]) if arch.get("Head") else None,
        arch.get("head_feature_from", "neck"),
        arch.get("infer_output_key", "features"),
    )
    _check_fit(model, arch)
    if arch.get("use_sync_bn") and torch.distributed.is_initialized() and torch.cuda.is_available():
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return model


def _build_distillation(arch: Mapping[str, Any]) -> DistillationModel:
    models: dict[str, nn.Module] = {}
    for entry in arch["models"]:
        for name, inner in entry.items():
            built = TEACHERS.build(inner) if inner.get("name") in list(TEACHERS) else build_recmodel(inner)
            if isinstance(built, DistillationModel):
                raise ValueError(f"Arch.models.{name} has to be a RecModel or one of {', '.join(TEACHERS)}")
            models[name] = built
    frozen = arch.get("freeze_params_list") or [False] * len(models)
    weights = arch.get("pretrained_list") or [None] * len(models)
    if not len(frozen) == len(weights) == len(models):
        raise ValueError(f"Arch has {len(models)} models: freeze_params_list and pretrained_list need as many entries")
    for model, path in zip(models.values(), weights, strict=True):
        if path:
            load_weights(model, read_weights(path), str(path))
    fixed = [name for name, freeze in zip(models, frozen, strict=True) if freeze or isinstance(models[name], Teacher)]
    return DistillationModel(models, fixed, arch.get("infer_model_name", "Student"))


def _check_fit(model: RecModel, arch: Mapping[str, Any]) -> None:
    """Run shapes alone through backbone and neck, so that a wrong width is found before training.

    Raises:
        ValueError: naming the parts that do not fit.
    """
    pictures = torch.empty(2, 3, PROBE_SIZE, PROBE_SIZE, device="meta")
    outputs = {"backbone": _shapes(model.backbone, pictures)}
    if model.neck is not None:
        try:
            outputs["neck"] = _shapes(model.neck, outputs["backbone"])
        except (RuntimeError, ValueError) as error:
            given = ", ".join(map(str, outputs["backbone"].shape[1:]))
            raise ValueError(f"Arch.Neck {arch['Neck']} does not take the backbone's (N, {given}): {error}") from None
    seen = outputs["backbone" if model.head_feature_from == "backbone" else list(outputs)[-1]].flatten(1).shape[1]
    asked = (arch.get("Head") or {}).get("embedding_size", seen)
    if asked != seen:
        raise ValueError(f"Arch.Head.embedding_size is {asked}, but what the head sees has {seen} numbers")


def _shapes(part: nn.Module, value: Tensor) -> Tensor:
    """What ``part`` gives in evaluation mode for a tensor without content."""
    state = {name: torch.empty_like(tensor, device="meta") for name, tensor in part.state_dict().items()}
    training = part.training
    try:
        result: Tensor = functional_call(part.eval(), state, (value,))
    finally:
        part.train(training)
    return result
