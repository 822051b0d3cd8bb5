"""YAML files of the old stack as plain values."""

import re
import unicodedata
from pathlib import Path
from typing import Any

import yaml


class ConfigError(ValueError):
    """A configuration that cannot be used; the message says where and what to do."""


class _Loader(yaml.SafeLoader):
    """Safe YAML, in which 1e-3 is a number (as in YAML 1.2)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_value(text: str) -> Any:
    """A YAML value; Python's None, True and False are understood too.

    Raises:
        ConfigError: if it is no YAML.
    """
    try:
        value = yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{text!r} is no YAML value: {error}") from error
    return None if value == "None" else value


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file with sections. Invisible characters, as web pages leave them in copied text, are taken out.

    Raises:
        ConfigError: if the file is missing or no YAML mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    visible = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text if unicodedata.category(c) != "Cf")
    try:
        content = yaml.load(visible, _Loader)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: no YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: wanted sections such as Global and Arch")
    return content
