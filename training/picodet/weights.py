"""Weights of a detector as one file or as a run folder."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from training.engine.checkpoint import LATEST
from training.engine.checkpoint import load_weights as checkpoint_weights
from training.picodet.model import ModelConfig, PicoDet


def load_weights_file(model: PicoDet, path: Path) -> None:
    """Fill ``model`` from a ``.safetensors`` file; half precision is widened.

    Raises:
        ValueError: if the file cannot be read or holds another network.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read as weights: {error}") from error
    load_weights(model, content, str(path))


def load_weights(model: PicoDet, content: bytes, where: str) -> None:
    """Fill ``model`` from the content of a ``.safetensors`` file; half precision is widened.

    Raises:
        ValueError: naming ``where``, if it cannot be read or holds another network.
    """
    try:
        _fill(model, load(content), where)
    except SafetensorError as error:
        raise ValueError(f"{where}: cannot be read as weights: {error}") from error


def load_run(run: Path, config: ModelConfig, checkpoint: str = LATEST) -> PicoDet:
    """The network of a run folder, averaged weights where it averages, in evaluation mode.

    Raises:
        FileNotFoundError: if there is no such checkpoint.
        ValueError: if it holds another network.
    """
    model = PicoDet(config)
    _fill(model, checkpoint_weights(run / checkpoint), str(run / checkpoint))
    return model.eval()


def _fill(model: PicoDet, weights: dict[str, Tensor], where: str) -> None:
    wide = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    try:
        model.load_state_dict(wide)
    except RuntimeError as error:
        raise ValueError(f"{where}: weights of another network than the recipe's: {str(error)[:300]}") from error
