import hashlib
import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.indexer.archive import ArchivedGallery, ArchivedItem, ArchivedReference
from training.data.readers import DATASETS
from training.data.readers.gallery import gallery_pictures

FIRST, SECOND = b"picture one", b"picture two"
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def reference(content: bytes, kept: bool = True) -> ArchivedReference:
    return ArchivedReference(
        id="0" * 8 + "-0000-7000-8000-" + "0" * 12,
        box=(1.0, 2.0, 30.5, 40.0),
        source="given",
        media_type="image/png",
        picture_sha256=hashlib.sha256(content).hexdigest(),
        kept=kept,
        created_at=NOW,
    )


def item(name: str, label: str | None, *references: ArchivedReference) -> ArchivedItem:
    return ArchivedItem(
        id=name, label=label, negative=label is None, metadata={}, created_at=NOW, references=list(references)
    )


def exported(path: Path, *items: ArchivedItem, pictures: dict[str, bytes] | None = None) -> Path:
    """An archive written with the record types of the service that exports."""
    head = ArchivedGallery(name="g", description="", keep_pictures=True, fingerprint="f", dim=4)
    contents = {hashlib.sha256(content).hexdigest(): content for content in (FIRST, SECOND)}
    files = {"gallery.json": head.model_dump_json().encode()}
    files |= {f"pictures/{name}": content for name, content in (contents if pictures is None else pictures).items()}
    files["items/000000.jsonl"] = "\n".join(one.model_dump_json() for one in items).encode() + b"\n"
    files["embeddings/000000.npy"] = b"not read here"
    return write_tar(path, files)


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_labelled_references_become_pictures_with_their_boxes(tmp_path: Path) -> None:
    archive = exported(
        tmp_path / "g.tar",
        item("oat-1", "Oat milk", reference(FIRST), reference(SECOND)),
        item("oat-2", "Oat milk", reference(SECOND)),
        item("soy", "Soy", reference(FIRST), reference(SECOND, kept=False)),
        item("not", None, reference(FIRST)),
    )
    found = DATASETS.build({"name": "GalleryDataset", "archive": str(archive)})
    assert [one.label for one in found.pictures] == ["Oat milk", "Oat milk", "Oat milk", "Soy"]
    assert [one.path.read_bytes() for one in found.pictures] == [FIRST, SECOND, SECOND, FIRST]
    assert {one.box for one in found.pictures} == {(1.0, 2.0, 30.5, 40.0)}
    assert found.pictures[0].path.parent == tmp_path / "g.pictures"
    by_item = gallery_pictures(archive, tmp_path / "elsewhere", by="item")
    assert [one.label for one in by_item] == ["oat-1", "oat-1", "oat-2", "soy"]


def test_pictures_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    archive = exported(tmp_path / "g.tar", item("oat", "Oat", reference(FIRST)))
    (first,) = gallery_pictures(archive, tmp_path / "p")
    before = first.path.stat().st_mtime_ns
    assert gallery_pictures(archive, tmp_path / "p") == [first]
    assert first.path.stat().st_mtime_ns == before


def test_a_gallery_without_kept_pictures_is_an_error(tmp_path: Path) -> None:
    archive = exported(tmp_path / "g.tar", item("oat", "Oat", reference(FIRST, kept=False)))
    with pytest.raises(ValueError, match="keep_pictures"):
        gallery_pictures(archive, tmp_path / "p")


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    whole = exported(tmp_path / "g.tar", item("oat", "Oat", reference(FIRST)))
    (tmp_path / "cut.tar").write_bytes(whole.read_bytes()[:700])
    (tmp_path / "no.tar").write_bytes(b"x" * 2000)
    write_tar(tmp_path / "other.tar", {"a.txt": b"x"})
    write_tar(tmp_path / "newer.tar", {"gallery.json": b'{"format": 2}'})
    write_tar(tmp_path / "list.tar", {"gallery.json": b"[]"})
    exported(tmp_path / "swapped.tar", pictures={"0" * 64: FIRST})
    for name in ("cut", "no", "other", "newer", "list", "swapped"):
        with pytest.raises(ValueError, match=rf"{name}\.tar: "):
            gallery_pictures(tmp_path / f"{name}.tar", tmp_path / "p")


def test_names_in_the_archive_never_become_paths(tmp_path: Path) -> None:
    head = b'{"format": 1}'
    write_tar(tmp_path / "evil.tar", {"gallery.json": head, "pictures/../../evil": FIRST, "../evil2": FIRST})
    with pytest.raises(ValueError, match="no labelled item"):
        gallery_pictures(tmp_path / "evil.tar", tmp_path / "p")
    evil = b'{"label": "x", "negative": false, "references": [{"kept": true, "picture_sha256": "../../x"}]}'
    write_tar(tmp_path / "evil.tar", {"gallery.json": head, "items/0.jsonl": evil})
    with pytest.raises(ValueError, match=r"items/0\.jsonl: line 1: no item"):
        gallery_pictures(tmp_path / "evil.tar", tmp_path / "p")
    assert list((tmp_path / "p").iterdir()) == []
