from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.data.adapters import layouts as lay
from training.data.adapters import DATASETS, KNOWN_SETS, KnownSet
from training.data.adapters.table import APPLICATION_SETS

Make = Callable[[lay.Files], lay.Found]
PARTS = ("train", "valid", "test")
THREE: dict[str, Make] = {part: lay.class_folders(f"{part}/") for part in PARTS}
ANY: dict[str, Make] = {"all": lay.nested}
PERSONS: dict[str, Make] = {
    "train": lay.persons("bounding_box_train"),
    "query": lay.persons("query"),
    "gallery": lay.persons("bounding_box_test"),
}
WILD = {f"query_{n}": lay.vehicles(f"test_{n}_query.txt") for n in (3000, 5000, 10000)}
WILD |= {f"gallery_{n}": lay.vehicles(f"test_{n}.txt") for n in (3000, 5000, 10000)}
ZERO_SHOT = ("train", "test", "retrieval_train", "retrieval_test", "all")
GPR = ("gldv2", "iNat", "sketch", "instre", "sop", "imdb_face")

LAYOUTS: dict[str, dict[str, Make]] = {
    "Aliproduct": {"train": lay.class_folders("train/"), "val": lay.unique_ids("val_list.txt")},
    "GLDv2": {
        "train": lay.landmarks("train_clean.csv", "landmark_id,images\n142820,{} {}\n"),
        "train_whole": lay.landmarks("train.csv", "id,url,landmark_id\n{},http://a/b,142820\n{},http://c,d,7\n"),
    },
    "VeRI-Wild": {"train": lay.vehicles("train_list.txt"), **WILD},
    "LogoDet-3K": {"all": lay.voc},
    "SOP": {"train": lay.ebay("Ebay_train.txt"), "test": lay.ebay("Ebay_test.txt")},
    "Inshop": {part: lay.clothes(part) for part in ("train", "query", "gallery")},
    "iCartoonFace": {
        "train": lay.cartoon_train, "test": lay.cartoon_test("test"), "distractors": lay.cartoon_test("distractors")
    },
    "bird400": THREE,
    "104flowers": {part: lay.class_folders(f"jpeg-224x224/{part}/") for part in ("train", "val", "test")},
    "Cars": ANY,
    "FashionProductImages": {"all": lay.fashion},
    "flowerrecognition": ANY,
    "food-101": {part: lay.food(part) for part in ("train", "test")},
    "fruits-262": ANY,
    "iNaturalist": {part: lay.inaturalist(part) for part in ("train", "val")},
    "indoor-scenes": {
        "all": lay.class_folders("Images/"),
        "train": lay.indoor("TrainImages.txt"), "test": lay.indoor("TestImages.txt"),
    },
    "Products-10k": {"train": lay.products("train.csv", "train"), "test": lay.products("test_kaggletest.csv", "test")},
    "CompCars-web": {part: lay.comp_cars(part) for part in ("train", "test")},
    "Gemstones": {part: lay.class_folders(f"{part}/") for part in ("train", "test")},
    **dict.fromkeys(("Balls", "DogBreeds", "SportsClassification", "MusicalInstruments"), THREE),
    **dict.fromkeys(("Butterflies", "TreeNuts"), THREE),
    **dict.fromkeys(("Vehicles", "AnimalImageDataset", "Pokemon", "Boats", "Shoes"), ANY),
    **dict.fromkeys(("WildEdiblePlants", "Weather", "Garbage", "AerialScenes", "Vegetables"), ANY),
    "ParisBuildings": {"all": lay.paris},
    "DrinkDemo": {"gallery": lay.drinks},
    "CUB-200-2011": {part: lay.birds(part) for part in ZERO_SHOT},
    "Cars196": {part: lay.cars(part) for part in ZERO_SHOT},
    "Flowers102": {part: lay.flowers(part) for part in PARTS},
    "Market-1501": PERSONS,
    "DukeMTMC-reID": PERSONS,
    "MSMT17_V1": {
        "train": lay.seasons("list_train.txt", "train"), "val": lay.seasons("list_val.txt", "train"),
        "query": lay.seasons("list_query.txt", "test"), "gallery": lay.seasons("list_gallery.txt", "test"),
    },
    "Logo-2K+": {
        "all": lay.logos(None),
        "train": lay.logos("List/train_images_root.txt"), "test": lay.logos("List/test_images_root.txt"),
    },
    "BoxCars116k": {part: lay.box_cars(part) for part in ("train", "validation", "test")},
    "PKU-VD1": {part: lay.pku(part) for part in ("train", "test")},
    "PKU-VD2": {part: lay.pku(part) for part in ("train", "test")},
    "Manga109": {"all": lay.manga},
    "IIIT-CFW": {"all": lay.caricatures},
    "Tsinghua-Tencent-100K": {part: lay.signs(part) for part in ("train", "test", "other")},
    "CIFAR-10": {"train": lay.cifar([f"data_batch_{n}" for n in range(1, 6)]), "test": lay.cifar(["test_batch"])},
    "GPR1200": {"all": lay.gpr_all},
    **{f"GPR1200-{name}": {"all": lay.gpr(200 * place)} for place, name in enumerate(GPR)},
}  # fmt: skip

