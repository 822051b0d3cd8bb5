"""A RecModel of a configuration as something to export."""

from collections.abc import Sequence
from pathlib import Path

import torch

from kenspeckle.bundle import Bundle
from training.config.schema import Config
from training.data.transforms import Ops
from training.export.extractor import Trained, make_extractor
from training.export.network import EmbeddingNetwork
from training.export.preprocessing import preprocessing_of
from training.export.sources import Sources
from training.export.variants import Precision
from training.recmodel.fuse import fuse
from training.recmodel.model import DistillationModel, RecModel, inference
from training.recmodel.restore import config_of_run, restored

CROPPED = (
    "Evaluated on the middle of pictures resized by their shorter side; served are whole boxes squashed to the input."
)


def trained_of(model: RecModel | DistillationModel, config: Config, name: str, version: str) -> Trained:
    """The served part of a network, re-parameterised, with the preprocessing of the configuration's evaluation.

    ``Global.feature_binarize`` makes it a hashing bundle of packed bits.

    Args:
        model: with its trained weights; its layers are changed (fused) in place.

    Raises:
        ValueError: if the preprocessing cannot be part of a graph, or bits do not fill bytes.
    """
    found = preprocessing_of(evaluation_ops(config))
    served = fuse(inference(model))
    with torch.inference_mode():
        dim = int(served(torch.zeros(1, 3, found.height, found.width)).shape[1])
    binarize = config.Global.feature_binarize
    if binarize is not None and dim % 8:
        raise ValueError(f"{dim} bits do not fill bytes: give the neck a multiple of 8 outputs")
    network = EmbeddingNetwork(served, 1.0, found.mean, found.std, binarize)
    return Trained(
        network=network,
        name=name,
        version=version,
        width=found.width,
        height=found.height,
        dim=dim,
        summary=summary(config),
        recipe=config.model_dump(mode="json"),
        output=network.output,
        seeds=[config.Global.seed],
        limits=[CROPPED] if found.crops else [],
    )


def bundle_of_run(
    run: Path, sources: Sources, out: Path, name: str, version: str, command: str, variants: Sequence[Precision] = ()
) -> Bundle:
    """Export the best checkpoint of a run of ``train`` as a bundle in ``out`` by ``command``, and verify it.

    Raises:
        FileNotFoundError: if the run has no checkpoint.
        ValueError: as ``trained_of`` and ``make_extractor``.
    """
    config = config_of_run(run)
    trained = trained_of(restored(config), config, name, version)
    return make_extractor(trained, sources, out, command, variants)


def evaluation_ops(config: Config) -> Ops:
    """The transforms that pictures go through in evaluation: of the gallery, which equal those of the queries.

    Raises:
        ValueError: if the configuration has no ``DataLoader.Eval``.
    """
    if config.DataLoader.Eval is None:
        raise ValueError("DataLoader.Eval is missing: its transforms say how pictures reach the network")
    queries, _ = config.DataLoader.Eval.sources()
    ops: Ops = queries.dataset.get("transform_ops") or []
    return ops


def summary(config: Config) -> str:
    """How the weights came about, in a sentence."""
    arch = config.Arch
    if arch.Backbone is None:
        parts = [f"the {arch.infer_model_name} of {len(arch.models or ())} networks"]
    else:
        parts = [str(arch.Backbone["name"])]
        parts += [f"neck {arch.Neck['name']}"] if arch.Neck else []
        parts += [f"head {arch.Head['name']} in training"] if arch.Head else []
    losses = ", ".join(name for entry in config.Loss.Train for name in entry)
    return f"{'; '.join(parts)}; {config.Global.epochs} epochs of {losses}."
