"""Bundles: what is written is read back; what was tampered with is refused by name and reason."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kenspeckle.bundle import BundleError, open_session, read_bundle, verify_bundle
from tests.fixtures.bundles import write_detector, write_extractor, write_variant


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    write_extractor(folder / "extractor")
    write_detector(folder / "detector")
    return folder


@pytest.fixture
def extractor(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "extractor", tmp_path / "extractor"))


def edit_card(folder: Path, **changes: object) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | changes))


def as_tar(folder: Path, target: Path, prefix: str = "") -> Path:
    with tarfile.open(target, "w") as archive:
        for path in folder.iterdir():
            archive.add(path, prefix + path.name)
    return target


@pytest.mark.parametrize("kind", ["extractor", "detector"])
def test_a_written_bundle_reads_and_verifies(made: Path, kind: str) -> None:
    bundle = read_bundle(made / kind)
    verify_bundle(bundle)
    assert bundle.card.kind == kind
    assert bundle.card.fingerprint.startswith("sha256:")


def test_a_tar_is_the_same_bundle(made: Path, tmp_path: Path) -> None:
    tar = as_tar(made / "extractor", tmp_path / "bundle.tar")
    assert read_bundle(tar).card == read_bundle(made / "extractor").card


def test_names_in_a_tar_are_never_paths(made: Path, tmp_path: Path) -> None:
    tar = as_tar(made / "extractor", tmp_path / "bundle.tar", prefix="../../")
    read_bundle(tar)
    assert not (tmp_path.parent / "card.json").exists()


def test_the_cohort_is_of_unit_length(made: Path) -> None:
    cohort = read_bundle(made / "extractor").cohort()
    np.testing.assert_allclose(np.linalg.norm(cohort, axis=1), 1, atol=1e-6)


def test_the_fingerprint_changes_with_the_crop_rule_and_with_the_weights(made: Path, tmp_path: Path) -> None:
    other = write_extractor(tmp_path / "other", seed=1)
    assert other.card.fingerprint != read_bundle(made / "extractor").card.fingerprint


@pytest.mark.parametrize("name", ["model.onnx", "probe.npz", "cohort.npz", "LICENSE"])
def test_a_changed_file_is_refused_by_name(extractor: Path, name: str) -> None:
    content = bytearray((extractor / name).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (extractor / name).write_bytes(content)
    with pytest.raises(BundleError, match=name):
        read_bundle(extractor)


def test_a_missing_file_is_refused_by_name(extractor: Path) -> None:
    (extractor / "probe.npz").unlink()
    with pytest.raises(BundleError, match=r"probe\.npz is missing"):
        read_bundle(extractor)


def test_a_claimed_fingerprint_is_not_trusted(extractor: Path) -> None:
    edit_card(extractor, crop={"margin": 0.3, "fit": "squash"})
    with pytest.raises(BundleError, match="fingerprint"):
        read_bundle(extractor)


def test_an_unknown_field_in_the_card_is_named(extractor: Path) -> None:
    edit_card(extractor, colour="blue")
    with pytest.raises(BundleError, match="colour"):
        read_bundle(extractor)


@pytest.mark.parametrize("place", ["nowhere", "empty"])
def test_what_is_no_bundle_says_so(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError):
        read_bundle(tmp_path / place)


def test_a_graph_that_does_not_give_the_stored_answer_is_refused(made: Path) -> None:
    bundle = read_bundle(made / "extractor")
    stream = io.BytesIO()
    probe = bundle.arrays("probe.npz")
    np.savez(stream, image=probe["image"], embedding=np.roll(probe["embedding"], 1, axis=0))
    swapped = type(bundle)(bundle.path, bundle.card, {**bundle.contents, "probe.npz": stream.getvalue()})
    with pytest.raises(BundleError, match="cosine"):
        verify_bundle(swapped)


def test_pickled_arrays_are_not_loaded(made: Path) -> None:
    bundle = read_bundle(made / "extractor")
    stream = io.BytesIO()
    np.savez(stream, image=np.array([{"a": 1}], dtype=object))
    hostile = type(bundle)(bundle.path, bundle.card, {**bundle.contents, "probe.npz": stream.getvalue()})
    with pytest.raises(BundleError, match="cannot be read"):
        hostile.arrays("probe.npz")


def test_an_unknown_variant_lists_the_ones_there(made: Path) -> None:
    with pytest.raises(BundleError, match=r"model\.onnx"):
        open_session(read_bundle(made / "extractor"), "model.int8.onnx")


def test_a_variant_has_its_own_fingerprint_probe_and_cohort(made: Path, tmp_path: Path) -> None:
    plain = read_bundle(made / "extractor")
    bundle = write_variant(tmp_path / "variant", plain)
    for variant in bundle.card.models:
        verify_bundle(bundle, variant=variant)
    one = bundle.card.models["model.int8.onnx"]
    assert (one.precision, one.measured[0].value) == ("int8", -0.01)
    assert bundle.card.fingerprint == plain.card.fingerprint != one.fingerprint
    cohorts = bundle.cohort(), bundle.cohort("model.int8.onnx")
    assert 0.9 < float((cohorts[0] * cohorts[1]).sum(axis=1).min()) < 0.9999


def test_a_variant_without_stored_answers_is_refused(made: Path, tmp_path: Path) -> None:
    plain = read_bundle(made / "extractor")
    bundle = write_variant(tmp_path / "variant", plain)
    for name, reason in (("probe.npz", "shape"), ("cohort.npz", "no cohort")):
        damaged = type(bundle)(bundle.path, bundle.card, {**bundle.contents, name: plain.contents[name]})
        verify_bundle(damaged)
        with pytest.raises(BundleError, match=reason):
            verify_bundle(damaged, variant="model.int8.onnx")


def test_the_bundle_of_a_hashing_model_holds_packed_bits(tmp_path: Path) -> None:
    bundle = write_extractor(tmp_path / "hashing", hashing=True)
    verify_bundle(bundle)
    stored = bundle.arrays("cohort.npz")["embeddings"]
    assert (stored.dtype, stored.shape[1] * 8) == (np.uint8, 64)
    cohort = bundle.cohort()
    np.testing.assert_allclose(np.linalg.norm(cohort, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(np.packbits(cohort > 0, axis=1), stored)


def test_bits_that_differ_from_the_stored_ones_are_refused(tmp_path: Path) -> None:
    bundle = write_extractor(tmp_path / "hashing", hashing=True)
    probe = bundle.arrays("probe.npz")
    for changed, reason in ((~probe["bits"], "agree"), (probe["bits"].astype(np.float32), "shape")):
        stream = io.BytesIO()
        np.savez(stream, image=probe["image"], bits=changed)
        with pytest.raises(BundleError, match=reason):
            verify_bundle(type(bundle)(bundle.path, bundle.card, {**bundle.contents, "probe.npz": stream.getvalue()}))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_card_is_read_or_refused_never_worse(extractor: Path, content: bytes) -> None:
    (extractor / "card.json").write_bytes(content)
    with pytest.raises(BundleError):
        read_bundle(extractor)