SCENARIOS = [known.name for known in APPLICATION_SETS[:-1]] + ["FashionProductImages", "104flowers"]
for _name in SCENARIOS:
    LAYOUTS[_name] = {
        **LAYOUTS[_name],
        "gallery": lay.class_folders("Gallery/"),
        "query": lay.class_folders("Query/"),
    }


def relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


@pytest.mark.parametrize("known", KNOWN_SETS, ids=lambda known: known.name)
def test_every_part_of_every_known_set_opens_in_its_official_layout(known: KnownSet, tmp_path: Path) -> None:
    assert sorted(known.layout.splits) == sorted(LAYOUTS[known.name])
    for split, make in LAYOUTS[known.name].items():
        root = tmp_path / split
        wanted = make(lay.Files(root))
        found = DATASETS.build({"name": known.name, "image_root": str(root), "split": split})
        assert {(relative(one.path, root), one.label, one.group, one.box) for one in found.pictures} == wanted
        assert len(found) == len(wanted)
        assert all(one.path.is_file() for one in found.pictures)


@pytest.mark.parametrize("known", KNOWN_SETS, ids=lambda known: known.name)
def test_an_empty_folder_is_an_error_that_says_what_is_wanted(known: KnownSet, tmp_path: Path) -> None:
    for split in known.layout.splits:
        with pytest.raises(ValueError, match=r"no such|no pictures"):
            DATASETS.build({"name": known.name, "image_root": str(tmp_path), "split": split})


def test_the_first_part_is_the_default_and_unknown_ones_are_named(tmp_path: Path) -> None:
    lay.class_folders("train/")(lay.Files(tmp_path))
    assert DATASETS.build({"name": "bird400", "image_root": str(tmp_path)}).class_num == 2
    with pytest.raises(ValueError, match="bird400 has no part 'val'; there are train, valid, test"):
        DATASETS.build({"name": "bird400", "image_root": str(tmp_path), "split": "val"})


def test_every_set_of_the_documents_is_there() -> None:
    by_use = {use: {known.name for known in KNOWN_SETS if use in known.used_in} for use in ("V1", "V2", "application")}
    assert by_use["V1"] == {"Aliproduct", "GLDv2", "VeRI-Wild", "LogoDet-3K", "SOP", "Inshop", "iCartoonFace"}
    assert len(by_use["V2"] - {"Flowers102"}) == 17
    assert len(by_use["application"] - {"DrinkDemo"}) == 21


def test_a_picture_that_a_list_names_and_is_not_there_is_named(tmp_path: Path) -> None:
    lay.birds("all")(lay.Files(tmp_path))
    (tmp_path / "images/a/a.jpg").unlink()
    with pytest.raises(ValueError, match=r"images\.txt: 1 of 4 pictures are missing, the first is .*a\.jpg"):
        DATASETS.build({"name": "CUB-200-2011", "image_root": str(tmp_path), "split": "all"})


def test_pictures_of_binary_records_are_written_once_with_their_pixels(tmp_path: Path) -> None:
    record = np.arange(3073, dtype=np.uint32).astype(np.uint8)
    record[0] = 0
    (tmp_path / "test_batch.bin").write_bytes(record.tobytes())
    (tmp_path / "batches.meta.txt").write_text("cat\n")
    config = {"name": "CIFAR-10", "image_root": str(tmp_path), "split": "test"}
    (picture,) = DATASETS.build(config).pictures
    pixels = np.asarray(Image.open(picture.path))
    assert pixels[3, 5].tolist() == [record[1 + c * 1024 + 3 * 32 + 5] for c in range(3)]
    before = picture.path.stat().st_mtime_ns
    assert DATASETS.build(config).pictures[0].path.stat().st_mtime_ns == before
    (tmp_path / "test_batch.bin").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"test_batch\.bin: 1 bytes are no whole number of records"):
        DATASETS.build(config)


@pytest.mark.parametrize("text", ['<!DOCTYPE a [<!ENTITY b "c">]><a/>', "<a>"])
def test_xml_that_is_broken_or_defines_entities_is_refused(tmp_path: Path, text: str) -> None:
    lay.Files(tmp_path).write("Food/Cola/1.xml", text)
    with pytest.raises(ValueError, match=r"1\.xml: "):
        DATASETS.build({"name": "LogoDet-3K", "image_root": str(tmp_path)})


def test_names_in_annotations_do_not_lead_out_of_the_root(tmp_path: Path) -> None:
    files = lay.Files(tmp_path / "root")
    files.write("train2019.json", '{"images": [{"id": 0, "file_name": "../x.jpg"}], "annotations": '
                                  '[{"image_id": 0, "category_id": 1}]}')  # fmt: skip
    with pytest.raises(ValueError, match="leads out of"):
        DATASETS.build({"name": "iNaturalist", "image_root": str(tmp_path / "root")})
