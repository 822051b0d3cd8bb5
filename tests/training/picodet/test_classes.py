"""Two classes from the recipe to the service, by the real commands."""

import json

import numpy as np
import pytest
import yaml
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from kenspeckle.bundle import BundleError, read_bundle, verify_bundle, write_bundle
from tests.fixtures.bundles import write_extractor
from tests.fixtures.stacks import encode, standalone_app
from training.cli import app
from training.picodet.evaluation.detectors import bundle_detector

SIDE = 128
RECIPE = {
    "name": "cups-and-tins",
    "input_size": 96,
    "classes": ["cup", "tin"],
    "categories": {"Cup": "cup", "Tin": "tin"},
    "coco": [{"annotations": "boxes.json"}],
    "validation": [{"annotations": "boxes.json"}],
    "augment": {"crop": 0.0, "flip": 0.0, "distort": 0.0},
    "model": {"backbone": {"name": "LCNet", "scale": 0.25}, "channels": 24, "tower_depth": 1, "classes": 2},
    "train": {
        "batch": 4,
        "batches_per_epoch": 22,
        "sizes": [96],
        "resampling": ["bilinear"],
        "optimizer": {"name": "AdamW", "lr": {"name": "Cosine", "learning_rate": 6e-3}},
        "loop": {"epochs": 3, "evaluate_every": 3, "ema_decay": 0.8},
    },
}


def draw(folder):
    """Four pictures, each with a bright round cup and a dark square tin; a third category is nobody's."""
    images, annotations = [], []
    for index, (cup, tin) in enumerate(
        [((8, 8), (70, 66)), ((66, 10), (10, 70)), ((10, 64), (70, 8)), ((70, 70), (6, 10))]
    ):
        picture = Image.new("RGB", (SIDE, SIDE), (110, 120, 110))
        pen = ImageDraw.Draw(picture)
        pen.ellipse((*cup, cup[0] + 48, cup[1] + 48), (250, 210, 40))
        pen.rectangle((*tin, tin[0] + 48, tin[1] + 48), (20, 20, 90))
        picture.save(folder / f"{index}.png")
        images.append({"id": index, "file_name": f"{index}.png", "width": SIDE, "height": SIDE, "source_key": "drawn"})
        for category, corner in ((5, cup), (3, tin)):
            annotations.append(
                {"id": len(annotations), "image_id": index, "category_id": category, "bbox": [*corner, 48, 48]}
            )
    categories = [{"id": 5, "name": "Cup"}, {"id": 3, "name": "Tin"}, {"id": 9, "name": "Else"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "boxes.json").write_text(json.dumps(content))
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))


def run(*arguments):
    result = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Data, a run of 60 steps, and its bundle; some seconds, for a network that tells the classes apart."""
    folder = tmp_path_factory.mktemp("classes")
    draw(folder)
    common = ("--recipe", folder / "recipe.yaml", "--data", folder)
    run("picodet", *common, "--out", folder / "run")
    run("export-picodet", *common, "--run", folder / "run", "--out", folder / "bundle", "--variant", "fp16")
    return folder


def test_the_run_is_measured_by_the_mean_over_the_classes(work):
    records = [json.loads(line) for line in (work / "run/log.jsonl").read_text().splitlines()]
    (measured,) = (record for record in records if record["kind"] == "eval")
    assert measured["ap50"] > 0.5


def test_the_bundle_names_its_classes_and_verifies(work):
    bundle = read_bundle(work / "bundle")
    assert bundle.card.output.classes == ("cup", "tin")
    assert bundle.card.parity.value < 0.01
    for name in ("model.onnx", "model.fp16.onnx"):
        verify_bundle(bundle, variant=name)
    assert "`classes` numbers cup, tin." in bundle.contents["README.md"].decode()


def test_each_box_has_the_class_of_what_it_shows(work):
    detect = bundle_detector(read_bundle(work / "bundle"))
    for index in range(4):
        with Image.open(work / f"{index}.png") as picture:
            found = detect(picture)
            for box, label in zip(found.boxes[:2], found.classes[:2], strict=True):
                middle = picture.getpixel((int(box[::2].mean()), int(box[1::2].mean())))
                assert label == (0 if middle[0] > 200 else 1)


def test_a_probe_with_another_class_is_refused(work, tmp_path):
    bundle = read_bundle(work / "bundle")
    probe = bundle.arrays("probe.npz")
    np.savez_compressed(tmp_path / "probe.npz", **{**probe, "classes": 1 - probe["classes"]})
    card = bundle.card.model_dump(mode="json", exclude={"fingerprint", "files", "models"})
    files = {name: bundle.contents[name] for name in bundle.card.files}
    write_bundle(tmp_path / "other", card, {**files, "probe.npz": (tmp_path / "probe.npz").read_bytes()})
    with pytest.raises(BundleError, match="boxes of the probe differ"):
        verify_bundle(read_bundle(tmp_path / "other"))


def test_a_card_that_hides_the_classes_is_refused(work, tmp_path):
    bundle = read_bundle(work / "bundle")
    card = bundle.card.model_dump(mode="json", exclude={"fingerprint", "files", "models"})
    card["output"]["classes"] = None
    write_bundle(tmp_path / "other", card, {name: bundle.contents[name] for name in bundle.card.files})
    with pytest.raises(BundleError, match=r"outputs are .*'classes'"):
        verify_bundle(read_bundle(tmp_path / "other"))


def test_the_evaluation_has_a_row_for_each_class_and_is_written_into_the_card(work, tmp_path):
    said = run(
        "eval-picodet", "--bundle", work / "bundle", "--data", work, "--teacher", work / "none.onnx",
        "--report", tmp_path, "--write",
    )  # fmt: skip
    assert "no teacher beside it" in said
    assert "no hand-checked boxes" in said
    figures = {(one.metric, one.data): one.value for one in read_bundle(work / "bundle").card.evaluation}
    each = [figures["this bundle: AP50", f"class {label}"] for label in ("cup", "tin")]
    assert figures["this bundle: AP50", "drawn"] == pytest.approx(np.mean(each), abs=1e-4)
    assert min(each) > 0.5
    assert ("whole picture: AP50", "class cup") not in figures
    assert figures["whole picture: recall@5", "drawn"] == 0
    assert (tmp_path / "report.html").exists()
    assert "| class tin |" in (work / "bundle/README.md").read_text()


def test_the_service_serves_it_and_leaves_the_classes_out(work, tmp_path):
    models = tmp_path / "models"
    write_extractor(models / "extractor")
    (models / "detector").symlink_to(work / "bundle")
    chosen = {"variant": "model.fp16.onnx"}
    with TestClient(standalone_app(models, tmp_path / "data", detector=chosen)) as stack:
        assert stack.get("/readyz").status_code == 200
        with Image.open(work / "0.png") as picture:
            answer = stack.post("/detect", content=encode(picture)).json()
    bundle = read_bundle(work / "bundle")
    assert answer["models"]["detector"] == bundle.card.models["model.fp16.onnx"].fingerprint
    found = answer["objects"]
    assert len(found) >= 2
    assert set(found[0]) == {"box", "score"}
