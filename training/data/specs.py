"""Data sets as people write them on a command line."""

from pathlib import Path
from typing import Any

import yaml

from training.data.adapters import DATASETS
from training.data.labels import LabelledSet

BY_SUFFIX = {".txt": "ImageNetDataset", ".csv": "CsvDataset", ".tsv": "CsvDataset", ".tar": "GalleryDataset"}
FORMS = (
    "wanted a folder of folders, a list (.txt), a table (.csv), an exported gallery (.tar) or a known name, perhaps "
    "with options: list.txt,image_root=photos,relabel=true"
)


def open_spec(text: str) -> LabelledSet:
    """Read the data set that a text states: see ``parse_spec``.

    Raises:
        ValueError: if the text states none, or it cannot be read.
    """
    return DATASETS.build(parse_spec(text))


def parse_spec(text: str) -> dict[str, Any]:
    """The reader's configuration for ``WHAT[,key=value…]``; WHAT is a path or the name of a reader or known set.

    A folder is one of folders per class. Of a list or table, paths are relative to its own folder unless
    ``image_root`` says otherwise. A text in braces is the configuration itself, as YAML.

    Raises:
        ValueError: if the text has none of these forms.
    """
    if text.startswith("{"):
        config = yaml.safe_load(text)
        if not isinstance(config, dict) or "name" not in config:
            raise ValueError(f"{text}: wanted {{name: …, image_root: …}}")
        return config
    what, *options = text.split(",")
    given: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise ValueError(f"{text}: {option!r} is no key=value; {FORMS}")
        given[key.strip()] = yaml.safe_load(value) if value else ""
    return _of_path(Path(what), text) | given if what not in DATASETS else {"name": what, **given}


def _of_path(path: Path, text: str) -> dict[str, Any]:
    if path.is_dir():
        return {"name": "FolderDataset", "image_root": str(path)}
    reader = BY_SUFFIX.get(path.suffix.lower())
    if reader is None or not path.is_file():
        raise ValueError(f"{text}: {path} is no folder, file or known name; {FORMS}")
    if reader == "GalleryDataset":
        return {"name": reader, "archive": str(path)}
    config = {"name": reader, "image_root": str(path.parent), "cls_label_path": str(path)}
    return config | ({"delimiter": "\t"} if path.suffix.lower() == ".tsv" else {})
