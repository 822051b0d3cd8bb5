"""Embeddings of labelled pictures, by a bundle's own graph or by a network in PyTorch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kenspeckle.bundle import Bundle, open_session
from kenspeckle.crop import CropRule, Interpolation
from training.data.crops import CROP, SERVING_INTERPOLATION, SERVING_SIZE, batches_of_crops
from training.data.pictures import Picture
from training.evaluation.pool import Pool, pool_of
from training.recmodel.shipped import ShippedExtractor

Embedder = Callable[[Sequence[Picture]], Pool]


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
        return pool_of(pictures, (session.run(["embedding"], {"image": batch})[0] for batch in crops))

    return embed


def torch_embedder(model: ShippedExtractor, neck: bool = True) -> Embedder:
    """Embed with a network; without ``neck``, its unit trunk features."""

    @torch.inference_mode()
    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        features = model.features(torch.from_numpy(batch))
        return np.asarray(model.embed(features) if neck else features)

    def embed(pictures: Sequence[Picture]) -> Pool:
        crops = batches_of_crops(pictures, CROP, SERVING_SIZE, SERVING_INTERPOLATION)
        return pool_of(pictures, map(run, crops))

    return embed
