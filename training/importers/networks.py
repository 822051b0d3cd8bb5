"""Paddle's weight files as networks."""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from training.importers.internal_names import internal_names
from training.importers.paddle_files import read_info, read_pdiparams, read_pdparams
from training.importers.pickled import NotAWeightFile
from training.importers.state import torch_name, torch_state, torch_tensor
from training.recmodel.backbones import BACKBONES
from training.recmodel.fuse import fuse
from training.recmodel.model import RecModel, build_recmodel

DROPOUT = "dropout_downscale_in_infer"


def imported_arch(arch: Mapping[str, Any]) -> dict[str, Any]:
    """``arch`` as weights of the old stack need it: no head, no start weights, the old dropout where there is one.

    Of a distillation the model that is exported, ``infer_model_name``.
    """
    if arch.get("models"):
        models = {name: inner for entry in arch["models"] for name, inner in entry.items()}
        arch = models[arch.get("infer_model_name", "Student")]
    backbone = {key: value for key, value in arch["Backbone"].items() if key not in ("pretrained", "use_ssld")}
    if DROPOUT in inspect.signature(BACKBONES.get(backbone["name"])).parameters:
        backbone[DROPOUT] = True
    return {**{key: value for key, value in arch.items() if key not in ("Head", "Backbone")}, "Backbone": backbone}


def import_recmodel(weights: Path, arch: Mapping[str, Any]) -> RecModel:
    """The network of ``arch`` with the weights of a ``.pdparams`` or ``.pdiparams`` file, fused, in evaluation mode.

    Args:
        arch: ``Arch`` section that the weights were trained with; see ``imported_arch``.
        weights: names of a ``.pdiparams`` come from the ``.pdiparams.info`` beside it, or else are counted.

    Raises:
        NotAWeightFile: if the file is broken, or does not hold this network.
        ValueError: for another kind of file.
    """
    arch = imported_arch(arch)
    model = cast(RecModel, build_recmodel(arch))
    if weights.suffix == ".pdparams":
        state = torch_state(read_pdparams(weights).arrays)
        _load(model, state, weights)
        fuse(model)
    elif weights.suffix == ".pdiparams":
        info = Path(f"{weights}.info")
        names = _noted_names(info) if info.is_file() else internal_names(model, arch["Backbone"])
        fuse(model)
        _load(model, _by_order(model, names, weights), weights)
    else:
        raise ValueError(f"{weights}: wanted a .pdparams or .pdiparams file")
    return model.eval()


def _noted_names(info: Path) -> dict[str, str]:
    """Internal names by our names, from the file that the old export writes beside the tensors."""
    names: dict[str, str] = {}
    for structured, internal in read_info(info).items():
        within = re.search(r"(?:^|\.)((?:backbone|neck)\..+)", structured)
        if within is None:
            continue
        name = torch_name(within[1])
        if name in names:
            raise NotAWeightFile(f"{info} has {name} twice: it was exported with a teacher; give its .pdparams")
        names[name] = internal
    return names


def _by_order(model: RecModel, names: Mapping[str, str], path: Path) -> dict[str, torch.Tensor]:
    """Tensors of an inference file by our names: the file has those of the fused network, sorted by internal name."""
    own = [name for name in model.state_dict() if not name.endswith("num_batches_tracked")]
    stored = read_pdiparams(path)
    if len(stored) != len(own):
        raise NotAWeightFile(f"{path} has {len(stored)} tensors, the network of Arch {len(own)}")
    lacking = [name for name in own if name not in names]
    if lacking:
        raise NotAWeightFile(f"{path} has no {lacking[0]}: was it trained with this Arch?")
    ordered = sorted(own, key=names.__getitem__)
    return {name: torch_tensor(array) for name, array in zip(ordered, stored, strict=True)}


def _load(model: RecModel, state: Mapping[str, torch.Tensor], path: Path) -> None:
    own = model.state_dict()
    for name, value in own.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in state:
            raise NotAWeightFile(f"{path} has no {name}: was it trained with this Arch?")
        if state[name].shape != value.shape:
            shapes = f"{tuple(state[name].shape)}, the network {tuple(value.shape)}"
            raise NotAWeightFile(f"{path}: {name} is {shapes}: was it trained with this Arch?")
    model.load_state_dict({name: state.get(name, value) for name, value in own.items()})
