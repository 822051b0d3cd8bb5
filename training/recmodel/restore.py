"""A trained network back from its files, without its head."""

from pathlib import Path

from training.config.reading import read_yaml
from training.config.schema import Config, check_config
from training.engine.checkpoint import has_checkpoint
from training.engine.checkpoint import load_weights as checkpoint_weights
from training.engine.run import CONFIG
from training.recmodel.build import arch_section, found_path
from training.recmodel.model import DistillationModel, RecModel, build_recmodel
from training.recmodel.session import run_checkpoint
from training.recmodel.weights import load_weights, read_weights


def restored(config: Config) -> RecModel | DistillationModel:
    """The network of a configuration with the weights of ``Global.pretrained_model``, in evaluation mode.

    Raises:
        ValueError: if no weights are named, or they are not those of this network.
        FileNotFoundError: if there are none.
    """
    if config.Global.pretrained_model is None:
        raise ValueError("no weights: give a run, or -o Global.pretrained_model=output/best_model")
    path = found_path(config.Global.pretrained_model)
    model = build_recmodel(_without_heads(config))
    weights = checkpoint_weights(path) if has_checkpoint(path) else read_weights(path)
    missing = load_weights(model, weights, str(path))
    if missing:
        raise ValueError(f"{path} lacks {missing[0]} and {len(missing) - 1} other tensors of the configured network")
    return model.eval()


def config_of_run(run: Path) -> Config:
    """The configuration of a run folder, with its best checkpoint (else its last one) as the weights.

    Args:
        run: a run folder or one of its checkpoints.

    Raises:
        FileNotFoundError: if there is no checkpoint.
        ValueError: if the configuration cannot be read.
    """
    checkpoint = run_checkpoint(run)
    file = checkpoint.parent / CONFIG
    config, _ = check_config(read_yaml(file), str(file))
    return config.model_copy(update={"Global": config.Global.model_copy(update={"pretrained_model": checkpoint})})


def _without_heads(config: Config) -> dict[str, object]:
    section = arch_section(config, pretrained=False)
    for arch in (section, *(arch for entry in section.get("models", ()) for arch in entry.values())):
        arch.pop("Head", None)
    return section
