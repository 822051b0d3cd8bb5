"""Files that are there whole or not at all, also after a power cut."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def write_durably(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file beside its place, flush it to the disk and rename it.

    Args:
        path: where it shall be; what is there is replaced.
        write: writes the content to the path that it is given.

    Raises:
        OSError: if the disk does not take it; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write(temporary)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
