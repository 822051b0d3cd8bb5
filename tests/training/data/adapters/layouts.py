"""Tiny data sets in the official layouts: files written by hand-made rules, with what a reader must find in them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import savemat  # type: ignore[import-untyped]

Box = tuple[float, float, float, float]
Found = set[tuple[str, str, str | None, Box | None]]
"""Path below the root, label, group, box."""


@dataclass
class Files:
    """Writes files below a root."""

    root: Path

    def touch(self, *names: str) -> None:
        for name in names:
            self.write(name, "")

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, encoding="utf-8")

    def mat(self, name: str, content: dict[str, object]) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        savemat(self.root / name, content)


def plain(*rows: tuple[str, str]) -> Found:
    return {(path, label, None, None) for path, label in rows}


def class_folders(folder: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        rows = [(f"{folder}{label}/{label} {n}.jpg", label) for label in ("oak leaf", "rose") for n in (1, 2)]
        files.touch(*(path for path, _ in rows), f"{folder}readme.txt")
        return plain(*rows)

    return make


def unique_ids(listing: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.touch("a/1.jpg", "b/2.jpg")
        files.write(listing, "a/1.jpg 0 17\nb/2.jpg 1 18\n")
        return {("a/1.jpg", "0", "17", None), ("b/2.jpg", "1", "18", None)}

    return make


def voc(files: Files) -> Found:
    for name, boxes in (("Food/Cola/1", ["1 2 30 40", "50 60 70 80"]), ("Sports/Run/2", ["5 6 7 8"])):
        files.touch(f"{name}.jpg")
        sides = [dict(zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=True)) for box in boxes]
        objects = "".join(
            "<object><name>x</name><bndbox>" + "".join(f"<{k}>{v}</{k}>" for k, v in one.items()) + "</bndbox></object>"
            for one in sides
        )
        files.write(f"{name}.xml", f"<annotation><size><width>99</width></size>{objects}</annotation>")
    return {
        ("Food/Cola/1.jpg", "Food/Cola", None, (1, 2, 30, 40)),
        ("Food/Cola/1.jpg", "Food/Cola", None, (50, 60, 70, 80)),
        ("Sports/Run/2.jpg", "Sports/Run", None, (5, 6, 7, 8)),
    }


def landmarks(table: str, text: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        names = ("6e158a47eb2ca3f6", "202cd79556f30760")
        paths = [f"train/{n[0]}/{n[1]}/{n[2]}/{n}.jpg" for n in names]
        files.touch(*paths)
        files.write(table, text.format(*names))
        return plain((paths[0], "142820"), (paths[1], "142820" if table == "train_clean.csv" else "7"))

    return make


def vehicles(listing: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.touch("images/00001/000001.jpg", "images/00002/000017.jpg")
        files.write(f"train_test_split/{listing}", "00001/000001\n00002/000017\n")
        files.write(
            "train_test_split/vehicle_info.txt",
            "id/image;Camera ID;Time;Model;Type;Color\n00001/000001;68;2018;a;b;c\n00002/000017;3;2018;a;b;c\n",
        )
        return {("images/00001/000001.jpg", "00001", "68", None), ("images/00002/000017.jpg", "00002", "3", None)}

    return make


def ebay(listing: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.touch("bicycle_final/1_0.JPG", "chair_final/2_0.JPG")
        files.write(
            listing,
            "image_id class_id super_class_id path\n1 1 1 bicycle_final/1_0.JPG\n2 5 3 chair_final/2_0.JPG\n",
        )
        return plain(("bicycle_final/1_0.JPG", "0"), ("chair_final/2_0.JPG", "4"))

    return make


def clothes(part: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        name = f"img/WOMEN/Dresses/id_00000002/{part}_front.jpg"
        other = "img/MEN/Denim/id_00000080/01_1_front.jpg"
        files.touch(f"Img/{name}", f"Img/{other}")
        status = {"train": "query", "query": "gallery", "gallery": "train"}[part]
        files.write(
            "Eval/list_eval_partition.txt",
            f"2\nimage_name item_id evaluation_status\n{name}   id_00000002   {part}\n{other}  id_00000080  {status}\n",
        )
        return plain((f"Img/{name}", "id_00000002"))

    return make


def cartoon_train(files: Files) -> Found:
    base = "personai_icartoonface_rectrain/"
    name = "personai_icartoonface_rectrain_00001/a_0001.jpg"
    files.touch(f"{base}icartoonface_rectrain/{name}")
    files.write(f"{base}icartoonface_rectrain_det.txt", f"{name}\t10\t20\t110\t140\n")
    label = "personai_icartoonface_rectrain_00001"
    return {(f"{base}icartoonface_rectrain/{name}", label, None, (10, 20, 110, 140))}


def cartoon_test(part: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        folder = "personai_icartoonface_rectest/icartoonface_rectest/"
        files.touch(f"{folder}t_1.jpg", f"{folder}t_2.jpg")
        files.write("icartoonface_rectest_info.txt", "t_1.jpg 1 2 3 4 17\nt_2.jpg 5 6 7 8 -1\nt_1.jpg t_2.jpg\n")
        if part == "test":
            return {(f"{folder}t_1.jpg", "17", None, (1, 2, 3, 4))}
        return {(f"{folder}t_2.jpg", "distractor", None, (5, 6, 7, 8))}

    return make


def fashion(files: Files) -> Found:
    files.touch("images/15970.jpg", "images/39386.jpg")
    files.write(
        "styles.csv",
        "id,gender,masterCategory,subCategory,articleType,productDisplayName\n"
        "15970,Men,Apparel,Topwear,Shirts,Navy Shirt\n39386,Men,Apparel,Bottomwear,Jeans,Blue, slim, Jeans\n"
        "12345,Men,Apparel,Topwear,Shirts,one whose picture is missing\n",
    )
    return plain(("images/15970.jpg", "Topwear"), ("images/39386.jpg", "Bottomwear"))


def food(part: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.touch("images/apple_pie/1005649.jpg", "images/sushi/7.jpg")
        files.write(f"meta/{part}.txt", "apple_pie/1005649\nsushi/7\n")
        return plain(("images/apple_pie/1005649.jpg", "apple_pie"), ("images/sushi/7.jpg", "sushi"))

    return make


def inaturalist(part: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        name = "train_val2019/Plants/400/d1322d13ccd856eb4236c8b888546c79.jpg"
        files.touch(name)
        content = {
            "images": [{"id": 0, "file_name": name, "width": 1, "height": 1}],
            "annotations": [{"id": 0, "image_id": 0, "category_id": 400}],
        }
        files.write(f"{part}2019.json", json.dumps(content))
        return plain((name, "400"))

    return make


def indoor(listing: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.touch("Images/kitchen/int474.jpg", "Images/bar/b.jpg")
        files.write(listing, "kitchen/int474.jpg\nbar/b.jpg\n")
        return plain(("Images/kitchen/int474.jpg", "kitchen"), ("Images/bar/b.jpg", "bar"))

    return make


def products(table: str, folder: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.touch(f"{folder}/1.jpg", f"{folder}/2.jpg")
        files.write(table, "name,class,group\n1.jpg,0,5\n2.jpg,9690,7\n")
        return plain((f"{folder}/1.jpg", "0"), (f"{folder}/2.jpg", "9690"))

    return make


def comp_cars(part: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        name = "78/1/2014/3ac218c0c6c378"
        files.touch(f"data/image/{name}.jpg")
        files.write(f"data/label/{name}.txt", "1\n1\n11 48 844 502\n")
        files.write(f"data/train_test_split/classification/{part}.txt", f"{name}.jpg\n")
        return {(f"data/image/{name}.jpg", "1", None, (11, 48, 844, 502))}

    return make


def paris(files: Files) -> Found:
    files.touch("paris_1/paris/defense/paris_defense_000000.jpg", "paris_1/paris/eiffel/paris_eiffel_000012.jpg")
    return plain(
        ("paris_1/paris/defense/paris_defense_000000.jpg", "paris_defense"),
        ("paris_1/paris/eiffel/paris_eiffel_000012.jpg", "paris_eiffel"),
    )


def nested(files: Files) -> Found:
    files.touch("animals/animals/red fox/1.jpg", "animals/animals/owl/2.png", "name of the animals.txt")
    return plain(("animals/animals/red fox/1.jpg", "red fox"), ("animals/animals/owl/2.png", "owl"))


def drinks(files: Files) -> Found:
    files.touch("gallery/gallery/a tea.jpg", "gallery/gallery/b.jpg")
    files.write("gallery/drink_label.txt", "gallery/a tea.jpg\tred tea\ngallery/b.jpg\tcola\n")
    return plain(("gallery/gallery/a tea.jpg", "red tea"), ("gallery/gallery/b.jpg", "cola"))


def birds(part: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        rows = {"1": ("a", "1", "1"), "2": ("b", "100", "0"), "3": ("c", "101", "1"), "4": ("d", "200", "0")}
        files.touch(*(f"images/{name}/{name}.jpg" for name, _, _ in rows.values()))
        files.write("images.txt", "".join(f"{n} {name}/{name}.jpg\n" for n, (name, _, _) in rows.items()))
        files.write("image_class_labels.txt", "".join(f"{n} {label}\n" for n, (_, label, _) in rows.items()))
        files.write("train_test_split.txt", "".join(f"{n} {trains}\n" for n, (_, _, trains) in rows.items()))
        chosen = {"train": "ac", "test": "bd", "retrieval_train": "ab", "retrieval_test": "cd", "all": "abcd"}[part]
        return plain(*((f"images/{n}/{n}.jpg", label) for n, label, _ in rows.values() if n in chosen))

    return make


def cars(part: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        kinds = ["relative_im_path", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "test"]
        rows = [("a", 98, 0), ("b", 99, 0), ("c", 1, 1), ("d", 196, 1)]
        table = np.zeros((1, 4), dtype=[(kind, object) for kind in kinds])
        for place, (name, label, test) in enumerate(rows):
            table[0, place] = (f"car_ims/{name}.jpg", 5, 6, 70, 80, label, test)
        files.mat("cars_annos.mat", {"annotations": table})
        files.touch(*(f"car_ims/{name}.jpg" for name, _, _ in rows))
        chosen = {"train": "ab", "test": "cd", "retrieval_train": "ac", "retrieval_test": "bd", "all": "abcd"}[part]
        return {(f"car_ims/{n}.jpg", str(label), None, (4, 5, 70, 80)) for n, label, _ in rows if n in chosen}

    return make


def flowers(part: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.mat("imagelabels.mat", {"labels": np.array([[77, 77, 3]], np.uint8)})
        files.mat("setid.mat", {"trnid": [[1, 3]], "valid": [[2]], "tstid": [[2, 3]]})
        files.touch(*(f"jpg/image_{n:05d}.jpg" for n in (1, 2, 3)))
        chosen = {"train": (1, 3), "valid": (2,), "test": (2, 3)}[part]
        return plain(*((f"jpg/image_{n:05d}.jpg", "3" if n == 3 else "77") for n in chosen))

    return make


def persons(folder: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.touch(f"{folder}/0002_c1s1_000451_03.jpg", f"{folder}/1500_c6s3_086542_02.jpg")
        files.touch(f"{folder}/-1_c3s2_000093_02.jpg")
        return {
            (f"{folder}/0002_c1s1_000451_03.jpg", "2", "0", None),
            (f"{folder}/1500_c6s3_086542_02.jpg", "1500", "5", None),
        }

    return make


def seasons(listing: str, folder: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.touch(f"{folder}/0000/0000_000_01_0303morning_0008_0.jpg", f"{folder}/0001/0001_003_15_0303noon_1_2.jpg")
        files.write(listing, "0000/0000_000_01_0303morning_0008_0.jpg 0\n0001/0001_003_15_0303noon_1_2.jpg 1\n")
        return {
            (f"{folder}/0000/0000_000_01_0303morning_0008_0.jpg", "0", "0", None),
            (f"{folder}/0001/0001_003_15_0303noon_1_2.jpg", "1", "14", None),
        }

    return make


def logos(listing: str | None) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.touch("Logo-2K+/Food/Wendy's/1.jpg", "Logo-2K+/Clothes/On/2.jpg")
        if listing:
            files.write(listing, "Food/Wendy's/1.jpg\nClothes/On/2.jpg\n")
        return plain(("Logo-2K+/Food/Wendy's/1.jpg", "Food/Wendy's"), ("Logo-2K+/Clothes/On/2.jpg", "Clothes/On"))

    return make


def box_cars(part: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        samples = [
            {"annotation": "skoda octavia", "instances": [{"path": "137/2/a.png"}, {"path": "137/2/b.png"}]},
            {"annotation": "vw golf", "instances": [{"path": "138/1/c.png"}]},
        ]
        files.touch("images/137/2/a.png", "images/137/2/b.png", "images/138/1/c.png")
        files.write("json_data/dataset.json", json.dumps({"samples": samples}))
        splits = {"hard": {part: [[0, 12], [1, 3]], "types_mapping": {}}}
        files.write("json_data/classification_splits.json", json.dumps(splits))
        return {
            ("images/137/2/a.png", "12", "0", None),
            ("images/137/2/b.png", "12", "0", None),
            ("images/138/1/c.png", "3", "1", None),
        }

    return make


def pku(part: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.touch("image/CRL_1.jpg", "image/CRL_2.jpg")
        files.write(f"train_test/{part}list.txt", "CRL_1 17 5 3\nCRL_2 18 6 1\n")
        return plain(("image/CRL_1.jpg", "17"), ("image/CRL_2.jpg", "18"))

    return make


def manga(files: Files) -> Found:
    files.touch("images/ARMS/003.jpg")
    files.write(
        "annotations/ARMS.xml",
        '<?xml version="1.0" encoding="UTF-8"?><book title="ARMS"><characters/><pages>'
        '<page index="3" width="9" height="9"><face id="1" xmin="1" ymin="2" xmax="3" ymax="4" character="00a"/>'
        '<body id="2" xmin="1" ymin="2" xmax="9" ymax="9" character="00a"/></page></pages></book>',
    )
    return {("images/ARMS/003.jpg", "ARMS/00a", None, (1, 2, 3, 4))}


def caricatures(files: Files) -> Found:
    files.touch("cartoonFaces/AamirKhan0001.jpg", "cartoonFaces/MrBean_2.jpg")
    return plain(("cartoonFaces/AamirKhan0001.jpg", "AamirKhan"), ("cartoonFaces/MrBean_2.jpg", "MrBean"))


def signs(part: str) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        sign = {"category": "pl80", "bbox": {"xmin": 1.5, "ymin": 2, "xmax": 30, "ymax": 40}}
        images = {
            "10056": {"path": f"{part}/10056.jpg", "id": 10056, "objects": [sign]},
            "1": {"path": "elsewhere/1.jpg", "id": 1, "objects": [sign]},
        }
        files.write("data/annotations.json", json.dumps({"types": ["pl80"], "imgs": images}))
        files.touch(f"data/{part}/10056.jpg")
        return {(f"data/{part}/10056.jpg", "pl80", None, (1.5, 2, 30, 40))}

    return make


def cifar(batches: list[str]) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.write("batches.meta.txt", "airplane\nautomobile\n\n")
        found = []
        for batch in batches:
            records = np.zeros((2, 3073), np.uint8)
            records[1] = 1
            (files.root / f"{batch}.bin").write_bytes(records.tobytes())
            found += [(f"png/{batch}/00000.png", "airplane"), (f"png/{batch}/00001.png", "automobile")]
        return plain(*found)

    return make


def gpr(first: int) -> Callable[[Files], Found]:
    def make(files: Files) -> Found:
        files.touch(f"images/{first}_a.jpg", f"images/{first + 199}_b_c.jpg", f"images/{(first + 200) % 1200}_d.jpg")
        return plain((f"images/{first}_a.jpg", str(first)), (f"images/{first + 199}_b_c.jpg", str(first + 199)))

    return make


def gpr_all(files: Files) -> Found:
    files.touch("images/0_a.jpg", "images/1199_b.jpg")
    return plain(("images/0_a.jpg", "0"), ("images/1199_b.jpg", "1199"))
