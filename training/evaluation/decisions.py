"""Are decisions what they promise? Real photos of classes that trained nothing."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kenspeckle.bundle import Bundle, Measurement
from kenspeckle.decision import Calibrator, Match, decide, expected_calibration_error, probability
from training.data.pictures import FOLDS, distractors, grocery, grocery_classes, mainbody
from training.data.select import split_by_photo
from training.evaluation.embed import bundle_embedder
from training.evaluation.episodes import KNOWN, SIBLING, UNRELATED, Facts, OpenSet, draw_episodes
from training.evaluation.retrieval import DRAWS, measurement

RATES = (0.01, 0.05, 0.10)
REFERENCES = (1, 3, 8)
EPISODES = 30
VERDICTS = ("known", "ambiguous", "unknown")
DATA = "grocery test, unseen classes, half enrolled"
EVERY_CLASS = "grocery test, all classes enrolled"
COHORT_CLASS = "main-body val, half the photos enrolled, classes that the cohort holds"


def decision_measurements(bundle: Bundle, data: Path, unseen_fold: int, command: str) -> list[Measurement]:
    """False-accept rates asked and got, known things accepted, and the calibration error of a bundle.

    With half of the unseen classes enrolled; with every class, those that the network was trained on included; and with
    things of the very classes that the cohort holds.
    """
    if bundle.card.calibration is None:
        raise ValueError(f"{bundle.path} is not an extractor")
    calibrator = bundle.card.calibration.calibrator
    embed = bundle_embedder(bundle)
    every = set(range(FOLDS))
    references, queries = embed(grocery(data, "train", every)), embed(grocery(data, "test", every))
    unrelated, cohort, rule = embed(distractors(data)), bundle.cohort(), bundle.leave_out()
    unseen = [one.name for one in grocery_classes(data) if one.fold == unseen_fold]
    new, shown_new = (pool.take(np.isin(pool.labels, unseen)) for pool in (references, queries))
    enrolled, shown = (embed(half) for half in split_by_photo(mainbody(data, "val")))
    every_class = OpenSet(references, queries, unrelated, cohort, rule)
    cohort_class = OpenSet(enrolled, shown, unrelated, cohort, rule)
    return [
        *open_set_measurements(OpenSet(new, shown_new, unrelated, cohort, rule), calibrator, command),
        *closed_set_measurements(every_class, calibrator, EVERY_CLASS, command),
        *closed_set_measurements(cohort_class, calibrator, COHORT_CLASS, command),
    ]


def open_set_measurements(open_set: OpenSet, calibrator: Calibrator, command: str) -> list[Measurement]:
    """Decisions and calibration with half of the labels enrolled, for embeddings already made."""
    measured = []
    for references in REFERENCES:
        facts = draw_episodes(open_set, references, EPISODES, seed=references)
        where = _where(DATA, references)
        for rate in RATES:
            measured += _rates(facts, rate, len(open_set.cohort), calibrator, where, command)
        stated = probabilities(facts, calibrator)
        error = expected_calibration_error(stated.tolist(), facts.right.tolist())
        metric = "calibration error of `probability`"
        measured.append(Measurement(metric=metric, data=where, value=round(error, 4), command=command))
    return measured


def closed_set_measurements(open_set: OpenSet, calibrator: Calibrator, data: str, command: str) -> list[Measurement]:
    """Decisions at the default rate with every label enrolled: there are no siblings then."""
    labels = len(np.unique(open_set.queries.labels))
    measured = []
    for references in REFERENCES:
        facts = draw_episodes(open_set, references, DRAWS, seed=references, labels=labels)
        measured += _rates(facts, RATES[1], len(open_set.cohort), calibrator, _where(data, references), command)
    return measured


def _where(data: str, references: int) -> str:
    return f"{data}, {references} reference{'s' if references > 1 else ''} per item"


def probabilities(facts: Facts, calibrator: Calibrator) -> NDArray[np.float64]:
    """``probability`` of every query."""
    triples = zip(facts.similarity, facts.margin, facts.p_value, strict=True)
    return np.array([probability(s, m, p, calibrator) for s, m, p in triples])


def verdicts(facts: Facts, rate: float, cohort_size: int, calibrator: Calibrator) -> NDArray[np.str_]:
    """The verdict of every query, by the rule that serving uses."""

    def verdict(similarity: float, margin: float, p_value: float) -> str:
        match = Match(
            label="best",
            item_id="best",
            similarity=similarity,
            other_similarity=similarity - margin,
            other_label="other",
            p_value=p_value,
            cohort_size=cohort_size,
        )
        return decide(match, rate, calibrator).verdict

    return np.array([verdict(*row) for row in zip(facts.similarity, facts.margin, facts.p_value, strict=True)])


def _rates(
    facts: Facts, rate: float, cohort_size: int, calibrator: Calibrator, where: str, command: str
) -> list[Measurement]:
    verdict = verdicts(facts, rate, cohort_size, calibrator)
    known, sibling, unrelated = (facts.kind == kind for kind in (KNOWN, SIBLING, UNRELATED))
    accepted = verdict == "known"
    shares = [
        ("unrelated things: p at most the rate", unrelated, facts.p_value <= rate),
        ("unrelated things accepted", unrelated, accepted),
        ("siblings: p at most the rate", sibling, facts.p_value <= rate),
        ("siblings accepted", sibling, accepted),
        ("known things rightly accepted", known, accepted & facts.right),
        ("known things accepted under a wrong label", known, accepted & ~facts.right),
        ("known things ambiguous", known, verdict == "ambiguous"),
    ]
    return [
        measurement(f"{name}, asked {rate:.0%}", where, value[mask].astype(np.float64), facts.photo[mask], command)
        for name, mask, value in shares
        if mask.any()
    ]
