"""Start weights: from a file, from the folder of downloaded weights, or from a package."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # the exception alone: torch.load raises it
from urllib.parse import urlparse

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from training.importers.paddle_files import read_pdparams
from training.importers.state import torch_state

log = logging.getLogger(__name__)
FOLDER_VARIABLE = "KENSPECKLE_WEIGHTS"
PUBLISHED = "https://paddle-imagenet-models-name.bj.bcebos.com/dygraph/legendary_models"
LEAST_SHARE = 0.5
# Networks that start from another one's ImageNet weights.
PARENTS = {
    "PPLCNetV2_base_ShiTu": "PPLCNetV2_base",
    "PPLCNet_x2_5_Tanh": "PPLCNet_x2_5",
    "ResNet50_adaptive_max_pool2d": "ResNet50",
    "ResNet50_last_stage_stride1": "ResNet50",
    "ResNet50_vd_last_stage_stride1": "ResNet50_vd",
}


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name of a ``.safetensors``, ``.pdparams`` or ``.pth`` / ``.pt`` file (read without executing it).

    Raises:
        ValueError: for another kind of file, or one that is broken.
        FileNotFoundError: if there is no such file, with and without ``.pdparams``.
    """
    path = path if path.exists() else Path(f"{path}.pdparams")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such weights")
    if path.suffix == ".pdparams":
        return torch_state(read_pdparams(path).arrays)
    if path.suffix in (".safetensors", ".pth", ".pt"):
        try:
            stored = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
        except (SafetensorError, UnpicklingError, RuntimeError, EOFError) as error:
            raise ValueError(f"{path} holds more than tensors, or is broken: {str(error).splitlines()[0]}") from None
        return dict(stored.get("state_dict", stored))
    raise ValueError(f"{path}: weights are .safetensors, .pdparams, .pth or .pt")


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], origin: str) -> list[str]:
    """Put into ``model`` what fits of ``weights`` by name and shape; return the names that stay as they were.

    Weights of a whole RecModel fit its backbone too. What stays is logged, since a new head or a cut classifier is
    the usual case.

    Raises:
        ValueError: if less than half of the model's tensors are there.
    """
    own = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    found = {name: value for name, value in weights.items() if name in own and value.shape == own[name].shape}
    if not found:
        inner = {name.removeprefix("backbone."): value for name, value in weights.items()}
        found = {name: value for name, value in inner.items() if name in own and value.shape == own[name].shape}
    if len(found) < LEAST_SHARE * len(own):
        raise ValueError(f"{origin} has {len(found)} of the {len(own)} tensors of {type(model).__name__}")
    model.load_state_dict(found, strict=False)
    missing = [name for name in own if name not in found]
    if missing:
        log.warning("%s has no fitting %s (%d tensors in all)", origin, ", ".join(missing[:5]), len(missing))
    return missing


def find_weights(name: str, pretrained: bool | str, use_ssld: bool = False) -> Path:
    """The file that ``Backbone.pretrained`` means.

    Args:
        name: of the backbone; True means its ImageNet weights.
        pretrained: True, a path (``.pdparams`` may be left out), or the address where the old stack fetched a file: the
            downloaded file is looked up by its name.
        use_ssld: the weights distilled by SSLD instead of the plain ones.

    Raises:
        FileNotFoundError: with what to download, and where to put it.
    """
    if isinstance(pretrained, str) and not urlparse(pretrained).scheme:
        return Path(pretrained)
    folder = Path(os.environ.get(FOLDER_VARIABLE, Path.home() / ".cache/kenspeckle/weights"))
    if isinstance(pretrained, str):
        wanted = [Path(urlparse(pretrained).path).name]
    else:
        stem = f"{PARENTS.get(name, name)}{'_ssld' if use_ssld else ''}_pretrained"
        wanted = [f"{stem}.pdparams", f"{stem}.safetensors"]
    for file in wanted:
        if (folder / file).is_file():
            return folder / file
    origin = pretrained if isinstance(pretrained, str) else f"{PUBLISHED}/{wanted[0]}"
    raise FileNotFoundError(
        f"no weights for {name}: download {origin} into {folder} (or the folder that {FOLDER_VARIABLE} names). To start"
        " from random weights: -o Arch.Backbone.pretrained=False"
    )
