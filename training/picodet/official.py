"""Official PicoDet weights: their names here.

A state dict (``.pdparams``) has structured names such as ``neck.downsamples.0.dwconv.weight``; an inference archive or
a converted graph has the framework's internal ones such as ``conv2d_17.w_0``, numbered in the order of creation.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.importers.paddle_files import read_pdiparams, read_pdparams
from training.picodet.backbones import ESNet, LCNet
from training.picodet.heads import PicoHeadV2
from training.picodet.model import PicoDet
from training.picodet.necks import Pan

Arrays = Mapping[str, NDArray[Any]]

LEFTOVERS = re.compile(r"^head\.(p\d_feat\.scale_reg|distribution_project\.project|head_(cls|reg)_list\..*)$")
"""Parameters of a parent class that nothing uses, and second names of the output convolutions."""

ESNET_STAGE = 2
"""Number of the first stage of blocks in the official names of ESNet."""
ESNET_RENAMES = [
    (r"^backbone\._conv1\.", "backbone.stem."),
    (r"\._conv_(pw|dw|linear)_mv1\.", r".\1."),
    (r"\._conv_(pw|dw|linear)_(\d)\.", r".\1\2."),
    (r"\._conv_(pw|dw|linear)\.", r".\1."),
    (r"\._se\.", ".se."),
    (r"\._conv\.", ".conv."),
    (r"\._batch_norm\.", ".bn."),
]
"""Names of PaddleDetection's ESNet; ``backbone.3_2._conv_pw._conv.weight`` is the second block of the second stage."""
RENAMES = [
    (r"^neck\.conv_t\.convs\.", "neck.lateral."),
    (r"^neck\.downsamples\.", "neck.downsample."),
    (r"^neck\.(first_top|second_top)_conv\.", r"neck.\1."),
    (r"^neck\.(top_down|bottom_up)_blocks\.", r"neck.\1."),
    (r"\.blocks\.0\.conv1\.", ".bottleneck.0."),
    (r"\.blocks\.0\.conv2\.", ".bottleneck.1."),
    (r"^(neck\..*)\.dw_conv\.", r"\1.0."),
    (r"^(neck\..*)\.pw_conv\.", r"\1.1."),
    (r"\.dwconv\.", ".0.conv."),
    (r"\.bn1\.", ".0.bn."),
    (r"\.pwconv\.", ".1.conv."),
    (r"\.bn2\.", ".1.bn."),
    (r"^head\.conv_feat\.cls_conv_dw(\d)\.(\d)\.", r"head.towers.\1.\2.0."),
    (r"^head\.conv_feat\.cls_conv_pw(\d)\.(\d)\.", r"head.towers.\1.\2.1."),
    (r"^head\.conv_feat\.se\.(\d)\.", r"head.gates.\1."),
    (r"^head\.cls_align\.", "head.align."),
    (r"^head\.head_reg(\d)\.", r"head.distance_outputs.\1."),
    (r"\.norm\.", ".bn."),
    (r"\._mean$", ".running_mean"),
    (r"\._variance$", ".running_var"),
]
INTERNAL = re.compile(r"^(conv2d|batch_norm2d)_(\d+)\.([wb])_(\d)")
SKIPPED = 2
"""Numbers of convolutions that the official code makes before the output convolutions and throws away."""
LEAVES = {
    ("conv2d", "w", "0"): "weight",
    ("conv2d", "b", "0"): "bias",
    ("batch_norm2d", "w", "0"): "weight",
    ("batch_norm2d", "b", "0"): "bias",
    ("batch_norm2d", "w", "1"): "running_mean",
    ("batch_norm2d", "w", "2"): "running_var",
}


def own_name(name: str, separate_outputs: bool, esnet: bool = False) -> str | None:
    """Name of a tensor here for its structured name; None for one that nothing uses.

    Args:
        separate_outputs: the head is ``PicoHeadV2``, with one output convolution for classes and one for distances.
        esnet: the backbone is ``ESNet``, not ``LCNet``.
    """
    if LEFTOVERS.match(name):
        return None
    if name.startswith("backbone."):
        name = _esnet_name(name) if esnet else name.replace("backbone.", "backbone.net.", 1)
    for pattern, new in RENAMES:
        name = re.sub(pattern, new, name)
    return re.sub(r"^head\.head_cls(\d)\.", rf"head.{'class_outputs' if separate_outputs else 'outputs'}.\1.", name)


def _esnet_name(name: str) -> str:
    def stage(match: re.Match[str]) -> str:
        return f"backbone.stages.{int(match[1]) - ESNET_STAGE}.{int(match[2]) - 1}."

    name = re.sub(r"^backbone\.(\d)_(\d)\.", stage, name)
    for pattern, new in ESNET_RENAMES:
        name = re.sub(pattern, new, name)
    return name


