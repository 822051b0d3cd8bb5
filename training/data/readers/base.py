"""What readers of data sets share."""

import os
from pathlib import Path

from training.data.labels import LabelledSet
from training.registry import Registry

DATASETS: Registry[LabelledSet] = Registry("data set")
"""Readers of list files, folders, tables and archives, and adapters of known data sets, by name."""

DATASETS.decline("use CIFAR-10, image_root being the folder of its binary version", "Cifar10", "Cifar100", "Cifar")
DATASETS.decline(
    "give faces as a folder per person (FolderDataset) or a list (ImageNetDataset)",
    "AdaFaceDataset",
    "FiveValidationDataset",
)
DATASETS.decline("pictures without labels train nothing here; give a list (ImageNetDataset)", "CustomLabelDataset")
DATASETS.decline("merge the sets with the command data merge", "MixDataset")


class ListError(ValueError):
    """What is wrong in a list file: names the file, the line (from 1) and the remedy."""

    def __init__(self, file: Path, line: int, what: str) -> None:
        super().__init__(f"{file}:{line}: {what}")


def join(root: Path, name: str, allow_outside: bool = False) -> Path:
    """The file ``name`` under ``root``. Links are followed: only the name is judged.

    Raises:
        ValueError: if the name leads out of ``root`` and that is not allowed.
    """
    if not allow_outside:
        plain = os.path.normpath(name)
        if os.path.isabs(plain) or plain == ".." or plain.startswith(f"..{os.sep}"):
            raise ValueError(f"{name!r} leads out of {root}; say allow_outside to read such files")
    return root / name


def existing(path: Path, what: str) -> Path:
    """The path, if there is something.

    Raises:
        ValueError: if there is not.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such {what}")
    return path
