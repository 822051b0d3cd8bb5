"""The whole stack with a variant of the extractor chosen by a setting."""

from pathlib import Path

from fastapi.testclient import TestClient

from tests.fixtures.bundles import thing, write_detector, write_extractor, write_variant
from tests.fixtures.stacks import encode, standalone_app


def test_a_variant_enrols_and_recognises_under_its_own_fingerprint(tmp_path: Path) -> None:
    models = tmp_path / "models"
    bundle = write_variant(models / "extractor", write_extractor(tmp_path / "plain"))
    write_detector(models / "detector")
    fingerprint = bundle.card.models["model.int8.onnx"].fingerprint
    with TestClient(standalone_app(models, tmp_path / "data", extractor={"variant": "model.int8.onnx"})) as stack:
        assert stack.get("/readyz").status_code == 200
        for seed in (1, 2):
            form = {"crop": "whole", "label": f"thing {seed}"}
            assert stack.post("/gallery", files={"image": encode(thing(seed))}, data=form).status_code == 201
        answer = stack.post("/recognize", content=encode(thing(2)), params={"detect": False}).json()
        assert answer["models"]["extractor"] == fingerprint
        assert answer["objects"][0]["label"] == "thing 2"
    with TestClient(standalone_app(models, tmp_path / "data")) as stack:
        refused = stack.post("/recognize", content=encode(thing(2)), params={"detect": False})
        assert refused.status_code == 409
        assert "re-embed" in refused.json()["detail"]
