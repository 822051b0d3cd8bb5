"""``-o Section.key=value`` on the command line."""

import copy
from collections.abc import Sequence
from typing import Any

from training.config.reading import ConfigError, parse_value


def apply_overrides(
    content: dict[str, Any], overrides: Sequence[str], home: str = "Global"
) -> tuple[dict[str, Any], list[str]]:
    """A copy of ``content`` with values replaced, and notes on what was understood differently than written.

    A place is keys and list indices joined by dots; the value is what follows the first ``=``, as YAML. A key without
    section is taken as one of ``home``. Whether a new key means anything is decided when the whole is checked.

    Raises:
        ConfigError: for a text without ``=``, an index out of range, or a place inside a plain value.
    """
    result, notes = copy.deepcopy(content), []
    for override in overrides:
        place, equals, text = override.partition("=")
        keys = place.strip().split(".")
        if not equals or not all(keys):
            raise ConfigError(f"-o {override}: wanted KEY=VALUE, for example -o {home}.epochs=3")
        if len(keys) == 1 and keys[0] not in content and keys[0][:1].islower():
            notes.append(f"-o {override}: taken as {home}.{keys[0]}; write -o {home}.{override}")
            keys = [home, *keys]
        _set(result, keys, parse_value(text), override)
    return result, notes


def _set(content: Any, keys: list[str], value: Any, override: str) -> None:
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        if isinstance(content, list):
            if not key.isdigit() or int(key) >= len(content):
                here = ".".join(keys[:depth])
                raise ConfigError(f"-o {override}: {here} is a list of {len(content)}, {key!r} is no index of it")
            place: Any = int(key)
        elif isinstance(content, dict):
            place = key
            if not last and content.get(key) is None:
                content[key] = {}
        else:
            raise ConfigError(f"-o {override}: {'.'.join(keys[:depth])} is the value {content!r}, nothing is inside it")
        if last:
            content[place] = value
        else:
            content = content[place]
