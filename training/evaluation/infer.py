"""Embeddings of a folder of pictures, written in portions so that what was cut off goes on."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data.pictures import PICTURE_SUFFIXES, Picture
from training.evaluation.embed import Embedder
from training.evaluation.pool import Pool

PORTION = 256
STATE, PARTS, VECTORS, PATHS, UNREADABLE = "state.json", "parts", "embeddings.npz", "pictures.csv", "unreadable.csv"


def pictures_below(folder: Path) -> list[Path]:
    """All picture files in a folder and below, sorted.

    Raises:
        ValueError: if there are none.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    if not found:
        raise ValueError(f"{folder}: no pictures in it or below")
    return found


def infer(
    embed: Embedder,
    fingerprint: str,
    folder: Path,
    out: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[int, int]:
    """Embed every picture below ``folder``, whole.

    Writes ``embeddings.npz`` (``embeddings`` (N, dim) float32), ``pictures.csv`` (row, path relative to ``folder``) and
    ``unreadable.csv`` (path, reason). A call that was cut off goes on with the next portion.

    Args:
        fingerprint: of the function that embeds; goes on only what was begun with the same one.
        progress: called with the number of pictures done, and of all.

    Returns:
        Numbers of pictures embedded and unreadable.

    Raises:
        ValueError: if there are no pictures, or ``out`` was begun with other pictures or another model.
    """
    paths = pictures_below(folder)
    _claim(out, fingerprint, [str(path.relative_to(folder)) for path in paths])
    for start in range(0, len(paths), PORTION):
        part = out / PARTS / f"{start:09}.npz"
        if not part.exists():
            _embed_part(embed, paths[start : start + PORTION], start, part)
        progress(min(start + PORTION, len(paths)), len(paths))
    return _join(out, folder, paths)


def embedded(out: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Path and embedding ``(dim,)`` of every picture that ``infer`` embedded into ``out``."""
    with np.load(out / VECTORS, allow_pickle=False) as archive:
        vectors = archive["embeddings"]
    with (out / PATHS).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield row["path"], vectors[int(row["row"])]


def _claim(out: Path, fingerprint: str, names: Sequence[str]) -> None:
    (out / PARTS).mkdir(parents=True, exist_ok=True)
    state = {"fingerprint": fingerprint, "pictures": hashlib.sha256("\n".join(names).encode()).hexdigest()}
    path = out / STATE
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != state:
        raise ValueError(f"{out} was begun with other pictures or another model: choose another folder, or remove it")
    path.write_text(json.dumps(state) + "\n", encoding="utf-8")


def _embed_part(embed: Embedder, paths: Sequence[Path], start: int, part: Path) -> None:
    problems = {}
    try:
        pool = embed([Picture(path, "") for path in paths])
    except (OSError, ValueError, Image.DecompressionBombError):
        problems = {index: reason for index, path in enumerate(paths) if (reason := _problem(path))}
        readable = [Picture(path, "") for index, path in enumerate(paths) if index not in problems]
        if not problems:
            raise
        pool = embed(readable) if readable else Pool(*(np.empty(0) for _ in range(3)))  # type: ignore[arg-type]
    rows = np.array([start + index for index in range(len(paths)) if index not in problems], np.int64)
    temporary = part.with_suffix(".part")
    with temporary.open("wb") as stream:
        np.savez(
            stream,
            embeddings=pool.vectors,
            rows=rows,
            problem_rows=np.array([start + index for index in problems], np.int64),
            problems=np.array(list(problems.values()), np.str_),
        )
    temporary.replace(part)


def _problem(path: Path) -> str:
    """Why a picture cannot be opened; empty if it can."""
    try:
        Picture(path, "").open()
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        return str(error)
    return ""


def _join(out: Path, folder: Path, paths: Sequence[Path]) -> tuple[int, int]:
    parts = []
    for file in sorted((out / PARTS).glob("*.npz")):
        with np.load(file, allow_pickle=False) as part:
            parts.append({name: part[name] for name in part.files})
    vectors = [part["embeddings"] for part in parts if len(part["rows"])]
    if not vectors:
        raise ValueError(f"{folder}: none of its pictures can be read")
    np.savez(out / VECTORS, embeddings=np.concatenate(vectors))
    rows = np.concatenate([part["rows"] for part in parts]).tolist()
    _write_csv(out / PATHS, ["row", "path"], [(i, str(paths[row].relative_to(folder))) for i, row in enumerate(rows)])
    bad = [
        (str(paths[row].relative_to(folder)), reason)
        for part in parts
        for row, reason in zip(part["problem_rows"].tolist(), part["problems"].tolist(), strict=True)
    ]
    _write_csv(out / UNREADABLE, ["path", "reason"], bad)
    return len(rows), len(bad)


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
