"""The services as processes, for measuring them as users run them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parents[1]
START_SECONDS = 120.0
STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Running:
    """A stack that answers at ``url``, ``ready_s`` seconds after its first process was started."""

    url: str
    processes: tuple[psutil.Process, ...]
    ready_s: float

    def cpu_seconds(self) -> float:
        """CPU time that all processes have used."""
        return float(sum(sum(process.cpu_times()[:2]) for process in self.processes))

    def memory_bytes(self) -> int:
        """Resident memory of all processes."""
        return int(sum(process.memory_info().rss for process in self.processes))

    def threads(self) -> int:
        """Threads of all processes."""
        return int(sum(process.num_threads() for process in self.processes))

    def files(self) -> int:
        """Open file descriptors of all processes."""
        return int(sum(process.num_fds() for process in self.processes))


@contextmanager
def standalone(models: Path, data: Path) -> Iterator[Running]:
    """``kenspeckle serve``."""
    port, started = free_port(), time.monotonic()
    command = ["-c", "from kenspeckle.cli import main; main()", "serve"]
    options = ["--port", str(port), "--data", str(data), "--models", str(models)]
    with _process([*command, *options], {}, data.with_suffix(".log"), port) as process:
        yield Running(f"http://127.0.0.1:{port}", (process,), time.monotonic() - started)


@contextmanager
def three_processes(models: Path, data: Path) -> Iterator[Running]:
    """Detector, extractor and indexer, each alone."""
    ports, started = {name: free_port() for name in ("extractor", "indexer", "detector")}, time.monotonic()
    environment = {
        "KENSPECKLE_MODELS_DIR": str(models),
        "KENSPECKLE_INDEXER_DATA_DIR": str(data),
        "KENSPECKLE_INDEXER_EXTRACTOR_URL": f"http://127.0.0.1:{ports['extractor']}",
        "KENSPECKLE_DETECTOR_EXTRACTOR_URL": f"http://127.0.0.1:{ports['extractor']}",
        "KENSPECKLE_DETECTOR_INDEXER_URL": f"http://127.0.0.1:{ports['indexer']}",
    }
    with ExitStack() as stack:
        processes = []
        for name, port in ports.items():
            own = {**environment, "KENSPECKLE_PORT": str(port)}
            log = data.with_suffix(f".{name}.log")
            processes.append(stack.enter_context(_process(["-m", f"services.{name}"], own, log, port)))
        yield Running(f"http://127.0.0.1:{ports['detector']}", tuple(processes), time.monotonic() - started)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _process(command: list[str], environment: dict[str, str], log: Path, port: int) -> Iterator[psutil.Process]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        _wait(process, port, log)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"the service did not start:\n{log.read_text()}")
