"""Losses by the names of configuration files. A loss takes the model's outputs and the class numbers of a batch."""

from training.losses.angular import TripletAngularMarginLoss, TripletAngularMarginLossXBM
from training.losses.base import FeatureLoss
from training.losses.center import CenterLoss
from training.losses.combined import CombinedLoss
from training.losses.contrastive import ContrastiveLoss, ContrastiveLossXBM
from training.losses.cosface import PairwiseCosface
from training.losses.cross_entropy import CELoss
from training.losses.distillation import (
    DistillationCosineLoss,
    DistillationDistanceLoss,
    DistillationDMLLoss,
    DistillationGTCELoss,
    DistillationRelationalLoss,
    DMLLoss,
    cosine_distance,
    relation_distance,
)
from training.losses.domains import (
    CELossForMetaBIN,
    InterDomainShuffleLoss,
    IntraDomainScatterLoss,
    TripletLossForMetaBIN,
)
from training.losses.eml import EmlLoss
from training.losses.hashing import DCHLoss, DSHSDLoss, LCDSHLoss
from training.losses.koleo import KoLeo
from training.losses.msm import MSMLoss
from training.losses.multi_similarity import MultiSimilarity
from training.losses.npairs import NpairsLoss
from training.losses.proxy_anchor import ProxyAnchor
from training.losses.registry import LOSSES
from training.losses.supcon import SupConLoss, supervised_contrastive
from training.losses.triplet import TriHardLoss, TripletLoss, TripletLoss2018, TripletLossV2

__all__ = [
    "LOSSES",
    "CELoss",
    "CELossForMetaBIN",
    "CenterLoss",
    "CombinedLoss",
    "ContrastiveLoss",
    "ContrastiveLossXBM",
    "DCHLoss",
    "DMLLoss",
    "DSHSDLoss",
    "DistillationCosineLoss",
    "DistillationDMLLoss",
    "DistillationDistanceLoss",
    "DistillationGTCELoss",
    "DistillationRelationalLoss",
    "EmlLoss",
    "FeatureLoss",
    "InterDomainShuffleLoss",
    "IntraDomainScatterLoss",
    "KoLeo",
    "LCDSHLoss",
    "MSMLoss",
    "MultiSimilarity",
    "NpairsLoss",
    "PairwiseCosface",
    "ProxyAnchor",
    "SupConLoss",
    "TriHardLoss",
    "TripletAngularMarginLoss",
    "TripletAngularMarginLossXBM",
    "TripletLoss",
    "TripletLoss2018",
    "TripletLossForMetaBIN",
    "TripletLossV2",
    "cosine_distance",
    "relation_distance",
    "supervised_contrastive",
]
