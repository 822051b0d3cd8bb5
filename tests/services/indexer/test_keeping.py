"""Stored pictures and the rows that mention them."""

import os
import time
from pathlib import Path

import pytest

from services.common.errors import NotFound
from services.indexer.pictures import GRACE_SECONDS
from tests.services.indexer.helpers import Running, new_item, png, vectors


def _stored(folder: Path) -> list[Path]:
    return [path for path in folder.glob("data/pictures/*/*") if path.is_file()]


def test_pictures_stay_while_an_older_snapshot_is_exported(running: Running, fingerprint: str, tmp_path: Path) -> None:
    made = running.enrol(new_item(fingerprint, label="Tea"), vectors(1), [png(1)])
    pieces = running.service.exporter.export("things")
    first = next(pieces)
    running.service.galleries.delete_item("things", made.item_id, lambda _: True)
    assert len(_stored(tmp_path)) == 1
    archive = first + b"".join(pieces)
    assert png(1) in archive
    assert not _stored(tmp_path)


def test_a_thrown_away_export_frees_its_place(running: Running, fingerprint: str) -> None:
    running.enrol(new_item(fingerprint, label="Tea"), vectors(1), [png(1)])
    for _ in range(5):
        next(running.service.exporter.export("things"))
    with pytest.raises(NotFound):
        running.service.exporter.export("nothing")


def test_files_that_no_row_mentions_go_after_a_while(running: Running, fingerprint: str, tmp_path: Path) -> None:
    running.enrol(new_item(fingerprint, label="Tea"), vectors(1), [png(1)])
    keeper = running.service._pictures
    fresh, stray = keeper.put(png(2)), keeper.put(png(3))
    broken_off = tmp_path / "data" / "pictures" / stray[:2] / f".{stray}.0123"
    broken_off.write_bytes(b"half")
    old = time.time() - GRACE_SECONDS - 10
    for path in _stored(tmp_path):
        if path.name != fresh:
            os.utime(path, (old, old))
    keeper.sweep_strays()
    assert {path.name for path in _stored(tmp_path)} >= {fresh}
    assert stray not in {path.name for path in _stored(tmp_path)}
    assert not broken_off.exists()
    assert len(_stored(tmp_path)) == 2


def test_a_stray_that_is_stored_again_is_fresh(running: Running, tmp_path: Path) -> None:
    keeper = running.service._pictures
    sha256 = keeper.put(png(1))
    (path,) = _stored(tmp_path)
    os.utime(path, (0, 0))
    assert keeper.put(png(1)) == sha256
    keeper.sweep_strays()
    assert path.exists()
