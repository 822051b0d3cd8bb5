"""How fast a data set's pictures are read and transformed."""

import time
from itertools import islice

from training.data.dataset import PictureCache, PictureDataset
from training.data.labels import LabelledSet
from training.data.loader import Loader
from training.data.samplers import DistributedBatchSampler
from training.data.transforms import Ops

IMAGENET = {"scale": "1.0/255.0", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "order": "hwc"}
V2_TRAINING: Ops = [
    {"ResizeImage": {"size": [224, 224], "interpolation": "bilinear", "backend": "cv2"}},
    {"RandFlipImage": {"flip_code": 1}},
    {"Pad": {"padding": 10, "backend": "cv2"}},
    {"RandCropImageV2": {"size": [224, 224]}},
    {"RandomRotation": {"prob": 0.5, "degrees": 90, "interpolation": "bilinear"}},
    {"ResizeImage": {"size": [224, 224], "interpolation": "bilinear", "backend": "cv2"}},
    {"NormalizeImage": IMAGENET},
]
"""What the V2 recipe trains on."""


def input_speed(
    pictures: LabelledSet, workers: int, batch_size: int, batches: int, cache: PictureCache | None = None
) -> tuple[float, float]:
    """Pictures per second of the V2 training chain over some batches, after one that starts the workers.

    Returns:
        Pictures per second, and milliseconds of processor time that this process spent on each.

    Raises:
        ValueError: if there are fewer than two batches.
        UnreadablePicture: if a picture cannot be read.
    """
    dataset = PictureDataset(pictures, V2_TRAINING, cache=cache)
    loader = Loader(dataset, DistributedBatchSampler(dataset.labels, batch_size, shuffle=True, drop_last=True), workers)
    if len(loader) < 2:
        raise ValueError(f"{len(pictures)} pictures are fewer than two batches of {batch_size}")
    epoch = loader.epoch(0)
    next(epoch)
    start, busy = time.perf_counter(), time.process_time()
    count = sum(len(batch.indices) for batch in islice(epoch, batches))
    return count / (time.perf_counter() - start), (time.process_time() - busy) / count * 1000
