"""The real stack with toy models, started by the command as a process of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kenspeckle.client import Client, ConnectionFailed, RetryPolicy
from tests.fixtures.bundles import write_models

ROOT = Path(__file__).parents[2]
START = "from kenspeckle.cli import main; main()"
START_SECONDS = 60


@pytest.fixture(scope="session")
def toy_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the toy bundles."""
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def stack(toy_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running ``kenspeckle serve`` with an empty default gallery."""
    with running(toy_models, tmp_path_factory.mktemp("stack")) as address:
        yield address


@pytest.fixture
def own_stack(toy_models: Path, tmp_path: Path) -> Iterator[str]:
    """The same for one test alone."""
    with running(toy_models, tmp_path) as address:
        yield address


@contextlib.contextmanager
def running(models: Path, folder: Path) -> Iterator[str]:
    """Run ``kenspeckle serve`` with its data in a folder; it must end well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", START, "serve", "--port", str(port), "--data", "data", "--models", str(models)]
    settings = {name: value for name, value in os.environ.items() if not name.startswith("KENSPECKLE_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**settings, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_ready(address, process, folder / "log")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=30)
    assert code in (0, -signal.SIGTERM), (folder / "log").read_text()


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    with Client(address, retry=RetryPolicy(attempts=1)) as client:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            assert process.poll() is None, log.read_text()
            try:
                if client.ready().ready:
                    return
            except ConnectionFailed:
                pass
            time.sleep(0.1)
    raise AssertionError(log.read_text())
