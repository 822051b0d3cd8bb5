"""Reading, verifying and writing bundles: a folder, or the same as an uncompressed .tar."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from kenspeckle.arrays import read_npz
from kenspeckle.bits import unit_codes
from kenspeckle.bundle.card import Card, Measurement
from kenspeckle.decision import LeaveOut

CARD, MODEL, PROBE, COHORT = "card.json", "model.onnx", "probe.npz", "cohort.npz"
REQUIRED = (MODEL, PROBE, "LICENSE", "README.md")
MAX_FILE_BYTES = 512 * 1024 * 1024


class BundleError(Exception):
    """A bundle that cannot be used; the text names the bundle and the reason."""


@dataclass(frozen=True)
class Bundle:
    """A bundle whose card is valid and whose files have the hashes and fingerprints that the card states."""

    path: Path
    card: Card
    contents: Mapping[str, bytes]

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Read an ``.npz`` of the bundle (pickled content is refused).

        Raises:
            BundleError: if the file is missing or unreadable.
        """
        try:
            return read_npz(io.BytesIO(self.contents[name]))
        except Exception as error:
            raise BundleError(f"{self.path}: {name} cannot be read: {error}") from error

    def cohort(self, variant: str = MODEL) -> NDArray[np.float32]:
        """The cohort of an extractor as a variant embeds it: ``(N, dim) float32``, unit length.

        Raises:
            BundleError: if the bundle holds none for it.
        """
        stored, key = self.arrays(COHORT), array_name("embeddings", variant)
        if key not in stored:
            raise BundleError(f"{self.path}: {COHORT} holds no cohort for {variant}")
        if self.card.output.kind == "bits":
            if stored[key].dtype != np.uint8 or stored[key].ndim != 2:
                raise BundleError(f"{self.path}: {COHORT}: {key} are no packed bits")
            return unit_codes(stored[key])
        vectors = stored[key].astype(np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def leave_out(self) -> LeaveOut | None:
        """When members of the cohort do not count; None if the card knows no similarity for it.

        Raises:
            BundleError: if the cohort's labels are missing or of another number.
        """
        calibration = self.card.calibration
        if calibration is None or calibration.same_thing is None:
            return None
        labels = self.arrays(COHORT).get("labels")
        if labels is None or labels.shape != (calibration.cohort_size,):
            raise BundleError(f"{self.path}: {COHORT} does not say what its {calibration.cohort_size} members show")
        return LeaveOut(np.unique(labels, return_inverse=True)[1].astype(np.int64), calibration.same_thing)


def precision_of(model: str) -> str:
    """Precision of a model file, by its name: ``model.onnx`` is fp32, ``model.int8.onnx`` int8."""
    return "fp32" if model == MODEL else model.removeprefix("model.").removesuffix(".onnx")


def array_name(name: str, model: str) -> str:
    """Name of an array in ``probe.npz`` or ``cohort.npz`` as a model file gives it, e.g. ``embeddings.int8``."""
    return name if model == MODEL else f"{name}.{precision_of(model)}"


def fingerprint(model: bytes, card: Card) -> str:
    """``sha256:<hex>`` over the model file's bytes and the canonical JSON of input, crop and output."""
    digest = hashlib.sha256(model)
    digest.update(json.dumps(card.function(), sort_keys=True, separators=(",", ":")).encode())
    return f"sha256:{digest.hexdigest()}"


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle and check card, hashes and fingerprints (not the graph: see ``verify_bundle``).

    Raises:
        BundleError: naming the bundle and what is wrong with it.
    """
    source = Path(path)
    contents = _read_contents(source)
    if CARD not in contents:
        raise BundleError(f"{source}: no {CARD}: not a bundle")
    try:
        card = Card.model_validate_json(contents[CARD])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{source}: {CARD}: {place}: {first['msg']}") from error
    _check_files(source, card, contents)
    return Bundle(source, card, contents)


def _check_files(source: Path, card: Card, contents: Mapping[str, bytes]) -> None:
    missing = [name for name in REQUIRED if name not in card.files]
    if card.kind == "extractor":
        missing += [name for name in (COHORT,) if name not in card.files]
        if card.crop is None or card.calibration is None or card.output.kind == "detection":
            raise BundleError(f"{source}: an extractor's card needs crop, calibration and an embedding or bits output")
    elif card.output.kind != "detection":
        raise BundleError(f"{source}: a detector's card needs a detection output")
    if missing:
        raise BundleError(f"{source}: the card does not list {', '.join(missing)}")
    if MODEL not in card.models:
        raise BundleError(f"{source}: the card does not describe {MODEL}")
    for name, expected in card.files.items():
        if name not in contents:
            raise BundleError(f"{source}: {name} is missing")
        if hashlib.sha256(contents[name]).hexdigest() != expected:
            raise BundleError(f"{source}: {name} is not the file that the card describes (sha256 differs)")
    for name, model in card.models.items():
        if card.files.get(name) != model.sha256:
            raise BundleError(f"{source}: the card gives two hashes for {name}")
        if fingerprint(contents[name], card) != model.fingerprint:
            raise BundleError(f"{source}: {name} does not have the fingerprint that the card claims")
    if card.fingerprint != card.models[MODEL].fingerprint:
        raise BundleError(f"{source}: the card's fingerprint is not that of {MODEL}")


def _read_contents(source: Path) -> dict[str, bytes]:
    try:
        if source.is_dir():
            return {entry.name: _read_limited(entry) for entry in sorted(source.iterdir()) if entry.is_file()}
        if source.is_file():
            return _read_tar(source)
    except (OSError, tarfile.TarError) as error:
        raise BundleError(f"{source}: cannot be read: {error}") from error
    raise BundleError(f"{source}: there is no such folder or file")


def _read_limited(path: Path) -> bytes:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise BundleError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    return path.read_bytes()


def _read_tar(source: Path) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    with tarfile.open(source, "r:") as archive:
        for member in archive:
            if not member.isfile():
                continue
            if member.size > MAX_FILE_BYTES:
                raise BundleError(f"{source}: {member.name} is larger than {MAX_FILE_BYTES} bytes")
            stream = archive.extractfile(member)
            if stream is not None:
                contents[Path(member.name).name] = stream.read()
    return contents


def write_bundle(
    path: str | os.PathLike[str],
    card: Mapping[str, Any],
    files: Mapping[str, bytes],
    measured: Mapping[str, Sequence[Measurement]] | None = None,
) -> Card:
    """Write a bundle folder, filling in hashes and fingerprints.

    Args:
        path: the folder; made if missing, files of the same names are replaced.
        card: the card's fields without ``fingerprint``, ``files`` and ``models``.
        files: content by name. ``model*.onnx`` are models: ``model.onnx`` fp32, ``model.int8.onnx`` int8,
            ``model.fp16.onnx`` fp16. ``LICENSE``, ``README.md``, ``probe.npz`` (and ``cohort.npz`` for an
            extractor) are required.
        measured: how the variants compare with ``model.onnx``, by their file names.

    Returns:
        The card as written.

    Raises:
        BundleError: if the result would not be readable.
    """
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    blank = {"fingerprint": "", "files": hashes, "models": {}}
    try:
        draft = Card.model_validate({**card, **blank})
        models = {
            name: {
                "sha256": hashes[name],
                "precision": precision_of(name),
                "fingerprint": fingerprint(content, draft),
                "measured": [one.model_dump() for one in (measured or {}).get(name, ())],
            }
            for name, content in files.items()
            if name.endswith(".onnx")
        }
        own = models.get(MODEL, {}).get("fingerprint", "")
        final = Card.model_validate({**card, "files": hashes, "models": models, "fingerprint": own})
    except ValidationError as error:
        raise BundleError(f"{path}: {error}") from error
    folder = Path(path)
    _check_files(folder, final, files)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / CARD).write_text(final.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return final
