"""Augmentation: which changes a training picture gets, and how often."""

from training.picodet.augment.chain import FILTERS, Augmentation, training_sample

__all__ = ["FILTERS", "Augmentation", "training_sample"]
