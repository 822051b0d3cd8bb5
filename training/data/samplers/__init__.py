"""Which pictures make a batch: samplers under the names that configuration files use."""

from training.data.samplers.base import SAMPLERS, BatchSampler
from training.data.samplers.domains import DomainShuffleBatchSampler
from training.data.samplers.identity import DistributedRandomIdentitySampler
from training.data.samplers.multi_scale import MultiScaleSampler
from training.data.samplers.pk import PKSampler
from training.data.samplers.plain import DistributedBatchSampler
from training.data.samplers.repeated import RepeatedAugSampler
from training.data.samplers.weighted import ClassWeightedSampler

__all__ = [
    "SAMPLERS",
    "BatchSampler",
    "ClassWeightedSampler",
    "DistributedBatchSampler",
    "DistributedRandomIdentitySampler",
    "DomainShuffleBatchSampler",
    "MultiScaleSampler",
    "PKSampler",
    "RepeatedAugSampler",
]
