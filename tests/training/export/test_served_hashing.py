"""From pictures to a served hashing model, by the commands: train, export, verify, serve, enrol, recognise, delete."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from typer.testing import CliRunner

from kenspeckle.bundle import read_bundle, verify_bundle
from services.indexer.store.database import Database
from services.indexer.store.tables import embedding
from tests.fixtures.bundles import write_detector
from tests.fixtures.stacks import standalone_app
from tests.training.pictures import draw_folder
from tests.training.recmodel.fixture_run import CONFIG, lay_out
from training.cli import app
from training.data.pictures import folder_pictures
from training.evaluation.embed import bundle_embedder

BITS = 64
HASHING = (
    "Global.epochs=1",
    "Global.feature_binarize=sign",
    f"Arch.Neck={{name: HashNeck, embedding_size: 1280, bits: {BITS}}}",
    f"Arch.Head.embedding_size={BITS}",
    "Loss.Train.1={DSHSDLoss: {weight: 1.0, alpha: 0.05}}",
)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bundles with an extractor that was trained here."""
    monkeypatch.chdir(lay_out(tmp_path))
    monkeypatch.setattr("training.engine.run.draw_curves", lambda records, path: None)
    draw_folder(tmp_path / "others", 4, 6, seed=1, side=40)
    given = [part for override in HASHING for part in ("-o", override)]
    sources = ["--data", "pictures", "--others", "others", "--out", "models/extractor"]
    for command in (["train", "-c", str(CONFIG), *given], ["export", "--run", "run", *sources]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    write_detector(tmp_path / "models/detector")
    return tmp_path / "models"


def test_bits_of_a_trained_model_are_stored_searched_and_deleted(models: Path, tmp_path: Path) -> None:
    bundle = read_bundle(models / "extractor")
    verify_bundle(bundle)
    assert (bundle.card.output.kind, bundle.card.output.dim, bundle.card.parity.metric) == (
        "bits",
        BITS,
        "min_bit_agreement",
    )
    pictures = [one for one in folder_pictures(tmp_path / "pictures") if one.path.stem == "0"]
    with TestClient(standalone_app(models, tmp_path / "data")) as stack:
        added = {}
        for one in pictures:
            files = {"image": one.path.read_bytes()}
            answer = stack.post("/gallery", files=files, data={"label": one.label, "crop": "whole"})
            assert answer.status_code == 201, answer.text
            added[one.label] = answer.json()["item_id"]
        with Database(f"sqlite:///{tmp_path / 'data/indexer.db'}").read() as connection:
            stored = list(connection.execute(select(embedding.c.vector)).scalars())
        assert {len(vector) for vector in stored} == {BITS // 8}
        shown = stack.post("/recognize", content=pictures[1].path.read_bytes(), params={"detect": False}).json()[
            "objects"
        ][0]
        assert shown["candidates"][0]["similarity"] == 1.0
        vectors = bundle_embedder(bundle)(pictures).vectors  # their inner products are shares of equal bits
        likeness = dict(zip(added, (vectors @ vectors[1]).tolist(), strict=True))
        got = {one["label"]: one["similarity"] for one in shown["candidates"]}
        assert got == pytest.approx(likeness, abs=1e-5)
        assert stack.delete(f"/galleries/default/items/{added['thing-1']}").status_code == 200
        left = stack.post("/recognize", content=pictures[1].path.read_bytes(), params={"detect": False}).json()[
            "objects"
        ][0]
        assert "thing-1" not in {one["label"] for one in left["candidates"]}
