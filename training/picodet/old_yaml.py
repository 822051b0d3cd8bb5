"""Reads the old detection YAML (PaddleDetection's PicoDet files) as a recipe.

What has a meaning here is mapped; what cannot be done is refused with its key (``old_sections``); keys that only steer
the old program (logging, deployment) are listed in the log and left out.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from training.picodet.augment.chain import FILTERS
from training.picodet.backbones.esnet import RATIOS_M, RATIOS_S
from training.picodet.data import DataError
from training.picodet.export import INTERPOLATION
from training.picodet.model import ModelConfig
from training.picodet.old_sections import (
    DATA_SET,
    OPERATIONS,
    OPTIMISATION,
    PARTS,
    READ,
    SCHEDULES,
    TRAIN_READER,
    check,
    check_top,
)
from training.picodet.recipe import Recipe, make_recipe, merged, read_recipe

logger = logging.getLogger(__name__)
DETECTOR_KEYS = ("backbone", "neck", "head", "nms_cpu")
SIDE_DEFAULT = 320
OLD_FILTERS = ("nearest", "bilinear", "bicubic", "box", "lanczos")
"""Names of the old numbers of interpolations, 0 to 4."""


class _Loader(yaml.SafeLoader):
    """Safe YAML in which ``!COCODataSet {...}`` is the mapping with a ``name``."""


def _tagged(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {"name": suffix, **loader.construct_mapping(node, deep=True)}
    raise yaml.constructor.ConstructorError(None, None, f"a mapping is wanted after !{suffix}", node.start_mark)


_Loader.add_multi_constructor("!", _tagged)


def open_recipe(path: Path, data: Path) -> Recipe:
    """A recipe, or an old configuration (which names an ``architecture`` or a ``_BASE_``).

    Args:
        data: folder that the paths in it are relative to; an old file of several classes takes their names from there.

    Raises:
        DataError: naming the file and the field at fault.
    """
    content = _read(path)
    old = isinstance(content, dict) and not {"architecture", "_BASE_"}.isdisjoint(content)
    return read_old_recipe(path, data) if old else read_recipe(path)


def read_old_recipe(path: Path, data: Path) -> Recipe:
    """Read an old configuration with all that it builds on.

    Raises:
        DataError: naming the file and the key that cannot be read or done.
    """
    try:
        content = load_old(path)
        check_top(content, str(path))
        return make_recipe(old_fields(content, path.stem, data), str(path))
    except KeyError as error:
        raise DataError(f"{path}: {error.args[0]} is missing") from error


def load_old(path: Path, above: Sequence[Path] = ()) -> dict[str, Any]:
    """The file merged over those that its ``_BASE_`` names, which are relative to it; nothing in it is executed.

    Args:
        above: files that build on this one.

    Raises:
        DataError: if a file cannot be read, or builds on itself.
    """
    if path.resolve() in above:
        raise DataError(f"{path}: _BASE_: the file builds on itself")
    content = _read(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a configuration")
    below = content.pop("_BASE_", [])
    base: dict[str, Any] = {}
    for name in [below] if isinstance(below, str) else below:
        base = merged(base, load_old(path.parent / name, [*above, path.resolve()]))
    return merged(base, content)


def _read(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a subclass of SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def old_fields(content: Mapping[str, Any], name: str, data: Path) -> dict[str, Any]:
    """The fields of a recipe for the content of an old configuration.

    Raises:
        DataError: for what cannot be done.
        KeyError: with the key that is missing.
    """
    model = old_model(content)
    reader, training = content.get("TrainReader") or {}, content["TrainDataset"]
    check(reader, TRAIN_READER, "TrainReader")
    operations = _operations(reader)
    sizes = _sizes(operations.get("BatchRandomResize", {}))
    evaluated = content.get("EvalDataset")
    coco = _coco_file(training, "TrainDataset")
    return {
        "name": name,
        "input_size": _input_size(content, sizes),
        "model": asdict(model),
        **_classes(model.classes, data / coco["annotations"]),
        "coco": [coco],
        "validation": [_coco_file(evaluated, "EvalDataset")] if evaluated else [],
        "augment": _augment(operations),
        "train": {
            "init": _init(content, data),
            "batch": reader.get("batch_size", 16),
            "sizes": sizes,
            "resampling": _resampling(operations.get("BatchRandomResize")),
            "workers": content.get("worker_num", 0),
            "static_epochs": content.get("PicoHeadV2", {}).get("static_assigner_epoch", 100),
            "schedule_epochs": _schedule_epochs(content),
            "warmup_steps": _warmup(content).get("steps", 500) if _warmup(content) else 0,
            "optimizer": _optimizer(content),
            "loop": _loop(content),
        },
    }


def old_model(content: Mapping[str, Any]) -> ModelConfig:
    """The network of an old configuration.

    Raises:
        DataError: for parts that are not PicoDet's, or that ask for another network.
        KeyError: with the key that is missing.
    """
    if content.get("architecture", "PicoDet") != "PicoDet":
        raise DataError(f"architecture {content['architecture']}: only PicoDet is read")
    detector = content["PicoDet"]
    check(detector, dict.fromkeys(DETECTOR_KEYS, READ), "PicoDet")
    backbone, neck, head = (detector[part] for part in DETECTOR_KEYS[:3])
    options = {part: content.get(part) or {} for part in (backbone, neck, head)}
    for part, given in options.items():
        if part not in PARTS:
            raise DataError(f"PicoDet: {part} is not read; known are {', '.join(PARTS)}")
        check(given, PARTS[part], part)
    feature = options[head]["conv_feat"]
    channels, strides = feature["feat_out"], tuple(options[head].get("fpn_stride", (8, 16, 32, 64)))
    if options[neck].get("out_channels", channels) != channels:
        raise DataError(f"{head}.conv_feat.feat_out is {channels}, {neck}.out_channels {options[neck]['out_channels']}")
    if options[neck].get("num_features", len(strides)) != len(strides):
        raise DataError(f"{neck}.num_features is {options[neck]['num_features']}, {head}.fpn_stride {list(strides)}")
    mean, std = _normalisation(content)
    return ModelConfig(
        backbone=_backbone(backbone, options[backbone]),
        neck=neck,
        head=head,
        channels=channels,
        tower_depth=feature.get("num_convs", 2),
        classes=content.get("num_classes", 80),
        reg_max=options[head].get("reg_max", 7),
        strides=strides,
        activation=_activation({backbone: options[backbone], neck: options[neck], f"{head}.conv_feat": feature}),
        mean=mean,
        std=std,
    )


def _backbone(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    scale = options.get("scale", 1.0)
    if name == "LCNet":
        return {"name": name, "scale": scale}
    default = RATIOS_S if scale < 1 else RATIOS_M
    return {"name": name, "scale": scale, "channel_ratio": list(options.get("channel_ratio", default))}


def _activation(parts: Mapping[str, Mapping[str, Any]]) -> str:
    found = {part: options.get("act", "hard_swish") for part, options in parts.items()}
    if len(set(found.values())) > 1:
        said = ", ".join(f"{part}.act {name}" for part, name in found.items())
        raise DataError(f"{said}: here backbone, neck and head have the same activation")
    return str(found.popitem()[1])


def _classes(count: int, annotations: Path) -> dict[str, Any]:
    """Names of the classes: those of the training file's categories in the order of their ids, as in the old stack."""
    if count == 1:
        return {"classes": ["mainbody"]}
    try:
        listed = json.loads(annotations.read_text(encoding="utf-8"))["categories"]
        names = [category["name"] for category in sorted(listed, key=lambda category: category["id"])]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{annotations}: the names of the {count} classes cannot be read from it: {error!r}") from error
    if len(set(names)) != count:
        raise DataError(f"num_classes is {count}, but {annotations} has {len(set(names))} categories")
    return {"classes": names, "categories": {name: name for name in names}}