def load_official(model: PicoDet, arrays: Arrays) -> None:
    """Fill ``model`` with the tensors of a state dict or, by their numbers, with those of an inference archive.

    A state dict of the backbone alone, as an ImageNet classifier is published, fills the backbone; what its classifier
    has more is left out.

    Raises:
        ValueError: if the names or shapes do not fit the network, or it has another backbone than LCNet or ESNet.
    """
    if not isinstance(model.backbone, LCNet | ESNet):
        raise ValueError("official weights can be read for the backbones LCNet and ESNet")
    internal = any(INTERNAL.match(name) for name in arrays)
    if internal and isinstance(model.backbone, ESNet):
        raise ValueError("weights of ESNet are read by their structured names: give the .pdparams file")
    alone = not internal and not any(name.startswith("backbone.") for name in arrays)
    part = "backbone." if alone else ""
    state = _by_number(model, arrays) if internal else _by_name(model, arrays, part)
    wanted = {
        name: tensor.shape
        for name, tensor in model.state_dict().items()
        if name.startswith(part) and not name.endswith("num_batches_tracked")
    }
    found = {name: v.shape for name, v in state.items() if name in wanted or not alone}
    if found != wanted:
        wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise ValueError(
            f"{len(wrong)} tensors do not fit this network, first {wrong[0]}: found {_shape(found, wrong[0])}, wanted"
            f" {_shape(wanted, wrong[0])}; check scale, channels, tower_depth and classes"
        )
    model.load_state_dict({name: state[name] for name in found}, strict=False)


def read_official(path: Path, model: PicoDet) -> Arrays:
    """The arrays of a ``.pdparams`` or ``.pdiparams`` file of ``model``'s architecture, for ``load_official``.

    Raises:
        NotAWeightFile: if the file cannot be read.
        ValueError: for another kind of file, or one with another number of tensors than the network has.
    """
    if path.suffix == ".pdparams":
        return read_pdparams(path).arrays
    if path.suffix != ".pdiparams":
        raise ValueError(f"{path}: official weights are .pdparams or .pdiparams files")
    if isinstance(model.backbone, ESNet):
        raise ValueError(f"{path}: weights of ESNet are read by their structured names: give the .pdparams file")
    names, tensors = sorted(archive_names(model)), read_pdiparams(path)
    # Constants of the decoding have names that sort behind those of all layers.
    if len(tensors) < len(names):
        raise ValueError(f"{path}: {len(tensors)} tensors, the network has {len(names)}; check the preset")
    return dict(zip(names, tensors, strict=False))


def archive_names(model: PicoDet) -> Iterator[str]:
    """Internal names of the tensors of ``model`` in an inference archive, numbered as in a process that makes it."""
    counts = {"conv2d": 0, "batch_norm2d": 0}
    first_output = next(iter(_outputs(model)))
    for layer in creation_order(model):
        kind = "conv2d" if isinstance(layer, nn.Conv2d) else "batch_norm2d"
        if layer is first_output:
            counts[kind] += SKIPPED
        for (leaf_kind, letter, digit), leaf in LEAVES.items():
            if leaf_kind == kind and getattr(layer, leaf) is not None:
                yield f"{kind}_{counts[kind]}.{letter}_{digit}"
        counts[kind] += 1


def _outputs(model: PicoDet) -> nn.ModuleList:
    return model.head.class_outputs if isinstance(model.head, PicoHeadV2) else model.head.outputs  # type: ignore[return-value]


def _by_name(model: PicoDet, arrays: Arrays, part: str) -> dict[str, Tensor]:
    separate, esnet = isinstance(model.head, PicoHeadV2), isinstance(model.backbone, ESNet)
    named = {own_name(part + name, separate, esnet): array for name, array in arrays.items()}
    return {name: _tensor(array) for name, array in named.items() if name is not None}


def _by_number(model: PicoDet, arrays: Arrays) -> dict[str, Tensor]:
    own = {module: name for name, module in model.named_modules()}
    layers = list(creation_order(model))
    names = {
        "conv2d": [own[layer] for layer in layers if isinstance(layer, nn.Conv2d)],
        "batch_norm2d": [own[layer] for layer in layers if isinstance(layer, nn.BatchNorm2d)],
    }
    parsed = {name: match for name in arrays if (match := INTERNAL.match(name))}
    ranks = {}
    for kind, modules in names.items():
        numbers = sorted({int(match[2]) for match in parsed.values() if match[1] == kind})
        if len(numbers) != len(modules):
            raise ValueError(f"{len(numbers)} layers {kind}, the network has {len(modules)}")
        ranks[kind] = dict(zip(numbers, modules, strict=True))
    return {
        f"{ranks[match[1]][int(match[2])]}.{LEAVES[match[1], match[3], match[4]]}": _tensor(arrays[name])
        for name, match in parsed.items()
    }


def creation_order(model: PicoDet) -> Iterator[nn.Module]:
    """Convolutions and batch norms in the order in which the official code makes them, and numbers them."""
    neck, head = model.neck, model.head
    assert isinstance(neck, Pan)
    parts = [model.backbone, neck.lateral, neck.first_top, neck.second_top, neck.top_down]
    for down, block in zip(neck.downsample, neck.bottom_up, strict=True):
        parts += [down, block]
    for level, tower in enumerate(head.towers):  # type: ignore[arg-type]
        parts += [tower, head.gates[level]] if isinstance(head, PicoHeadV2) else [tower]
    if isinstance(head, PicoHeadV2):
        for level in range(len(head.towers)):
            parts += [head.class_outputs[level], head.distance_outputs[level], head.align[level]]
    else:
        parts.append(head.get_submodule("outputs"))
    for part in parts:
        if part is not None:
            yield from (layer for layer in part.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d))


def _shape(shapes: Mapping[str, torch.Size], name: str) -> str:
    return str(tuple(shapes[name])) if name in shapes else "none"


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32))
