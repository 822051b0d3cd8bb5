"""The flags of the scripts of 2018, with their defaults."""

import argparse
from collections.abc import Sequence
from typing import Any

TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no")
COMMON: dict[str, Any] = {
    "model": "ResNet50",
    "embedding_size": 0,
    "image_shape": "3,224,224",
    "use_gpu": True,
    "pretrained_model": None,
}
TRAINING: dict[str, Any] = {
    **COMMON,
    "train_batch_size": 256,
    "test_batch_size": 50,
    "class_dim": 11318,
    "lr": 0.01,
    "lr_strategy": "piecewise_decay",
    "lr_steps": "15000,25000",
    "total_iter_num": 30000,
    "display_iter_step": 10,
    "test_iter_step": 1000,
    "save_iter_step": 1000,
    "with_mem_opt": True,
    "checkpoint": None,
    "model_save_dir": "output",
    "enable_ce": False,
}
SCRIPTS: dict[str, dict[str, Any]] = {
    "train_elem": {
        **TRAINING,
        "loss_name": "softmax",
        "arc_scale": 80.0,
        "arc_margin": 0.15,
        "arc_easy_margin": False,
    },
    "train_pair": {
        **TRAINING,
        "train_batch_size": 120,
        "lr": 0.0001,
        "lr_steps": "100000",
        "total_iter_num": 100000,
        "test_iter_step": 5000,
        "save_iter_step": 5000,
        "loss_name": "triplet",
        "samples_each_class": 2,
        "margin": 0.1,
        "npairs_reg_lambda": 0.01,
    },
    "eval": {**COMMON, "batch_size": 10, "with_mem_opt": False},
    "infer": {**COMMON, "batch_size": 1, "with_mem_opt": False},
    "export_model": {**COMMON, "model_save_dir": "save_inference_model"},
}
LOSSES = {"train_elem": ("softmax", "arcmargin"), "train_pair": ("triplet", "quadruplet", "eml", "npairs")}
MODELS = ("ResNet50", "ResNet101", "ResNet152")
NEUTRAL = {"with_mem_opt": "memory is freed anyway", "enable_ce": "was for the old stack's own tests"}


def parse_flags(script: str, arguments: Sequence[str]) -> argparse.Namespace:
    """The flags of a script, ``--name=value`` or ``--name value``; booleans are true, false, 1 or 0.

    Raises:
        SystemExit: as argparse does, for unknown flags and for ``--help``.
    """
    parser = argparse.ArgumentParser(prog=f"legacy2018 {script}", allow_abbrev=False)
    for name, default in SCRIPTS[script].items():
        kind = str if default is None else truth if isinstance(default, bool) else type(default)
        choices = MODELS if name == "model" else LOSSES.get(script) if name == "loss_name" else None
        parser.add_argument(f"--{name}", type=kind, default=default, choices=choices, help=f"default {default}")
    return parser.parse_args(list(arguments))


def truth(word: str) -> bool:
    """True or false from a word.

    Raises:
        argparse.ArgumentTypeError: for another word.
    """
    if word.lower() in TRUE + FALSE:
        return word.lower() in TRUE
    raise argparse.ArgumentTypeError(f"wanted true, false, 1 or 0, got {word!r}")
