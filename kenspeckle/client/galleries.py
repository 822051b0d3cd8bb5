"""Calls that manage galleries, items and references."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import ArrayLike

from kenspeckle.client.call import Call, FileChunks, Progress, Session, path_of, reader, text_params
from kenspeckle.client.errors import KenspeckleError
from kenspeckle.types import Gallery, Item, Job, Page, Removal, SearchAnswer


def gallery_page(_: Session, *, limit: int | None = None, cursor: str | None = None) -> Call[Page[Gallery]]:
    """One page of the galleries (``galleries`` gives them all)."""
    params = text_params(limit=limit, cursor=cursor)
    return Call("GET", "/galleries", reader(Page[Gallery]), params=params, repeatable=True)


def create_gallery(_: Session, name: str, *, description: str = "", keep_pictures: bool = True) -> Call[Gallery]:
    """Make a gallery.

    Args:
        name: lower-case letters, digits, ``.``, ``_`` and ``-``.
        keep_pictures: keep reference pictures; without them the gallery cannot be re-embedded.
    """
    body = {"name": name, "description": description, "keep_pictures": keep_pictures}

    def settle(session: Session, made: Gallery) -> None:
        session.forget(name)
        session.saw(name, made.revision)

    return Call("POST", "/galleries", reader(Gallery), json=body, settled=settle)


def gallery(_: Session, name: str) -> Call[Gallery]:
    """A gallery's counts, revision and fingerprint."""
    return Call("GET", path_of("galleries", name), reader(Gallery), repeatable=True)


def update_gallery(
    _: Session, name: str, *, description: str | None = None, keep_pictures: bool | None = None
) -> Call[Gallery]:
    """Change a gallery; what is None stays."""
    body = _without_none(description=description, keep_pictures=keep_pictures)
    return Call(
        "PATCH",
        path_of("galleries", name),
        reader(Gallery),
        json=body,
        settled=lambda session, changed: session.saw(name, changed.revision),
    )


def delete_gallery(_: Session, name: str) -> Call[None]:
    """Delete a gallery with everything in it."""
    return Call(
        "DELETE",
        path_of("galleries", name),
        lambda _response: None,
        settled=lambda session, _done: session.forget(name),
    )