def _coco_file(dataset: Mapping[str, Any], where: str) -> dict[str, Any]:
    check(dataset, DATA_SET, where)
    root, count = Path(dataset.get("dataset_dir") or ""), dataset.get("sample_num", -1)
    return {
        "annotations": str(root / dataset["anno_path"]),
        "images": str(root / (dataset.get("image_dir") or "")),
        "sample_num": count if count > 0 else None,
        "allow_empty": dataset.get("allow_empty", False),
    }


def _operations(reader: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for key in ("sample_transforms", "batch_transforms"):
        for name, options in (pair for entry in reader.get(key) or [] for pair in entry.items()):
            if name not in OPERATIONS:
                raise DataError(
                    f"TrainReader.{key}: {name} is not done here; known are {', '.join(sorted(OPERATIONS))}"
                )
            check(options, OPERATIONS[name], f"TrainReader.{key}.{name}")
            found[name] = options or {}
    return found


def _augment(found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    return {
        "crop": float("RandomCrop" in found),
        "flip": found["RandomFlip"].get("prob", 0.5) if "RandomFlip" in found else 0.0,
        "distort": 0.5 if "RandomDistort" in found else 0.0,
    }


def _sizes(resize: Mapping[str, Any]) -> list[int]:
    target = resize.get("target_size", SIDE_DEFAULT)
    if not resize.get("random_size", True):
        return [_side(target)]
    return sorted(_side(size) for size in (target if isinstance(target, Sequence) else [target]))


def _resampling(resize: Mapping[str, Any] | None) -> list[str]:
    """All where the old file draws one for each batch, else the one that it names (nearest if it names none)."""
    if resize is None or resize.get("random_interp", False):
        return list(FILTERS)
    number = resize.get("interp", 0)
    if number not in range(len(OLD_FILTERS)):
        raise DataError(f"TrainReader.batch_transforms.BatchRandomResize.interp is {number}; known are 0 to 4")
    return [OLD_FILTERS[number]]


def _side(size: int | Sequence[int]) -> int:
    if isinstance(size, int):
        return size
    if len(set(size)) != 1:
        raise DataError(f"TrainReader.batch_transforms: target_size {list(size)}: only squares are trained")
    return int(size[0])


def _normalisation(content: Mapping[str, Any]) -> tuple[Any, Any]:
    """Mean and standard deviation of pixels in 0..255; (None, None), the backbone's, without a reader."""
    reader = content.get("TrainReader")
    if not reader:
        return None, None
    options = _operations(reader).get("NormalizeImage")
    if options is None:
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    mean, std = options.get("mean", [0.485, 0.456, 0.406]), options.get("std", [0.229, 0.224, 0.225])
    for entry in (content.get("EvalReader") or {}).get("sample_transforms") or []:
        other = entry.get("NormalizeImage")
        if other is not None and (other.get("mean", mean), other.get("std", std)) != (mean, std):
            raise DataError("EvalReader.sample_transforms.NormalizeImage is not that of TrainReader; a model has one")
    unit = 255.0 if options.get("is_scale", True) else 1.0
    scaled = [tuple(round(unit * float(value), 6) for value in values) for values in (mean, std)]
    return scaled[0], scaled[1]


def _input_size(content: Mapping[str, Any], sizes: Sequence[int]) -> int:
    """Side of the evaluation's resize, or the middle one of training."""
    for entry in (content.get("EvalReader") or {}).get("sample_transforms") or []:
        if "Resize" in entry:
            options = entry["Resize"]
            if options.get("keep_ratio"):
                raise DataError("EvalReader.sample_transforms.Resize.keep_ratio: pictures are squashed here")
            if "interp" in options:
                logger.warning("EvalReader...Resize.interp: pictures are measured and served with %s", INTERPOLATION)
            return _side(options.get("target_size", SIDE_DEFAULT))
    return sizes[len(sizes) // 2]


def _init(content: Mapping[str, Any], data: Path) -> str:
    """A file of start weights that is there; a name that leads nowhere is said in the log."""
    name = content.get("pretrain_weights")
    if name and (data / name).is_file():
        return str(data / name)
    if name:
        logger.warning(
            "pretrain_weights: %s is no file in %s: training starts from random weights; to start from it, store it "
            "there and name the file",
            name,
            data,
        )
    return "random"


def _schedulers(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    schedulers = content["LearningRate"].get("schedulers", [])
    for entry in schedulers:
        if entry["name"] not in SCHEDULES:
            raise DataError(f"LearningRate.schedulers: {entry['name']} is not read; {' and '.join(SCHEDULES)} are")
        check(entry, SCHEDULES[entry["name"]], f"LearningRate.schedulers.{entry['name']}")
    return list(schedulers)


def _warmup(content: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((entry for entry in _schedulers(content) if entry["name"] == "LinearWarmup"), {})


def _schedule_epochs(content: Mapping[str, Any]) -> int:
    decay = next((entry for entry in _schedulers(content) if entry["name"] == "CosineDecay"), {})
    return int(decay.get("max_epochs", content["epoch"]))


def _optimizer(content: Mapping[str, Any]) -> dict[str, Any]:
    builder, rate = content.get("OptimizerBuilder") or {}, float(content["LearningRate"]["base_lr"])
    check(builder, OPTIMISATION, "OptimizerBuilder")
    options = dict(builder.get("optimizer", {"type": "Momentum", "momentum": 0.9}))
    regularizer = builder.get("regularizer", {"type": "L2", "factor": 1e-4}) or {}
    lr = {
        "name": "Cosine",
        "learning_rate": rate,
        "warmup_start_lr": rate * _warmup(content).get("start_factor", 1 / 3),
    }
    decay = {"name": regularizer.get("type", "L2"), "coeff": float(regularizer.get("factor", 0.0))}
    clip = {"clip_norm_global": builder["clip_grad_by_norm"]} if builder.get("clip_grad_by_norm") else {}
    return {"name": options.pop("type"), **options, **clip, "regularizer": decay, "lr": lr}


def _loop(content: Mapping[str, Any]) -> dict[str, Any]:
    head = content["PicoDet"]["head"]
    loop = {
        "epochs": content["epoch"],
        "device": "cuda" if content.get("use_gpu") else "cpu",
        "precision": "fp16" if content.get("amp") else "fp32",
        "evaluate_every": content.get("snapshot_epoch", 1),
        "log_steps": content.get("log_iter", 20),
    }
    if content.get("use_ema"):
        cycle = content.get("cycle_epoch", 0) if head == "PicoHead" else 0
        loop |= {"ema_decay": content.get("ema_decay", 0.9998), "ema_ramp": True, "ema_cycle": cycle}
    return loop
