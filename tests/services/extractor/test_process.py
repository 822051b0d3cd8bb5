"""The extractor as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.fixtures.bundles import DIM

ROOT = Path(__file__).parents[3]


def start(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "services.extractor"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_refuses_to_listen_to_everybody_without_a_key(bundles: Path) -> None:
    process = start(KENSPECKLE_HOST="0.0.0.0", KENSPECKLE_MODELS_DIR=str(bundles))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "set KENSPECKLE_ADMIN_KEY" in errors


def test_it_serves_logs_json_and_ends_on_sigterm(bundles: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = start(KENSPECKLE_EXTRACTOR_PORT=str(port), KENSPECKLE_MODELS_DIR=str(bundles))
    try:
        until = time.monotonic() + 60
        while True:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/v2/models/toy-extractor", headers={"X-Request-ID": "p1"})
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert answer.json()["outputs"][0]["shape"] == [-1, DIM]
    assert '"request_id":"p1"' in errors
    assert process.returncode in (0, -signal.SIGTERM)
