"""From a configuration to a task and the settings of its loop."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from training.config.reading import ConfigError
from training.config.schema import Config
from training.data.build import build_dataset, build_loader
from training.data.dataset import PictureDataset
from training.data.loader import Loader
from training.engine.checkpoint import has_checkpoint
from training.engine.checkpoint import load_weights as checkpoint_weights
from training.engine.parallel import local_rank, rank, world_size
from training.engine.randomness import seed_all
from training.engine.settings import LoopSettings
from training.engine.task import Task
from training.losses import CombinedLoss
from training.recmodel.evaluate import configured_evaluation
from training.recmodel.metabin import BASIC, META_TEST, META_TRAIN, MetaBinTask
from training.recmodel.model import build_recmodel
from training.recmodel.task import Evaluate, RecTask
from training.recmodel.weights import load_weights, read_weights

logger = logging.getLogger(__name__)
META_LOSSES = {BASIC: "Basic", META_TRAIN: "MetaTrain", META_TEST: "MetaTest"}


def build_task(config: Config) -> tuple[Task, PictureDataset]:
    """The task of a configuration, and the pictures it trains on. A head without ``class_num`` gets that of the data.

    Raises:
        ValueError: for anything that cannot be built; the message says what and what is near.
        OSError: for files that are not there.
    """
    settings = config.Global
    seed_all(settings.seed)
    dataset = build_dataset(config.DataLoader.Train.dataset, settings.seed)
    check_class_number(config, dataset.pictures.class_num)
    device = torch_device(settings.device)
    section = config.DataLoader.Train.model_dump()
    pinned = device.startswith("cuda")
    loader = build_loader(dataset, section, settings.seed, rank(), world_size(), pin_memory=pinned)
    evaluate = configured_evaluation(config, dataset.pictures.classes) if settings.eval_during_train else None
    if settings.eval_during_train and evaluate is None:
        logger.warning("Global.eval_during_train: nothing is measured, DataLoader.Eval or Metric.Eval is missing")
    model = build_recmodel(arch_section(config, dataset.pictures.class_num))
    if settings.pretrained_model is not None:
        start_from(model, settings.pretrained_model)
    if settings.train_mode == "metabin":
        return metabin_task(config, model, loader, evaluate), dataset
    task: Task = RecTask(
        model,
        CombinedLoss(config.Loss.Train, config.Loss.single_weight_ignored),
        loader,
        config.Optimizer,
        settings.epochs,
        evaluate,
        settings.iter_per_epoch,
    )
    return task, dataset


def metabin_task(config: Config, model: nn.Module, loader: Loader, evaluate: Evaluate | None) -> MetaBinTask:
    """The task of ``Global.train_mode: metabin``.

    Raises:
        ValueError: as ``build_task``.
    """
    settings, meta = config.Global, config.DataLoader.Metalearning
    assert meta is not None
    pictures = build_dataset(meta.Train.dataset, settings.seed + 1)
    return MetaBinTask(
        model,
        {part: CombinedLoss(getattr(config.Loss, key) or ()) for part, key in META_LOSSES.items()},
        loader,
        build_loader(pictures, meta.Train.model_dump(), settings.seed + 1, pin_memory=loader.pinned),
        config.Optimizer,
        settings.epochs,
        settings.warmup_iter,
        settings.seed,
        evaluate,
        settings.iter_per_epoch,
    )


def check_class_number(config: Config, of_data: int) -> None:
    """Compare the head's classes with those of the training list.

    Raises:
        ConfigError: naming both numbers, if the head has too few.
    """
    for head in _heads(config):
        of_head = head.get("class_num")
        if of_head is None or of_head == of_data:
            continue
        advice = f"the training list needs {of_data} classes, the head {head.get('name')} has class_num {of_head}"
        if of_head < of_data:
            raise ConfigError(f"{advice}: -o Arch.Head.class_num={of_data} -o Global.class_num={of_data}")
        logger.warning("%s: %d of them get no picture", advice, of_head - of_data)


def arch_section(config: Config, classes: int | None = None, pretrained: bool = True) -> dict[str, Any]:
    """The ``Arch`` section as ``build_recmodel`` takes it.

    Args:
        classes: ``class_num`` of heads that state none.
        pretrained: leave start weights in; False where other weights follow.
    """
    section = {"name": config.Arch.name, **config.Arch.model_dump(exclude_defaults=True, exclude={"class_num"})}
    archs = [section, *(arch for entry in section.get("models") or () for arch in entry.values())]
    for arch in archs:
        if arch.get("Head") and classes is not None:
            arch["Head"] = {"class_num": classes, **arch["Head"]}
        if arch.get("Backbone") and not pretrained:
            arch["Backbone"] = {**arch["Backbone"], "pretrained": False}
    if not pretrained:
        section.pop("pretrained_list", None)
    return section


def start_from(model: nn.Module, path: Path) -> None:
    """Put the weights of a checkpoint folder or weight file into ``model`` where they fit.

    Raises:
        ValueError: if they are those of another network.
        FileNotFoundError: if there is nothing.
    """
    path = found_path(path)
    weights = checkpoint_weights(path) if has_checkpoint(path) else read_weights(path)
    load_weights(model, weights, str(path))


def _heads(config: Config) -> list[Mapping[str, Any]]:
    archs = [dict(arch) for entry in config.Arch.models or () for arch in entry.values()]
    found = [config.Arch.Head, *(arch.get("Head") for arch in archs)]
    return [head for head in found if head is not None]


def loop_settings(config: Config) -> LoopSettings:
    """What the configuration says of the loop."""
    settings, device = config.Global, torch_device(config.Global.device)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    if config.AMP is not None and config.AMP.use_amp:
        half = config.AMP.dtype or ("float16" if device.startswith("cuda") else "bfloat16")
        precision = "fp16" if half == "float16" else "bf16"
    return LoopSettings(
        epochs=settings.epochs,
        seed=settings.seed,
        accumulate=settings.update_freq,
        log_steps=settings.print_batch_step,
        evaluate_every=settings.eval_interval if settings.eval_during_train else 0,
        evaluate_from=settings.start_eval_epoch,
        keep_every=settings.save_interval,
        save_steps=settings.save_steps,
        precision=precision,
        loss_scale=config.AMP.scale_loss if config.AMP is not None else 1.0,
        ema_decay=config.EMA.decay if config.EMA is not None else None,
        patience=settings.early_stop,
        channels_last=settings.channels_last,
        compile=settings.to_static,
        device=device,
    )


def torch_device(name: str) -> str:
    """The device of torch for a name of the old stack: this process's GPU where one is wanted and there."""
    if name == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return f"cuda:{local_rank()}"
    if name == "mps" and torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def found_path(path: Path) -> Path:
    """A path of the old documents as it is, or without the folder ``RecModel`` that old releases put between."""
    if has_checkpoint(path) or path.is_file() or "RecModel" not in path.parts:
        return path
    shorter = Path(*(part for part in path.parts if part != "RecModel"))
    return shorter if has_checkpoint(shorter) or shorter.is_file() else path
