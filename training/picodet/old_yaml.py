"""Reads the old detection YAML (PaddleDetection's PicoDet files) as a recipe.

What has a meaning here is mapped; what cannot be done is refused with its key; keys that only steer the old program
(logging, reader buffers, deployment) are listed in the log and left out.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from training.picodet.backbones.esnet import RATIOS_M, RATIOS_S
from training.picodet.data import DataError
from training.picodet.model import ModelConfig
from training.picodet.recipe import Recipe, make_recipe, merged, read_recipe

logger = logging.getLogger(__name__)
READ = {
    "architecture", "PicoDet", "LCNet", "ESNet", "CSPPAN", "LCPAN", "PicoHead", "PicoHeadV2", "num_classes", "epoch",
    "LearningRate", "OptimizerBuilder", "TrainReader", "TrainDataset", "EvalDataset", "use_ema", "ema_decay",
    "cycle_epoch", "use_gpu", "snapshot_epoch", "weights", "save_dir", "amp", "worker_num", "metric", "EvalReader",
    "pretrain_weights", "_BASE_",
}  # fmt: skip
DETECTOR_KEYS = {"backbone", "neck", "head", "nms_cpu"}
SIDE_DEFAULT = 320
DISTORTIONS = {"Decode", "RandomCrop", "RandomFlip", "RandomDistort"}
BATCH_OPERATIONS = {"BatchRandomResize", "NormalizeImage", "Permute", "PadGT"}


class _Loader(yaml.SafeLoader):
    """Safe YAML in which ``!COCODataSet {...}`` is the mapping with a ``name``."""


def _tagged(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {"name": suffix, **loader.construct_mapping(node, deep=True)}
    raise yaml.constructor.ConstructorError(None, None, f"a mapping is wanted after !{suffix}", node.start_mark)


_Loader.add_multi_constructor("!", _tagged)


def open_recipe(path: Path) -> Recipe:
    """A recipe, or an old configuration (which names an ``architecture`` or a ``_BASE_``).

    Raises:
        DataError: naming the file and the field at fault.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a subclass of SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    old = isinstance(content, dict) and not {"architecture", "_BASE_"}.isdisjoint(content)
    return read_old_recipe(path) if old else read_recipe(path)


def read_old_recipe(path: Path) -> Recipe:
    """Read an old configuration with all that it builds on.

    Raises:
        DataError: naming the file and the key that cannot be read or done.
    """
    try:
        content = load_old(path)
        left_out = sorted(set(content) - READ)
        if left_out:
            logger.warning("%s: of no effect here: %s", path, ", ".join(left_out))
        return make_recipe(old_fields(content, path.stem), str(path))
    except KeyError as error:
        raise DataError(f"{path}: {error.args[0]} is missing") from error


def load_old(path: Path) -> dict[str, Any]:
    """The file merged over those that its ``_BASE_`` names, which are relative to it; nothing in it is executed.

    Raises:
        DataError: if a file cannot be read.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a subclass of SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a configuration")
    base: dict[str, Any] = {}
    for name in content.pop("_BASE_", []):
        base = merged(base, load_old(path.parent / name))
    return merged(base, content)


def old_fields(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The fields of a recipe for the content of an old configuration.

    Raises:
        DataError: for what cannot be done.
        KeyError: with the key that is missing.
    """
    model = old_model(content)
    reader, dataset = content.get("TrainReader", {}), content["TrainDataset"]
    sizes = _sizes(reader)
    evaluated = content.get("EvalDataset")
    several = model.classes > 1
    return {
        "name": name,
        "input_size": _input_size(content, sizes),
        "model": asdict(model),
        "classes": _class_names(content, model.classes),
        "coco": [_coco_file(dataset)],
        "validation": [_coco_file(evaluated)] if evaluated and not several else [],
        "augment": _augment(reader),
        "train": {
            "batch": reader.get("batch_size", 16),
            "sizes": sizes,
            "workers": content.get("worker_num", 0),
            "static_epochs": content.get("PicoHeadV2", {}).get("static_assigner_epoch", 100),
            "schedule_epochs": _schedule_epochs(content),
            "warmup_steps": _warmup(content).get("steps", 0),
            "optimizer": _optimizer(content),
            "loop": _loop(content),
        },
    }


def old_model(content: Mapping[str, Any]) -> ModelConfig:
    """The network of an old configuration.

    Raises:
        DataError: for parts that are not PicoDet's.
        KeyError: with the key that is missing.
    """
    if content.get("architecture", "PicoDet") != "PicoDet":
        raise DataError(f"architecture {content['architecture']}: only PicoDet is read")
    detector = content["PicoDet"]
    unknown = sorted(set(detector) - DETECTOR_KEYS)
    if unknown:
        raise DataError(f"PicoDet.{unknown[0]}: not known")
    neck, head = detector["neck"], detector["head"]
    neck_options, head_options = content.get(neck, {}), content.get(head, {})
    feature = head_options["conv_feat"]
    channels = feature["feat_out"]
    if neck_options.get("out_channels", channels) != channels:
        raise DataError(f"{head}.conv_feat.feat_out is {channels}, {neck}.out_channels {neck_options['out_channels']}")
    return ModelConfig(
        backbone=_backbone(detector["backbone"], content.get(detector["backbone"], {})),
        neck=neck,
        head=head,
        channels=channels,
        tower_depth=feature.get("num_convs", 2),
        classes=content.get("num_classes", 80),
        reg_max=head_options.get("reg_max", 7),
        strides=tuple(head_options.get("fpn_stride", (8, 16, 32, 64))),
    )


