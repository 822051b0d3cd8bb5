"""Toy models and running processes."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.fixtures.bundles import write_models

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0


@pytest.fixture(scope="session")
def toy_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the toy bundles."""
    return write_models(tmp_path_factory.mktemp("toy-models"))


class Process:
    """A service that runs as it does for a user."""

    def __init__(self, command: list[str], port: int, environment: dict[str, str], log: Path) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KENSPECKLE_")}
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env={**clean, **environment}, stdout=output, stderr=output
            )

    def wait_until_ready(self) -> None:
        """Until ``/readyz`` answers 200; fails with the log if the process ends or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.popen.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not ready:\n{self.log.read_text()}")

    def stop(self) -> None:
        """End it, softly first."""
        self.popen.terminate()
        try:
            self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


Start = Callable[..., Process]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def serve_command(port: int, data: Path, models: Path) -> list[str]:
    """``kenspeckle serve``, run from the checkout."""
    run = ["-c", "from kenspeckle.cli import main; main()", "serve"]
    return [*run, "--port", str(port), "--data", str(data), "--models", str(models)]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts processes that end with the test."""
    with ExitStack() as ends:

        def call(name: str, command: list[str], port: int, **environment: str) -> Process:
            process = Process(command, port, environment, tmp_path / f"{name}.log")
            ends.callback(process.stop)
            return process

        yield call


@pytest.fixture
def standalone(start: Start, tmp_path: Path, toy_models: Path) -> Process:
    """``kenspeckle serve`` as a process, ready."""
    port = free_port()
    process = start("standalone", serve_command(port, tmp_path / "data", toy_models), port)
    process.wait_until_ready()
    return process
