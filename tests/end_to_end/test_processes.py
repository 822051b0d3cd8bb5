"""The services as real processes."""

import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from tests.end_to_end.conftest import Process, Start, free_port, serve_command
from tests.fixtures.bundles import scene, thing
from tests.fixtures.stacks import encode


def enrol(url: str, seed: int, label: str, **options: Any) -> dict[str, Any]:
    response = httpx.post(
        f"{url}/gallery", files={"image": encode(thing(seed))}, data={"label": label, "crop": "whole"}, **options
    )
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_three_processes_recognise_together_with_one_request_id(start: Start, tmp_path: Path, toy_models: Path) -> None:
    ports = {name: free_port() for name in ("extractor", "indexer", "detector")}
    environment = {
        "KENSPECKLE_MODELS_DIR": str(toy_models),
        "KENSPECKLE_ADMIN_KEY": "the-admin-key",
        "KENSPECKLE_INDEXER_DATA_DIR": str(tmp_path / "data"),
        "KENSPECKLE_INDEXER_EXTRACTOR_URL": f"http://127.0.0.1:{ports['extractor']}",
        "KENSPECKLE_DETECTOR_EXTRACTOR_URL": f"http://127.0.0.1:{ports['extractor']}",
        "KENSPECKLE_DETECTOR_INDEXER_URL": f"http://127.0.0.1:{ports['indexer']}",
    }
    services = {
        name: start(name, ["-m", f"services.{name}"], port, **environment, KENSPECKLE_PORT=str(port))
        for name, port in ports.items()
    }
    for process in services.values():
        process.wait_until_ready()
    url, headers = services["detector"].url, {"Authorization": "Bearer the-admin-key", "X-Request-ID": "followed-1"}
    assert httpx.post(f"{url}/recognize", content=encode(thing(1))).status_code == 401
    revision = enrol(url, 1, "one", headers=headers)["revision"]
    response = httpx.post(
        f"{url}/recognize?gallery=default&min_revision={revision}", content=encode(scene(1, 2)), headers=headers
    )
    assert [one["label"] for one in response.json()["objects"] if one["decision"] == "known"] == ["one"]
    for name, process in services.items():
        assert '"request_id":"followed-1"' in process.log.read_text(), name
    made = httpx.post(
        f"{services['indexer'].url}/keys", json={"name": "reader", "role": "recognize"}, headers=headers
    ).json()
    reader = {"Authorization": f"Bearer {made['key']}"}
    assert httpx.post(f"{url}/recognize", content=encode(thing(1)), headers=reader).status_code == 200
    refused = httpx.post(f"{url}/gallery", files={"image": encode(thing(2))}, data={"label": "x"}, headers=reader)
    assert refused.status_code == 403
    services["extractor"].stop()
    gone = httpx.post(f"{url}/recognize", content=encode(thing(1)), headers=headers)
    assert (gone.status_code, "extractor" in gone.json()["detail"]) == (503, True)
    assert httpx.get(f"{url}/readyz").status_code == 503


def test_what_was_added_is_there_after_a_restart(start: Start, tmp_path: Path, toy_models: Path) -> None:
    for label in ("one", None):
        port = free_port()
        process = start(f"run-{label}", serve_command(port, tmp_path / "data", toy_models), port)
        process.wait_until_ready()
        if label:
            enrol(process.url, 1, label)
        found = httpx.post(f"{process.url}/recognize", content=encode(scene(1, None))).json()
        assert found["objects"][0]["label"] == "one"
        process.stop()
        assert process.popen.returncode in (0, -signal.SIGTERM)


def test_sigterm_lets_running_requests_end(standalone: Process) -> None:
    enrol(standalone.url, 1, "one")
    answers: list[int] = []

    def ask() -> None:
        # Waits in the indexer for a revision that does not come: in flight for two seconds.
        response = httpx.post(f"{standalone.url}/recognize?min_revision=99", content=encode(scene(1, 2)), timeout=20)
        answers.append(response.status_code)

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    time.sleep(0.7)
    standalone.popen.send_signal(signal.SIGTERM)
    for thread in asking:
        thread.join()
    assert answers == [503, 503], "each gets its own answer, none is cut off"
    assert standalone.popen.wait(15) in (0, -signal.SIGTERM)


def test_listening_beyond_loopback_without_keys_is_refused(start: Start, toy_models: Path) -> None:
    everywhere = {"KENSPECKLE_HOST": "0.0.0.0", "KENSPECKLE_MODELS_DIR": str(toy_models)}
    started = [
        start(name, ["-m", f"services.{name}"], free_port(), **everywhere)
        for name in ("detector", "extractor", "indexer")
    ]
    for process in started:
        assert process.popen.wait(60) == 1
        assert "KENSPECKLE_ADMIN_KEY" in process.log.read_text()
