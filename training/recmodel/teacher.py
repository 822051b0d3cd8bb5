"""A frozen network from which another one learns, given as a torch module or as an ONNX file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.registry import Registry

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


TEACHERS: Registry[nn.Module] = Registry("teacher")
"""Teachers by the names that ``Arch.models`` uses beside RecModel."""


class Teacher(nn.Module):
    """Features of a training batch by a network that stays as it is: always in evaluation mode, without gradients.

    Args:
        network: gives features ``(N, D)`` of images ``(N, 3, H, W)``, or the outputs of a ``RecModel``.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> "Teacher":
        """Evaluation mode, whatever is asked."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """``{"features": (N, D)}`` of normalised images; labels are not read."""
        outputs = self.network(images)
        return {"features": outputs if isinstance(outputs, Tensor) else outputs["features"]}


class OnnxNetwork(nn.Module):
    """An ONNX file as a network: takes the normalised images of a training batch and gives its first output.

    Images are scaled to the size that the graph asks for. A graph of uint8 NHWC input (a bundle's ``model.onnx``) gets
    the pixels back; one of float NCHW input gets the images as they are.

    Args:
        path: the file.
        mean, std: what the batch was normalised with, per channel, for pixels from 0 to 1.

    Raises:
        ValueError: if the file has no single image input of one of these two forms.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        path: Path,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self._given = path, mean, std
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1), persistent=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(path, options, providers=onnxruntime.get_available_providers())
        self._input = _image_input(self._session, path)

    def __deepcopy__(self, memo: dict[int, object]) -> "OnnxNetwork":
        return OnnxNetwork(*self._given)

    def forward(self, images: Tensor) -> Tensor:
        """Output ``(N, D)`` float32 of normalised ``images`` (N, 3, H, W), on their device."""
        given, size = images.detach().float(), self._input.size
        if size is not None and size != tuple(given.shape[2:]):
            given = F.interpolate(given, size, mode="bilinear", antialias=True)
        if self._input.pixels:
            pixels = ((given * self.std + self.mean) * 255).round().clamp(0, 255)
            given = pixels.permute(0, 2, 3, 1).to(torch.uint8)
        first, *_ = self._session.run(None, {self._input.name: given.cpu().contiguous().numpy()})
        return torch.from_numpy(first).flatten(1).to(images.device)


@TEACHERS.register("OnnxTeacher")
def onnx_teacher(path: str, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> Teacher:
    """The network of an ONNX file, frozen; see ``OnnxNetwork``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it takes no images.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; a teacher's path names an ONNX file")
    return Teacher(OnnxNetwork(Path(path), mean, std))


@dataclass(frozen=True)
class _ImageInput:
    """Name of a graph's input; uint8 pixels (N, H, W, 3) or float images (N, 3, H, W); height and width if fixed."""

    name: str
    pixels: bool
    size: tuple[int, int] | None


def _image_input(session: onnxruntime.InferenceSession, path: Path) -> _ImageInput:
    inputs = session.get_inputs()
    kind, shape = inputs[0].type, inputs[0].shape
    pixels = kind == "tensor(uint8)"
    channels, sides = (3, slice(1, 3)) if pixels else (1, slice(2, 4))
    fits = kind in ("tensor(uint8)", "tensor(float)") and len(shape) == 4 and shape[channels] == 3
    if len(inputs) != 1 or not fits:
        given = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
        raise ValueError(f"{path} takes {given}; a teacher takes images: uint8 (N, H, W, 3) or float (N, 3, H, W)")
    height, width = shape[sides]
    fixed = isinstance(height, int) and isinstance(width, int)
    return _ImageInput(inputs[0].name, pixels, (height, width) if fixed else None)
