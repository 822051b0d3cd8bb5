"""Embeddings of labelled pictures, by a bundle's own graph or by a network in PyTorch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from kenspeckle.bits import unit_codes
from kenspeckle.bundle import Bundle, open_session
from kenspeckle.bundle.bundle import MODEL
from kenspeckle.crop import CropRule, Interpolation
from training.data.crops import CROP, SERVING_INTERPOLATION, SERVING_SIZE, batches_of_crops
from training.data.dataset import Item, PictureDataset
from training.data.labels import labelled_set
from training.data.loader import stack
from training.data.pictures import Picture
from training.data.transforms import Ops
from training.evaluation.pool import Pool, pool_of
from training.export.onnx_graph import open_graph

Embedder = Callable[[Sequence[Picture]], Pool]


def bundle_embedder(bundle: Bundle, variant: str = MODEL) -> Embedder:
    """Embed with a model file of a bundle, crops by its card."""
    card = bundle.card
    if card.crop is None:
        raise ValueError(f"{bundle.path} is not an extractor")
    size = (card.input.width, card.input.height)
    return _session_embedder(open_session(bundle, variant), card.crop, size, card.input.interpolation)


def graph_embedder(
    graph: bytes,
    rule: CropRule = CROP,
    size: int | tuple[int, int] = SERVING_SIZE,
    interpolation: Interpolation = SERVING_INTERPOLATION,
) -> Embedder:
    """Embed with an exported network: several times faster on a CPU than the network itself."""
    return _session_embedder(open_graph(graph), rule, size, interpolation)


def _session_embedder(
    session: Any, rule: CropRule, size: int | tuple[int, int], interpolation: Interpolation
) -> Embedder:
    def embed(pictures: Sequence[Picture]) -> Pool:
        crops = batches_of_crops(pictures, rule, size, interpolation)
        return pool_of(pictures, (comparable(session.run(None, {"image": batch})[0]) for batch in crops))

    return embed


def comparable(outputs: NDArray[Any]) -> NDArray[np.float32]:
    """Unit vectors whose inner product is the similarity that serving uses.

    Embeddings are that already. Packed bits become codes with one more, constant value: then the inner product is the
    share of equal bits, where that of codes alone would fall from 1 to -1.
    """
    if outputs.dtype != np.uint8:
        return np.asarray(outputs, np.float32)
    codes = unit_codes(outputs)
    return np.asarray(np.pad(codes, ((0, 0), (0, 1)), constant_values=1) / np.sqrt(2), np.float32)


def torch_embedder(network: nn.Module) -> Embedder:
    """Embed with a network from crops ``(N, H, W, 3)`` uint8 to unit embeddings ``(N, dim)``."""

    @torch.inference_mode()
    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(network(torch.from_numpy(batch)))

    def embed(pictures: Sequence[Picture]) -> Pool:
        crops = batches_of_crops(pictures, CROP, SERVING_SIZE, SERVING_INTERPOLATION)
        return pool_of(pictures, map(run, crops))

    return embed


def network_embedder(features: nn.Module, ops: Ops, batch: int = 32) -> Embedder:
    """Embed with a network and the transforms of its evaluation.

    Args:
        features: normalised pictures ``(N, 3, H, W)`` to features ``(N, dim)``, in evaluation mode; works where its
            parameters are.
    """
    device = next(features.parameters()).device

    @torch.inference_mode()
    def run(items: Sequence[Item]) -> NDArray[np.float32]:
        return F.normalize(features(stack(items).images.to(device))).cpu().numpy()

    def embed(pictures: Sequence[Picture]) -> Pool:
        dataset = PictureDataset(labelled_set(pictures), ops)
        starts = range(0, len(dataset), batch)
        return pool_of(pictures, (run([dataset[i] for i in range(len(dataset))[s : s + batch]]) for s in starts))

    return embed
