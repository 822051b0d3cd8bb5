"""Layouts of single data sets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from training.data.adapters.common import Parts, present
from training.data.pictures import Picture
from training.data.readers.base import ListError, existing, join
from training.data.readers.lists import Dialect, label_file_box, list_pictures


def columns_of(file: Path, count: int, separator: str | None = None) -> list[list[str]]:
    """The lines of a text file, cut into columns.

    Raises:
        ListError: where a line has another number of columns.
    """
    rows = []
    for number, line in enumerate(existing(file, "list file").read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            fields = [field.strip() for field in line.split(separator)]
            if len(fields) != count:
                raise ListError(file, number, f"{len(fields)} columns, wanted {count}")
            rows.append(fields)
    return rows


def read_mat(file: Path) -> dict[str, Any]:
    """The variables of a MATLAB file. Numbers, text and structures only: nothing in it is executed."""
    # Imported here, so that the list of data sets can be shown where training is not installed.
    from scipy.io import loadmat

    variables: dict[str, Any] = loadmat(existing(file, "annotation"), squeeze_me=True)
    return variables


@dataclass(frozen=True)
class Birds:
    """CUB-200-2011. Parts train and test as its makers split it; zero-shot parts by class, as retrieval uses it."""

    @property
    def splits(self) -> Sequence[str]:
        """Parts that can be read."""
        return ("train", "test", "retrieval_train", "retrieval_test", "all")

    @property
    def tree(self) -> str:
        """The files in one line."""
        return "images.txt, image_class_labels.txt, train_test_split.txt, images/001.Black_footed_Albatross/*.jpg"

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part, with the class's number as label."""
        names = columns_of(root / "images.txt", 2)
        classes = dict(columns_of(root / "image_class_labels.txt", 2))
        training = dict(columns_of(root / "train_test_split.txt", 2))
        found = [
            Picture(join(root / "images", name), classes[number])
            for number, name in names
            if in_part(split, training[number] == "1", int(classes[number]) <= 100)
        ]
        return present(found, root / "images.txt")


def in_part(split: str, trains: bool, first_half: bool) -> bool:
    """Whether a picture is in a part, of its makers' or of the zero-shot halves of the classes."""
    return {"train": trains, "test": not trains, "retrieval_train": first_half, "retrieval_test": not first_half}.get(
        split, True
    )


@dataclass(frozen=True)
class Cars:
    """Stanford Cars (Cars196): ``cars_annos.mat`` over ``car_ims/``."""

    @property
    def splits(self) -> Sequence[str]:
        """Parts that can be read."""
        return ("train", "test", "retrieval_train", "retrieval_test", "all")

    @property
    def tree(self) -> str:
        """The files in one line."""
        return "cars_annos.mat, car_ims/000001.jpg"

    def read(self, root: Path, split: str) -> list[Picture]:
        """The cars of a part, with their box."""
        rows = read_mat(root / "cars_annos.mat")["annotations"]
        found = []
        for row in np.atleast_1d(rows):
            number = int(row["class"])
            if in_part(split, not int(row["test"]), number <= 98):
                x0, y0, x1, y1 = (float(row[f"bbox_{side}"]) for side in ("x1", "y1", "x2", "y2"))
                found.append(Picture(join(root, str(row["relative_im_path"])), str(number), (x0 - 1, y0 - 1, x1, y1)))
        return present(found, root / "cars_annos.mat")


@dataclass(frozen=True)
class Flowers(Parts):
    """Oxford 102 flowers: ``imagelabels.mat``, ``setid.mat``, ``jpg/image_00001.jpg``."""

    @property
    def tree(self) -> str:
        """The files in one line."""
        return "imagelabels.mat, setid.mat, jpg/image_00001.jpg"

    def read(self, root: Path, split: str) -> list[Picture]:
        """The flowers of a part."""
        labels = np.ravel(read_mat(root / "imagelabels.mat")["labels"])
        numbers = np.ravel(read_mat(root / "setid.mat")[self.parts[split]])
        found = [Picture(root / f"jpg/image_{number:05d}.jpg", str(labels[number - 1])) for number in numbers.tolist()]
        return present(found, root / "setid.mat")


