"""The stack as a child process."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kenspeckle.client import Client, KenspeckleError

HOST = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 20.0


class ServerFailed(Exception):
    """The stack ended or did not become ready; the message says where its log is."""


def free_port(wanted: int) -> int:
    """The wanted port, or the next one that nobody listens on.

    Raises:
        ServerFailed: if fifty ports in a row are taken.
    """
    for port in range(wanted, wanted + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ServerFailed(f"no free port from {wanted} to {wanted + 49}")


@contextmanager
def serving(port: int, data: Path, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run ``kenspeckle serve``; at the end it is asked to stop, and killed if it does not."""
    program = [sys.executable, "-c", "from kenspeckle.cli import main; main()", "serve"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*program, "--host", HOST, "--port", str(port), "--data", str(data)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(client: Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Ask ``/readyz`` until all is in order.

    Raises:
        ServerFailed: if the process ends, or two minutes pass.
    """
    until = time.monotonic() + START_SECONDS
    state = "no answer yet"
    while time.monotonic() < until:
        if process.poll() is not None:
            raise ServerFailed(f"the server ended with status {process.returncode}; see {log}")
        try:
            health = client.ready()
        except KenspeckleError as error:
            state = str(error)
        else:
            if health.ready:
                return
            state = str(health.checks)
        time.sleep(0.2)
    raise ServerFailed(f"the server is not ready after {START_SECONDS:.0f} s ({state}); see {log}")
