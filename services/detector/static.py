"""The console's files: read once, served with a strict Content-Security-Policy."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

from services.common.errors import NotFound

FOLDER = Path(__file__).parent / "console"
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    etag: str


def console_router(folder: Path = FOLDER) -> APIRouter:
    """``/`` and ``/console/…``; both need no key: the page asks for one."""
    files = {path.relative_to(folder).as_posix(): _read(path) for path in folder.rglob("*") if path.is_file()}
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def console_page(request: Request) -> Response:
        return _answer(files.get("index.html"), request)

    @router.get("/console/{name:path}")
    async def console_file(name: str, request: Request) -> Response:
        return _answer(files.get(name), request)

    return router


def _read(path: Path) -> _File:
    content = path.read_bytes()
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _File(content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _answer(file: _File | None, request: Request) -> Response:
    if file is None:
        raise NotFound("the console has no such file")
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
        "ETag": file.etag,
    }
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