@dataclass(frozen=True)
class Clothes(Parts):
    """In-shop Clothes Retrieval: ``Eval/list_eval_partition.txt`` names picture, item and part."""

    @property
    def tree(self) -> str:
        """The files in one line."""
        return "Eval/list_eval_partition.txt (image_name item_id evaluation_status), Img/img/… or img/…"

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part, labelled by item."""
        file = existing(root / "Eval/list_eval_partition.txt", "list file")
        base = root / "Img" if (root / "Img").is_dir() else root
        rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines()[2:] if line.strip()]
        found = [Picture(join(base, row[0]), row[1]) for row in rows if row[2] == self.parts[split]]
        return present(found, file)


@dataclass(frozen=True)
class Landmarks(Parts):
    """Google Landmarks v2: pictures in folders of the first three letters of their id."""

    @property
    def tree(self) -> str:
        """The files in one line."""
        return "train_clean.csv (landmark_id,images), train.csv (id,url,landmark_id), train/a/b/c/abc….jpg"

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of the clean (or whole) training part."""
        file = existing(root / self.parts[split], "table")
        rows = [line.split(",") for line in file.read_text(encoding="utf-8").splitlines()[1:] if line]
        clean = self.parts[split] == "train_clean.csv"
        pairs = [(name, row[0]) for row in rows for name in row[1].split()] if clean else [(r[0], r[-1]) for r in rows]
        found = [
            Picture(join(root / "train", f"{name[0]}/{name[1]}/{name[2]}/{name}.jpg"), label) for name, label in pairs
        ]
        return present(found, file)


@dataclass(frozen=True)
class WildVehicles(Parts):
    """VERI-Wild: lists ``vehicle/picture`` and cameras in ``vehicle_info.txt``."""

    @property
    def tree(self) -> str:
        """The files in one line."""
        return (
            "train_test_split/train_list.txt, …/test_3000.txt, …/test_3000_query.txt (also 5000, 10000; "
            "vehicle/picture), …/vehicle_info.txt (id/image;Camera ID;…), images/00001/000001.jpg"
        )

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part, with their camera as group."""
        folder = root / "train_test_split"
        lines = existing(folder / "vehicle_info.txt", "table").read_text(encoding="utf-8").splitlines()[1:]
        cameras = {line.split(";")[0]: line.split(";")[1] for line in lines if ";" in line}
        found = []
        for (name,) in columns_of(folder / self.parts[split], 1):
            plain = name.removesuffix(".jpg")
            found.append(Picture(join(root / "images", f"{plain}.jpg"), plain.split("/")[0], group=cameras.get(plain)))
        return present(found, folder / self.parts[split])


@dataclass(frozen=True)
class SeasonedPersons(Parts):
    """MSMT17 V1: lists ``path identity``; the camera is the third part of a picture's name."""

    @property
    def tree(self) -> str:
        """The files in one line."""
        return "list_train.txt, list_val.txt, list_query.txt, list_gallery.txt (path identity), train/…, test/…"

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part, with their camera, counted from 0, as group."""
        file, folder = self.parts[split]
        pictures = list_pictures(root / file, root / folder, Dialect(group=None))
        return [replace(one, group=str(int(one.path.name.split("_")[2]) - 1)) for one in pictures]


@dataclass(frozen=True)
class WebCars(Parts):
    """CompCars: lists of paths ``make/model/year/name.jpg``; labelled by model, box from the label file."""

    @property
    def tree(self) -> str:
        """The files in one line."""
        return (
            "data/train_test_split/classification/train.txt, …/test.txt (make/model/year/name.jpg), "
            "data/image/…, data/label/….txt (last line x0 y0 x1 y1)"
        )

    def read(self, root: Path, split: str) -> list[Picture]:
        """The cars of a part."""
        file, images = root / self.parts[split], root / "data/image"
        names = [name for (name,) in columns_of(file, 1)]
        found = [Picture(join(images, name), name.split("/")[1]) for name in names]
        boxes = [label_file_box(one.path, images, root / "data/label") for one in present(found, file)]
        return [replace(one, box=box) for one, box in zip(found, boxes, strict=True)]


@dataclass(frozen=True)
class TinyPictures(Parts):
    """CIFAR-10, binary version: records of a label byte and 3 x 32 x 32 bytes, written out as PNG once."""

    RECORD = 1 + 3 * 32 * 32

    @property
    def tree(self) -> str:
        """The files in one line."""
        return "data_batch_1.bin … data_batch_5.bin, test_batch.bin, batches.meta.txt (the binary version)"

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part, in ``root/png``."""
        file = existing(root / "batches.meta.txt", "list of classes")
        names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [one for batch in self.parts[split] for one in self._batch(root, batch, names)]

    def _batch(self, root: Path, batch: str, names: Sequence[str]) -> list[Picture]:
        content = np.frombuffer(existing(root / batch, "batch").read_bytes(), np.uint8)
        if len(content) % self.RECORD:
            raise ValueError(f"{root / batch}: {len(content)} bytes are no whole number of records of {self.RECORD}")
        records = content.reshape(-1, self.RECORD)
        folder = root / "png" / Path(batch).stem
        folder.mkdir(parents=True, exist_ok=True)
        found = []
        for number, record in enumerate(records):
            path = folder / f"{number:05d}.png"
            if not path.exists():
                Image.fromarray(record[1:].reshape(3, 32, 32).transpose(1, 2, 0)).save(path)
            found.append(Picture(path, names[record[0]]))
        return found