def item_page(
    _: Session,
    gallery: str = "default",
    *,
    label: str | None = None,
    query: str | None = None,
    metadata: Mapping[str, str] | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[Page[Item]]:
    """One page of a gallery's items (``items`` gives them all).

    Args:
        label: only items with exactly this label.
        query: only items whose label contains this text.
        metadata: only items whose metadata hold these values.
        limit: items per page.
        cursor: ``next_cursor`` of the page before.
    """
    params = text_params(label=label, q=query, limit=limit, cursor=cursor)
    params |= _metadata_params(metadata)
    return Call("GET", path_of("galleries", gallery, "items"), reader(Page[Item]), params=params, repeatable=True)


def item(_: Session, item_id: str, *, gallery: str = "default") -> Call[Item]:
    """An item with its references."""
    return Call("GET", path_of("galleries", gallery, "items", item_id), reader(Item), repeatable=True)


def update_item(
    _: Session,
    item_id: str,
    *,
    gallery: str = "default",
    label: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    if_revision: int | None = None,
) -> Call[Item]:
    """Change an item's label or metadata; what is None stays.

    Args:
        if_revision: revision at which the item was read; if it has changed since, nothing is done.

    Raises:
        Conflict: if the item has changed since ``if_revision``.
    """
    body = _without_none(label=label, metadata=None if metadata is None else dict(metadata))
    headers = {} if if_revision is None else {"If-Match": f'"{if_revision}"'}
    return Call(
        "PATCH",
        path_of("galleries", gallery, "items", item_id),
        reader(Item),
        json=body,
        headers=headers,
        settled=lambda session, changed: session.saw(gallery, changed.revision),
    )


def delete_item(_: Session, item_id: str, *, gallery: str = "default") -> Call[Removal]:
    """Delete an item with its references; it is gone with the answer."""
    return _removal(gallery, path_of("galleries", gallery, "items", item_id))


def delete_reference(_: Session, item_id: str, reference_id: str, *, gallery: str = "default") -> Call[Removal]:
    """Delete one picture of an item."""
    return _removal(gallery, path_of("galleries", gallery, "items", item_id, "references", reference_id))


def reference_picture(
    _: Session, reference_id: str, *, gallery: str = "default", size: int | None = None, crop: bool = False
) -> Call[bytes]:
    """The picture of a reference, as the bytes of a picture file.

    Args:
        size: longest side in pixels; as stored by default.
        crop: only what is in the reference's box.
    """
    path = path_of("galleries", gallery, "references", reference_id, "picture")
    params = text_params(size=size, crop=True if crop else None)
    return Call("GET", path, lambda response: response.content, params=params, repeatable=True)


def search(
    session: Session,
    embeddings: ArrayLike,
    fingerprint: str,
    *,
    gallery: str = "default",
    top_k: int | None = None,
    label: str | None = None,
    metadata: Mapping[str, str] | None = None,
    min_revision: int | None = None,
) -> Call[SearchAnswer]:
    """Search a gallery by embeddings.

    Args:
        embeddings: ``(Q, dim)`` unit vectors.
        fingerprint: of the model that made them.
        top_k: candidates per embedding.
        label: only items with exactly this label.
        metadata: only items whose metadata hold these values.
        min_revision: as for ``recognize``.
    """
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(embeddings, np.float32), allow_pickle=False)
    revision = session.revision(gallery) if min_revision is None else min_revision
    return Call(
        "POST",
        path_of("galleries", gallery, "search"),
        reader(SearchAnswer),
        params=text_params(k=top_k, fingerprint=fingerprint, label=label, min_revision=revision)
        | _metadata_params(metadata),
        headers={"Content-Type": "application/x-npy"},
        content=buffer.getvalue(),
        repeatable=True,
        gallery=gallery,
    )


def export_gallery(
    _: Session, gallery: str, path: str | os.PathLike[str], *, progress: Progress | None = None
) -> Call[Path]:
    """Write a gallery with its pictures and embeddings to a .tar file, replaced only when it is whole.

    Args:
        progress: told the number of bytes of each chunk.
    """
    target = Path(path)

    def saved(_response: httpx.Response) -> Path:
        return target

    url = path_of("galleries", gallery, "export")
    return Call("GET", url, saved, save_to=target, progress=progress, repeatable=True)


def import_gallery(
    _: Session, gallery: str, path: str | os.PathLike[str], *, progress: Progress | None = None
) -> Call[Gallery]:
    """Make a gallery from a file that ``export_gallery`` wrote.

    Args:
        gallery: name of the new gallery.
        progress: told the number of bytes of each chunk sent.
    """
    if not Path(path).is_file():
        raise KenspeckleError(f"{os.fspath(path)}: there is no such file")
    return Call(
        "POST",
        path_of("galleries", gallery, "import"),
        reader(Gallery),
        headers={"Content-Type": "application/x-tar"},
        content=FileChunks(Path(path), progress),
        settled=lambda session, made: session.saw(gallery, made.revision),
    )


def reembed_gallery(_: Session, gallery: str) -> Call[Job]:
    """Make all embeddings of a gallery anew with the extractor that is running now."""
    return Call("POST", path_of("galleries", gallery, "reembed"), reader(Job))


def _removal(gallery: str, path: str) -> Call[Removal]:
    return Call(
        "DELETE", path, reader(Removal), settled=lambda session, removal: session.saw(gallery, removal.revision)
    )


def _metadata_params(metadata: Mapping[str, str] | None) -> dict[str, str]:
    return {f"metadata.{key}": value for key, value in (metadata or {}).items()}


def _without_none(**values: object) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}
