"""The figures of a detector on a set of pictures."""

from collections.abc import Mapping, Sequence

from kenspeckle.bundle import Measurement
from training.picodet.data import Picture
from training.picodet.evaluation.average_precision import bootstrap_ap, class_average_precision, of_class
from training.picodet.evaluation.detectors import Detections, detect_all, network_detector
from training.picodet.evaluation.matching import TOP, Score, score_sources, wilson
from training.picodet.model import PicoDet

CHECKED = "checked"
"""Sources whose names begin so have one box a picture, not all objects: no AP, and apart from the total."""
TOTAL = "all sources with human boxes"


def run_measurements(model: PicoDet, size: int, pictures: Sequence[Picture]) -> dict[str, float]:
    """AP and AP50 (of several classes: their mean), best-box rate and recall@5 of a network, as a run logs them."""
    found = detect_all(network_detector(model, size), pictures)
    precision = class_average_precision(pictures, found, model.config.classes)
    total = sum(score_sources(pictures, found).values(), Score())
    return {
        "ap": precision.ap,
        "ap50": precision.ap50,
        "best_box": total.best_right / max(total.photos, 1),
        f"recall_{TOP}": total.recalled / max(total.objects, 1),
    }


def measurements(
    name: str, pictures: Sequence[Picture], found: Sequence[Detections], command: str, classes: Sequence[str] = ()
) -> list[Measurement]:
    """Best box, recall, AP and AP50 of the detector ``name`` on each source and on all, with 95 % intervals.

    Shares have Wilson's interval, AP a bootstrap by picture.

    Args:
        classes: names of the classes that the detector tells apart, if there are several. Each gets figures of its own,
            and AP is the mean over them; best box and recall of a source ask where objects are, not what.
    """
    groups: dict[str, list[int]] = {}
    for index, picture in enumerate(pictures):
        groups.setdefault(picture.source, []).append(index)
        if not picture.source.startswith(CHECKED):
            groups.setdefault(TOTAL, []).append(index)
    groups = {key: value for key, value in groups.items() if key != TOTAL} | {TOTAL: groups.get(TOTAL, [])}
    result = []
    for source, indices in groups.items():
        if indices:
            chosen, hits = [pictures[i] for i in indices], [found[i] for i in indices]
            result += _shares(name, source, sum(score_sources(chosen, hits).values(), Score()), command)
            if not source.startswith(CHECKED):
                result += _precisions(name, source, chosen, hits, command, max(len(classes), 1))
    for number, label in enumerate(classes):
        chosen, hits = of_class(pictures, found, number)
        result += _shares(name, f"class {label}", sum(score_sources(chosen, hits).values(), Score()), command)
        result += _precisions(name, f"class {label}", chosen, hits, command, 1)
    return result


def _shares(name: str, source: str, score: Score, command: str) -> list[Measurement]:
    shares: Mapping[str, tuple[int, int]] = {
        "best box IoU >= 0.5": (score.best_right, score.photos),
        f"recall@{TOP}": (score.recalled, score.objects),
    }
    return [
        _measurement(f"{name}: {metric}", source, hits / max(total, 1), wilson(hits, total), command)
        for metric, (hits, total) in shares.items()
    ]


def _precisions(
    name: str, source: str, pictures: Sequence[Picture], found: Sequence[Detections], command: str, classes: int
) -> list[Measurement]:
    value = class_average_precision(pictures, found, classes)
    interval, interval50 = bootstrap_ap(pictures, found, classes)
    return [
        _measurement(f"{name}: AP50:95", source, value.ap, interval, command),
        _measurement(f"{name}: AP50", source, value.ap50, interval50, command),
    ]


def _measurement(metric: str, data: str, value: float, interval: tuple[float, float], command: str) -> Measurement:
    low, high = interval
    return Measurement(
        metric=metric, data=data, value=round(value, 4), interval=(round(low, 4), round(high, 4)), command=command
    )
