"""The standalone stack with toy models, as a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.fixtures.bundles import write_models

ROOT = Path(__file__).parents[4]
START_SECONDS = 60.0
SERVE = "import sys; from pathlib import Path; from services.standalone import serve\n"
SERVE += "serve('127.0.0.1', int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), False)"


@dataclass(frozen=True)
class Stack:
    """A running stack."""

    url: str


@contextmanager
def running(folder: Path, admin_key: str | None = None) -> Iterator[Stack]:
    """Serve from ``folder`` until the block ends."""
    models = write_models(folder / "models")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KENSPECKLE_")}
    if admin_key:
        environment["KENSPECKLE_ADMIN_KEY"] = admin_key
    command = [sys.executable, "-c", SERVE, str(port), str(folder / "data"), str(models)]
    log = folder / "stack.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process, log)
            yield Stack(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for ``/readyz``; fails with the log if the process ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the stack did not start:\n{log.read_text()}")
