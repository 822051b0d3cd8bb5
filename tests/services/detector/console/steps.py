"""What a person does, in words."""

import io
import json
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import FilePayload, Locator, Page

from tests.fixtures.bundles import scene


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def upload(name: str, picture: Image.Image, kind: str = "PNG") -> FilePayload:
    return {"name": name, "mimeType": f"image/{kind.lower()}", "buffer": encoded(picture, kind)}


def enrol(url: str, gallery: str, label: str, picture: Image.Image, **fields: Any) -> dict[str, Any]:
    """Add the whole of a picture through the API."""
    data = {"gallery": gallery, "label": label, "crop": "whole", **fields}
    answer = httpx.post(f"{url}/gallery", files={"image": encoded(picture)}, data=data)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def enrol_left_of_scene(url: str, gallery: str, label: str, seed: int, **fields: Any) -> dict[str, Any]:
    """Add a thing just as the detector will cut it out of ``scene(seed, …)``."""
    return enrol(url, gallery, label, scene(seed, None), box=json.dumps([80, 100, 240, 260]), **fields)


def items(url: str, gallery: str) -> list[dict[str, Any]]:
    return list(httpx.get(f"{url}/galleries/{gallery}/items").json()["items"])


def show(page: Page, picture: Image.Image, kind: str = "PNG") -> None:
    """Choose a picture and wait for its cards."""
    if not page.url.endswith("#recognise"):
        page.goto("/#recognise")
    field = page.locator("#view-recognise input[type=file]:not([capture])")
    field.nth(1 if page.locator(".work").is_visible() else 0).set_input_files(
        upload(f"photo.{kind.lower()}", picture, kind)
    )
    page.locator(".card[data-card]").first.wait_for()


def card(page: Page, number: int) -> Locator:
    return page.locator(f'.card[data-card="{number - 1}"]')
