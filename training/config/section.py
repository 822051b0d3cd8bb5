"""What sections of a configuration have in common."""

import difflib
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator

from training.config.reading import ConfigError


class Section(BaseModel):
    """Typed, frozen, and strict about its keys.

    ``meaningless`` are keys that old files carry and that change nothing here, each with the reason; they are dropped
    and noted in the list ``notes`` of the validation context. ``declined`` are keys that ask for what is not there; the
    error says what to do instead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    meaningless: ClassVar[Mapping[str, str]] = {}
    declined: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, content: Any, info: ValidationInfo) -> Any:
        if not isinstance(content, Mapping):
            return content
        kept = {}
        for key, value in content.items():
            if key in cls.model_fields:
                kept[key] = value
            elif key in cls.meaningless:
                if info.context is not None:
                    info.context["notes"].append(f"{key}: {cls.meaningless[key]}")
            elif key in cls.declined:
                raise ValueError(f"{key} is not part of this stack: {cls.declined[key]}")
            else:
                known = sorted([*cls.model_fields, *cls.meaningless])
                near = difflib.get_close_matches(str(key), known, n=3, cutoff=0.5) or sorted(cls.model_fields)
                raise ValueError(f"unknown key {key!r}; did you mean {', '.join(near)}?")
        return kept


def described(error: ValidationError, source: str) -> ConfigError:
    """One error for people out of pydantic's: each line names place and trouble."""
    lines = []
    for problem in error.errors(include_url=False):
        place = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{place}: {message}" if place else message)
    return ConfigError(f"{source}: " + "; ".join(lines))
