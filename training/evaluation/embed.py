"""Embeddings of labelled pictures, by a bundle's own graph or by a network in PyTorch."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kenspeckle.bundle import Bundle, open_session
from kenspeckle.crop import CropRule, Interpolation
from training.data.crops import CROP, SERVING_INTERPOLATION, SERVING_SIZE, batches_of_crops
from training.data.pictures import Picture
from training.recmodel.model import RecModel

Embedder = Callable[[Sequence[Picture]], "Pool"]


@dataclass(frozen=True)
class Pool:
    """Unit embeddings ``(N, dim) float32``, their labels ``(N,)`` and the photos ``(N,)`` that they were cut from."""

    vectors: NDArray[np.float32]
    labels: NDArray[np.str_]
    photos: NDArray[np.str_]

    def take(self, chosen: NDArray[Any]) -> "Pool":
        """The members chosen by index or mask."""
        return Pool(self.vectors[chosen], self.labels[chosen], self.photos[chosen])

    def join(self, other: "Pool") -> "Pool":
        """Both pools, this one first."""
        return Pool(
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.photos, other.photos]),
        )


def bundle_embedder(bundle: Bundle) -> Embedder:
    """Embed with the bundle's ``model.onnx``, crops by its card."""
    card = bundle.card
    if card.crop is None:
        raise ValueError(f"{bundle.path} is not an extractor")
    return _session_embedder(open_session(bundle), card.crop, card.input.width, card.input.interpolation)


def graph_embedder(graph: bytes) -> Embedder:
    """Embed with an exported network: several times faster on a CPU than the network itself."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return _session_embedder(session, CROP, SERVING_SIZE, SERVING_INTERPOLATION)


def _session_embedder(session: Any, rule: CropRule, size: int, interpolation: Interpolation) -> Embedder:
    def embed(pictures: Sequence[Picture]) -> Pool:
        crops = batches_of_crops(pictures, rule, size, interpolation)
        return _pool(pictures, (session.run(["embedding"], {"image": batch})[0] for batch in crops))

    return embed


def torch_embedder(model: RecModel, neck: bool = True) -> Embedder:
    """Embed with a network; without ``neck``, its unit trunk features."""

    @torch.inference_mode()
    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        features = model.features(torch.from_numpy(batch))
        return np.asarray(model.embed(features) if neck else features)

    def embed(pictures: Sequence[Picture]) -> Pool:
        crops = batches_of_crops(pictures, CROP, SERVING_SIZE, SERVING_INTERPOLATION)
        return _pool(pictures, map(run, crops))

    return embed


def _pool(pictures: Sequence[Picture], batches: Iterable[NDArray[np.float32]]) -> Pool:
    labels = np.array([picture.label for picture in pictures])
    photos = np.array([str(picture.path) for picture in pictures])
    return Pool(np.concatenate(list(batches)), labels, photos)
