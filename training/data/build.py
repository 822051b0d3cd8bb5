"""From the sections of a configuration to data sets and loaders."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.data.adapters import DATASETS
from training.data.dataset import PictureCache, PictureDataset
from training.data.labels import labelled_set
from training.data.loader import Loader
from training.data.samplers import SAMPLERS
from training.data.transforms.batch import build_batch_transforms
from training.registry import UnknownName

OF_DATASET = ("transform_ops", "batch_transform_ops", "backend", "cache", "cache_short_side")
"""Keys of a ``dataset`` section that are not its reader's."""


def build_dataset(
    config: Mapping[str, Any],
    seed: int = 0,
    classes: Mapping[str, int] | None = None,
) -> PictureDataset:
    """The data set of a ``dataset`` section: ``{name, transform_ops, backend, … of the reader}``.

    Args:
        config: the section; ``batch_transform_ops`` is for ``build_loader``. ``cache``: a folder for decoded pictures,
            with ``cache_short_side`` made smaller to so many pixels.
        seed: of what is random in the transforms.
        classes: class numbers to use instead of the set's own, as of the training set.

    Raises:
        ValueError: if the pictures cannot be read as said, or a parameter is not possible.
        UnknownName: for an unknown reader, transform or parameter, with the near ones.
    """
    pictures = DATASETS.build({key: value for key, value in config.items() if key not in OF_DATASET})
    if classes is not None:
        pictures = labelled_set(pictures.pictures, classes=classes)
    folder = config.get("cache")
    cache = PictureCache(Path(folder), config.get("cache_short_side")) if folder else None
    return PictureDataset(pictures, config.get("transform_ops") or [], seed, config.get("backend") or "cv2", cache)


def build_loader(
    dataset: PictureDataset,
    section: Mapping[str, Any],
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool = False,
) -> Loader:
    """The loader of a ``DataLoader`` section (Train, Query, …) over its data set.

    The parameters of ``sampler`` are the sampler's own; one without a name is the plain sampler. ``loader`` may have
    ``num_workers``, ``skip_unreadable`` and ``prefetch_factor``; ``use_shared_memory`` is taken for old configurations.

    Raises:
        ValueError: if a parameter is not possible.
        UnknownName: for an unknown sampler or parameter, with the near ones.
    """
    chosen = {"name": "DistributedBatchSampler", **{k: v for k, v in section["sampler"].items() if v is not None}}
    given: dict[str, Any] = {"labels": dataset.labels, "seed": seed, "rank": rank, "world_size": world_size}
    if "domains" in inspect.signature(SAMPLERS.get(chosen["name"])).parameters:
        given["domains"] = dataset.pictures.domains
    sampler = SAMPLERS.build(chosen, **given)
    options = dict(section.get("loader") or {})
    options.pop("use_shared_memory", None)
    workers, prefetch = options.pop("num_workers", 0), options.pop("prefetch_factor", 2)
    skip = options.pop("skip_unreadable", False)
    if options:
        raise UnknownName(
            "parameter of loader", next(iter(options)), ["num_workers", "skip_unreadable", "prefetch_factor"]
        )
    mixing = (section.get("dataset") or {}).get("batch_transform_ops") or []
    mix = build_batch_transforms(mixing, dataset.pictures.class_num)
    return Loader(dataset, sampler, workers, pin_memory, skip, prefetch, mix)
