"""Parts by name: one registry per noun (backbone, neck, head, loss, transform, sampler, data set, preset)."""

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class UnknownName(ValueError):
    """A name, or a parameter of a named part, that does not exist; the message lists the near ones."""

    def __init__(self, noun: str, name: str, known: Sequence[str]) -> None:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or sorted(known)
        super().__init__(
            f"unknown {noun} {name!r}; did you mean {', '.join(near)}?" if near else f"unknown {noun} {name!r}"
        )


class Registry(Generic[T]):
    """Factories of one kind of part, by the name that configuration files use.

    Example::

        BACKBONES: Registry[nn.Module] = Registry("backbone")


        @BACKBONES.register()
        def PPLCNet_x1_0(class_expand: int = 1280) -> nn.Module: ...


        BACKBONES.build({"name": "PPLCNet_x1_0", "class_expand": 512})
    """

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self._factories: dict[str, Callable[..., T]] = {}
        self._declined: dict[str, str] = {}

    def register(self, *names: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Register a class or function under ``names``, by default its own.

        Raises:
            ValueError: if a name is taken.
        """

        def decorate(factory: Callable[..., T]) -> Callable[..., T]:
            for name in names or (factory.__name__,):
                if name in self._factories:
                    raise ValueError(f"{self.noun} {name!r} is registered twice")
                self._factories[name] = factory
            return factory

        return decorate

    def decline(self, reason: str, *names: str) -> None:
        """Answer for names of the old stack that there is nothing for: ``reason`` says what to do instead."""
        self._declined |= dict.fromkeys(names, reason)

    def get(self, name: str) -> Callable[..., T]:
        """The factory of a name.

        Raises:
            UnknownName: with the near names.
            ValueError: for a declined name, with its reason.
        """
        if name in self._declined:
            raise ValueError(f"{self.noun} {name!r} is not part of this stack: {self._declined[name]}")
        if name not in self._factories:
            raise UnknownName(self.noun, name, list(self._factories))
        return self._factories[name]

    def build(self, config: Mapping[str, Any], **given: Any) -> T:
        """Call the factory of ``config["name"]`` with the rest of ``config`` and with ``given``.

        Raises:
            UnknownName: for an unknown name or parameter, with the near ones.
            ValueError: if the name is declined, or it, or a parameter without a default, is missing.
        """
        if "name" not in config:
            raise ValueError(f"a {self.noun} needs a name, one of {', '.join(self)}")
        factory = self.get(config["name"])
        options = {key: value for key, value in config.items() if key != "name"}
        parameters = inspect.signature(factory).parameters
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            for key in options:
                if key not in parameters:
                    raise UnknownName(f"parameter of {self.noun} {config['name']}", key, list(parameters))
        missing = [
            key
            for key, parameter in parameters.items()
            if parameter.default is inspect.Parameter.empty
            and parameter.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
            and key not in options
            and key not in given
        ]
        if missing:
            raise ValueError(f"{self.noun} {config['name']} needs {', '.join(missing)}")
        return factory(**options, **given)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._factories))
