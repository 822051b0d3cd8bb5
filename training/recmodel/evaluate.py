"""Evaluation while training, as ``DataLoader.Eval`` and ``Metric.Eval`` describe it."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.config.schema import Config, Source
from training.data.build import build_dataset, build_loader
from training.data.loader import Loader
from training.evaluation.metrics import topk_accuracy
from training.evaluation.pool import Pool, pool_of
from training.evaluation.protocol import evaluate_retrieval, protocol_of
from training.recmodel.task import Evaluate, main_output

BATCH = 64


def configured_evaluation(config: Config, classes: Mapping[str, int]) -> Evaluate | None:
    """What measures a network as the configuration says; None if it has no ``DataLoader.Eval`` or ``Metric.Eval``.

    Args:
        classes: class numbers of the training set, for ``TopkAcc``.
    """
    if config.DataLoader.Eval is None or not config.Metric.Eval:
        return None
    accuracy = [entry["TopkAcc"] for entry in config.Metric.Eval if "TopkAcc" in entry]
    retrieval = [entry for entry in config.Metric.Eval if "TopkAcc" not in entry]
    queries, gallery = config.DataLoader.Eval.sources()
    settings = config.Global
    which, student = settings.retrieval_feature_from, config.Arch.infer_model_name
    query_loader = evaluation_loader(queries, classes if accuracy else None)
    gallery_loader = evaluation_loader(gallery) if gallery is not None else None
    protocol = protocol_of(retrieval, settings.model_dump())

    def evaluate(network: nn.Module) -> dict[str, float]:
        def embed(loader: Loader) -> Pool:
            found = outputs_of(network, loader, which, student)
            return pool_of(loader.dataset.pictures.pictures, found)

        figures = evaluate_retrieval(embed, query_loader, gallery_loader, protocol) if retrieval else {}
        for options in accuracy:
            logits = np.concatenate(list(outputs_of(network, query_loader, "logits", student)))
            topk = (options or {}).get("topk", [1, 5])
            ks = [topk] if isinstance(topk, int) else topk
            figures |= topk_accuracy(logits, query_loader.dataset.labels, ks)
        return figures

    return evaluate


@torch.no_grad()
def outputs_of(network: nn.Module, loader: Loader, name: str, student: str) -> Iterator[NDArray[np.float32]]:
    """One output of a network for every batch of a loader, in its order."""
    device = next(network.parameters()).device
    for batch in loader.epoch(0):
        found: Tensor = main_output(network(batch.images.to(device)), name, student)
        yield found.flatten(1).float().cpu().numpy()


def evaluation_loader(source: Source, classes: Mapping[str, int] | None = None) -> Loader:
    """Every picture once, in order."""
    sampler = {"batch_size": source.sampler.get("batch_size", BATCH), "shuffle": False, "drop_last": False}
    return build_loader(build_dataset(source.dataset, classes=classes), {"sampler": sampler, "loader": source.loader})
