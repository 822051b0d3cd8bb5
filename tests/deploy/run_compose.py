"""Bring the compose file up for real, enrol and recognise through its door, restart the indexer, take it down.

make e2e-compose        needs a Docker engine and docker compose (or docker-compose)
"""

import io
import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[2]
PORT = os.environ.get("KENSPECKLE_PUBLIC_PORT", "8080")
URL = f"http://127.0.0.1:{PORT}"
START_S = 180


def compose() -> list[str]:
    """The compose command that is there."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    sys.exit("neither `docker compose` nor `docker-compose` is installed")


def picture(colour: str, side: int = 480) -> bytes:
    """A photo of a made-up thing: a striped box on a grey ground."""
    image = Image.new("RGB", (side, side), (150, 150, 145))
    draw = ImageDraw.Draw(image)
    draw.rectangle((100, 60, 380, 430), fill=colour, outline="black", width=6)
    for y in range(100, 400, 60):
        draw.rectangle((130, y, 350, y + 22), fill="white")
    draw.text((150, 70), colour.upper(), fill="white", font_size=28)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def wait_until_ready(client: httpx.Client) -> float:
    """Seconds until the door answers ready."""
    started = time.monotonic()
    while time.monotonic() - started < START_S:
        try:
            if client.get("/readyz").status_code == 200:
                return time.monotonic() - started
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    sys.exit(f"not ready after {START_S} s")


def recognise(client: httpx.Client, image: bytes, revision: int) -> list[dict[str, object]]:
    """Objects of a picture."""
    answer = client.post("/recognize", files={"image": image}, data={"min_revision": str(revision), "gallery": "e2e"})
    answer.raise_for_status()
    objects: list[dict[str, object]] = answer.json()["objects"]
    return objects


def check(client: httpx.Client, command: list[str], environment: dict[str, str]) -> None:
    """Enrol two things, find them again, also after a restart of the indexer; try the closed doors."""
    revision = 0
    for colour in ("navy", "darkred"):
        added = client.post("/gallery", files={"image": picture(colour)}, data={"label": colour, "gallery": "e2e"})
        assert added.status_code == 201, added.text
        revision = added.json()["revision"]
    for attempt in ("fresh", "after the indexer's restart"):
        best = {colour: recognise(client, picture(colour), revision)[0] for colour in ("navy", "darkred")}
        for colour, found in best.items():
            candidates = found["candidates"]
            assert isinstance(candidates, list)
            assert candidates[0]["label"] == colour, f"{attempt}: {found}"
        print(f"recognised through the edge, {attempt}")
        if attempt == "fresh":
            subprocess.run([*command, "restart", "indexer"], check=True, env=environment)
            wait_until_ready(client)
    assert client.get("/galleries/e2e").json()["items"] == 2
    assert httpx.get(f"{URL}/galleries/e2e").status_code == 401, "the edge let a request without a key in"
    assert client.get("/metrics").status_code == 404, "the edge shows metrics"
    assert client.post("/embed", content=b"").status_code == 404, "the edge leads to the extractor"


def main() -> None:
    """Up, check, down; ends non-zero at the first failure."""
    key = secrets.token_hex(32)
    environment = {**os.environ, "KENSPECKLE_ADMIN_KEY": key}
    command = [*compose(), "--project-name", "kenspeckle-e2e", "--file", str(ROOT / "docker-compose.yml")]
    try:
        subprocess.run([*command, "build"], check=True, env=environment)
        subprocess.run([*command, "up", "--detach"], check=True, env=environment)
        with httpx.Client(base_url=URL, timeout=30, headers={"Authorization": f"Bearer {key}"}) as client:
            print(f"ready after {wait_until_ready(client):.1f} s")
            check(client, command, environment)
        print("the compose stack works")
    except BaseException:
        subprocess.run([*command, "logs", "--tail", "40"], env=environment)
        raise
    finally:
        subprocess.run([*command, "down", "--volumes", "--timeout", "15"], env=environment)


if __name__ == "__main__":
    main()
