"""Known data sets in the layout that their makers give them."""

from training.data.adapters.base import KnownSet, Layout
from training.data.adapters.table import KNOWN_SETS
from training.data.readers import DATASETS

__all__ = ["DATASETS", "KNOWN_SETS", "KnownSet", "Layout"]
