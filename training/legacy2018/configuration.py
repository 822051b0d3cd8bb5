"""From flags of 2018 to a configuration: the preset of the loss with what the flags say."""

import math
from argparse import Namespace
from typing import Any

from training.config.reading import read_yaml
from training.presets import find_config

FEATURES = 2048
DATA = "./data/Stanford_Online_Products"
"""Where the scripts looked for Ebay_train.txt, Ebay_test.txt and the pictures."""


def training_configuration(script: str, flags: Namespace) -> dict[str, Any]:
    """What ``train_elem`` or ``train_pair`` does with these flags.

    Steps become epochs of as many steps as ``total_iter_num``, ``test_iter_step`` and ``save_iter_step`` have in
    common, so that every flag that counts steps keeps its meaning exactly.

    Raises:
        ValueError: for a value that means nothing.
    """
    content = read_yaml(find_config(f"metric_learning_2018/{flags.loss_name}"))
    steps = math.gcd(flags.total_iter_num, flags.test_iter_step, flags.save_iter_step)
    content["Global"] |= {
        "device": "gpu" if flags.use_gpu else "cpu",
        "output_dir": f"{flags.model_save_dir}/{flags.model}",
        "epochs": flags.total_iter_num // steps,
        "iter_per_epoch": steps,
        "print_batch_step": flags.display_iter_step,
        "eval_interval": flags.test_iter_step // steps,
        "save_interval": flags.save_iter_step // steps,
        "checkpoints": flags.checkpoint,
        "pretrained_model": flags.pretrained_model,
    }
    content["Optimizer"]["lr"] = _schedule(flags, steps)
    _set_network(content, flags)
    _set_data(content, flags, flags.train_batch_size, flags.test_batch_size)
    if script == "train_elem":
        head = content["Arch"]["Head"]
        head["class_num"] = flags.class_dim
        if flags.loss_name == "arcmargin":
            head |= {"scale": flags.arc_scale, "margin": flags.arc_margin, "easy_margin": flags.arc_easy_margin}
    else:
        _set_pairs(content, flags)
    return content


def evaluation_configuration(flags: Namespace, weights: str | None) -> dict[str, Any]:
    """What ``eval``, ``infer`` and ``export_model`` look at: the network, its weights and the test pictures."""
    content = read_yaml(find_config("metric_learning_2018/softmax"))
    content["Global"] |= {"device": "gpu" if flags.use_gpu else "cpu", "pretrained_model": weights}
    _set_network(content, flags)
    del content["Arch"]["Head"]
    batch = getattr(flags, "batch_size", 1)
    _set_data(content, flags, batch, batch)
    return content


def _schedule(flags: Namespace, steps: int) -> dict[str, Any]:
    if flags.lr_strategy != "piecewise_decay":
        raise ValueError(f"--lr_strategy is piecewise_decay, not {flags.lr_strategy!r}")
    bounds = [int(step) for step in str(flags.lr_steps).split(",")]
    values = [flags.lr * 0.1**number for number in range(len(bounds) + 1)]
    return {"name": "Piecewise", "decay_epochs": [bound / steps for bound in bounds], "values": values}


def _set_network(content: dict[str, Any], flags: Namespace) -> None:
    arch = content["Arch"]
    arch["Backbone"] = {"name": flags.model, "pretrained": False}
    if flags.embedding_size:
        arch["Neck"] = {"name": "FC", "embedding_size": FEATURES, "class_num": flags.embedding_size}
        if "Head" in arch:
            arch["Head"]["embedding_size"] = flags.embedding_size


def _set_data(content: dict[str, Any], flags: Namespace, train_batch: int, test_batch: int) -> None:
    channels, height, width = (int(size) for size in flags.image_shape.split(","))
    content["Global"]["image_shape"] = [channels, height, width]
    train, test = content["DataLoader"]["Train"], content["DataLoader"]["Eval"]["Query"]
    train["sampler"]["batch_size"], test["sampler"]["batch_size"] = train_batch, test_batch
    for section, name in ((train, "Ebay_train.txt"), (test, "Ebay_test.txt")):
        section["dataset"] |= {"image_root": DATA, "cls_label_path": f"{DATA}/{name}"}
        for entry in section["dataset"]["transform_ops"]:
            for op, options in entry.items():
                if op in ("RandCropImage", "CropImage"):
                    options["size"] = [width, height]
                elif op == "ResizeImage":
                    options["resize_short"] = max(height, width)


def _set_pairs(content: dict[str, Any], flags: Namespace) -> None:
    ((_, options),) = content["Loss"]["Train"][0].items()
    if "samples_each_class" in options:
        options["samples_each_class"] = flags.samples_each_class
    if "margin" in options:
        options["margin"] = flags.margin
    if "reg_lambda" in options:
        options["reg_lambda"] = flags.npairs_reg_lambda
    content["DataLoader"]["Train"]["sampler"]["sample_per_id"] = flags.samples_each_class
