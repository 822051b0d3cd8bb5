"""What the sections of an old detection file may say: values that are read elsewhere, and those that are fixed here.

The fixed values are the defaults and settings of PaddleDetection's PicoDet configurations. A file that says something
else asks for another detector, so it is refused with the key and the value that holds here.
"""

import logging
from collections.abc import Mapping
from typing import Any

from training.picodet.data import DataError

logger = logging.getLogger(__name__)

READ = object()
"""Mark of a key whose value is read, or that has nothing to change here."""

Allowed = Mapping[str, Any]
"""By key: ``READ``, the one value that is possible, or the keys below it."""

SUPPRESSION = {
    "name": "MultiClassNMS",
    "nms_top_k": 1000,
    "keep_top_k": 100,
    "score_threshold": 0.025,
    "nms_threshold": 0.6,
}
DISTRIBUTION_LOSS = "DistributionFocalLoss"
_NECK = {
    **dict.fromkeys(("in_channels", "out_channels", "num_features", "act", "spatial_scales"), READ),
    "kernel_size": 5,
    "use_depthwise": True,
}
_HEAD = {
    **dict.fromkeys(("num_classes", "fpn_stride", "feat_in_chan", "reg_max", "nms_pre"), READ),
    "prior_prob": 0.01,
    "cell_offset": 0.5,
    "nms": SUPPRESSION,
}
_FEATURE = {
    **dict.fromkeys(("feat_in", "feat_out", "num_convs", "num_fpn_stride", "act"), READ),
    "name": "PicoFeat",
    "norm_type": "bn",
    "share_cls_reg": True,
}
_VARIFOCAL = {"name": "VarifocalLoss", "alpha": 0.75, "gamma": 2.0, "iou_weighted": True, "loss_weight": 1.0}

PARTS: Mapping[str, Allowed] = {
    "LCNet": {"scale": READ, "act": READ, "feature_maps": [3, 4, 5]},
    "ESNet": {"scale": READ, "act": READ, "channel_ratio": READ, "feature_maps": [4, 11, 14]},
    "CSPPAN": {**_NECK, "num_csp_blocks": 1},
    "LCPAN": _NECK,
    "PicoHead": {
        **_HEAD,
        "conv_feat": {**_FEATURE, "use_se": False},
        "loss_class": {**_VARIFOCAL, "use_sigmoid": True},
        "loss_dfl": {"name": DISTRIBUTION_LOSS, "loss_weight": 0.25},
        "loss_bbox": {"name": "GIoULoss", "loss_weight": 2.0},
        "assigner": {
            "name": "SimOTAAssigner",
            "candidate_topk": 10,
            "iou_weight": 6,
            "center_radius": 2.5,
            "cls_weight": 1.0,
            "use_vfl": True,
        },
    },
    "PicoHeadV2": {
        **_HEAD,
        "grid_cell_scale": 5.0,
        "static_assigner_epoch": READ,
        "use_align_head": True,
        "conv_feat": {**_FEATURE, "use_se": True},
        "static_assigner": {"name": "ATSSAssigner", "topk": 9, "force_gt_matching": False},
        "assigner": {"name": "TaskAlignedAssigner", "topk": 13, "alpha": 1.0, "beta": 6.0},
        "loss_class": {**_VARIFOCAL, "use_sigmoid": False},
        "loss_dfl": {"name": DISTRIBUTION_LOSS, "loss_weight": 0.5},
        "loss_bbox": {"name": "GIoULoss", "loss_weight": 2.5},
    },
}
_COLOUR = [0.5, 1.5, 0.5]
TRAIN_READER: Allowed = {
    **dict.fromkeys(
        ("sample_transforms", "batch_transforms", "batch_size", "collate_batch", "use_shared_memory"), READ
    ),
    "shuffle": True,
    "drop_last": True,
}
OPERATIONS: Mapping[str, Allowed] = {
    "Decode": {},
    "RandomCrop": {
        "aspect_ratio": [0.5, 2.0],
        "thresholds": [0.0, 0.1, 0.3, 0.5, 0.7, 0.9],
        "scaling": [0.3, 1.0],
        "num_attempts": 50,
        "allow_no_crop": True,
        "cover_all_box": False,
        "is_mask_crop": False,
    },
    "RandomFlip": {"prob": READ},
    "RandomDistort": {
        "hue": [-18, 18, 0.5],
        "saturation": _COLOUR,
        "contrast": _COLOUR,
        "brightness": _COLOUR,
        "random_apply": True,
        "count": 4,
        "random_channel": False,
    },
    "BatchRandomResize": {
        **dict.fromkeys(("target_size", "random_size", "random_interp", "interp"), READ),
        "keep_ratio": False,
    },
    "NormalizeImage": {"is_scale": READ, "mean": READ, "std": READ, "norm_type": "mean_std"},
    "Permute": {},
    "PadGT": {"return_gt_mask": READ},
}
DATA_SET: Allowed = {
    **dict.fromkeys(("image_dir", "anno_path", "dataset_dir", "data_fields", "sample_num", "allow_empty"), READ),
    "name": "COCODataSet",
    "empty_ratio": 1.0,
    "load_crowd": False,
    "repeat": 1,
}
OPTIMISATION: Allowed = {
    "clip_grad_by_norm": READ,
    "optimizer": READ,
    "regularizer": {"type": READ, "factor": READ},
}
SCHEDULES: Mapping[str, Allowed] = {
    "CosineDecay": {"name": READ, "max_epochs": READ, "use_warmup": READ},
    "LinearWarmup": {"name": READ, "start_factor": READ, "steps": READ},
}
TOP: Allowed = {
    **dict.fromkeys(
        (
            "architecture", "PicoDet", *PARTS, "num_classes", "epoch", "LearningRate", "OptimizerBuilder",
            "TrainReader", "TrainDataset", "EvalDataset", "EvalReader", "use_ema", "ema_decay", "cycle_epoch",
            "use_gpu", "snapshot_epoch", "amp", "worker_num", "pretrain_weights", "log_iter",
        ),
        READ,
    ),
    "metric": "COCO",
    "ema_decay_type": "threshold",
}  # fmt: skip
"""Other keys of a whole file are named in the log."""


def check(given: Mapping[str, Any] | None, allowed: Allowed, where: str) -> None:
    """See that a section says only what can be done.

    Raises:
        DataError: naming the key, what the file says and what holds here.
    """
    for key, value in (given or {}).items():
        if key not in allowed:
            raise DataError(f"{where}.{key}: not known; known are {', '.join(sorted(allowed)) or 'none'}")
        expected = allowed[key]
        if expected is READ:
            continue
        if isinstance(expected, Mapping):
            if isinstance(value, str):
                value = {"name": value}
            check(value, expected, f"{where}.{key}")
        elif value != expected:
            raise DataError(f"{where}.{key} is {value}; here it is always {expected}: set it so, or leave the key out")


def check_top(content: Mapping[str, Any], where: str) -> None:
    """Name keys of a whole file that change nothing here in the log; refuse the other values of those that are fixed.

    Raises:
        DataError: naming the key.
    """
    left_out = sorted(set(content) - set(TOP))
    if left_out:
        logger.warning("%s: of no effect here: %s", where, ", ".join(left_out))
    check({key: value for key, value in content.items() if key in TOP}, TOP, where)
