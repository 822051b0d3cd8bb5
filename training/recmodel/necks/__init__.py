"""What stands between backbone and head: features of the backbone to embeddings ``(N, D)``."""

from training.recmodel.necks.codes import HashNeck, Tanh
from training.recmodel.necks.linear import FC, FRFNNeck, VehicleNeck
from training.recmodel.necks.norm import BNNeck, MetaBNNeck
from training.recmodel.necks.registry import NECKS

__all__ = ["FC", "NECKS", "BNNeck", "FRFNNeck", "HashNeck", "MetaBNNeck", "Tanh", "VehicleNeck"]
