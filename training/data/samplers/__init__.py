"""Which pictures make a batch: samplers under the names that configuration files use."""

from training.data.samplers.base import SAMPLERS, BatchSampler
from training.data.samplers.plain import DistributedBatchSampler

__all__ = ["SAMPLERS", "BatchSampler", "DistributedBatchSampler"]