def _backbone(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if name == "LCNet":
        return {"name": name, "scale": options.get("scale", 1.0)}
    if name == "ESNet":
        scale = options.get("scale", 1.0)
        default = RATIOS_S if scale < 1 else RATIOS_M
        return {"name": name, "scale": scale, "channel_ratio": list(options.get("channel_ratio", default))}
    raise DataError(f"PicoDet.backbone: {name} is not read; LCNet or ESNet")


def _class_names(content: Mapping[str, Any], classes: int) -> list[str]:
    if classes == 1:
        return ["mainbody"]
    raise DataError(
        f"num_classes is {classes}: the names are not in an old file; write a recipe with classes and categories"
    )


def _coco_file(dataset: Mapping[str, Any]) -> dict[str, str]:
    root = Path(dataset.get("dataset_dir", ""))
    return {
        "annotations": str(root / dataset["anno_path"]),
        "images": str(root / dataset.get("image_dir", "")),
    }


def _operations(reader: Mapping[str, Any], key: str, known: set[str]) -> dict[str, dict[str, Any]]:
    found = {name: options or {} for entry in reader.get(key, []) for name, options in entry.items()}
    unknown = sorted(set(found) - known)
    if unknown:
        raise DataError(f"TrainReader.{key}: {unknown[0]} is not done here; known are {', '.join(sorted(known))}")
    return found


def _augment(reader: Mapping[str, Any]) -> dict[str, float]:
    found = _operations(reader, "sample_transforms", DISTORTIONS)
    return {
        "crop": float("RandomCrop" in found),
        "flip": found["RandomFlip"].get("prob", 0.5) if "RandomFlip" in found else 0.0,
        "distort": 0.5 if "RandomDistort" in found else 0.0,
    }


def _sizes(reader: Mapping[str, Any]) -> list[int]:
    resize = _operations(reader, "batch_transforms", BATCH_OPERATIONS).get("BatchRandomResize", {})
    if resize.get("keep_ratio"):
        raise DataError("TrainReader.batch_transforms: BatchRandomResize.keep_ratio: pictures are squashed here")
    target = resize.get("target_size", SIDE_DEFAULT)
    return sorted(_side(size) for size in (target if isinstance(target, Sequence) else [target]))


def _side(size: int | Sequence[int]) -> int:
    if isinstance(size, int):
        return size
    if len(set(size)) != 1:
        raise DataError(f"TrainReader.batch_transforms: target_size {list(size)}: only squares are trained")
    return int(size[0])


def _input_size(content: Mapping[str, Any], sizes: Sequence[int]) -> int:
    """Side of the evaluation's resize, or the middle one of training."""
    for entry in content.get("EvalReader", {}).get("sample_transforms", []):
        if "Resize" in entry:
            target = entry["Resize"].get("target_size", SIDE_DEFAULT)
            return _side(target)
    return sizes[len(sizes) // 2]


def _schedulers(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    schedulers = content["LearningRate"].get("schedulers", [])
    unknown = sorted({entry["name"] for entry in schedulers} - {"CosineDecay", "LinearWarmup"})
    if unknown:
        raise DataError(f"LearningRate.schedulers: {unknown[0]} is not read; CosineDecay and LinearWarmup are")
    return list(schedulers)


def _warmup(content: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((entry for entry in _schedulers(content) if entry["name"] == "LinearWarmup"), {})


def _schedule_epochs(content: Mapping[str, Any]) -> int:
    decay = next((entry for entry in _schedulers(content) if entry["name"] == "CosineDecay"), {})
    return int(decay.get("max_epochs", content["epoch"]))


def _optimizer(content: Mapping[str, Any]) -> dict[str, Any]:
    builder, rate = content.get("OptimizerBuilder", {}), float(content["LearningRate"]["base_lr"])
    options = dict(builder.get("optimizer", {"type": "Momentum", "momentum": 0.9}))
    regularizer = builder.get("regularizer") or {}
    lr = {"name": "Cosine", "learning_rate": rate, "warmup_start_lr": rate * _warmup(content).get("start_factor", 0.1)}
    decay = {"name": regularizer.get("type", "L2"), "coeff": float(regularizer.get("factor", 0.0))}
    return {"name": options.pop("type"), **options, "regularizer": decay, "lr": lr}


def _loop(content: Mapping[str, Any]) -> dict[str, Any]:
    head = content["PicoDet"]["head"]
    loop = {
        "epochs": content["epoch"],
        "device": "cuda" if content.get("use_gpu") else "cpu",
        "precision": "fp16" if content.get("amp") else "fp32",
        "evaluate_every": content.get("snapshot_epoch", 1),
    }
    if content.get("use_ema"):
        cycle = content.get("cycle_epoch", 0) if head == "PicoHead" else 0
        loop |= {"ema_decay": content.get("ema_decay", 0.9998), "ema_ramp": True, "ema_cycle": cycle}
    return loop
