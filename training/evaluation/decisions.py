"""Are decisions what they promise? Real photos of classes that trained nothing."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kenspeckle.bundle import Bundle, Measurement
from kenspeckle.decision import Calibrator, Match, decide, expected_calibration_error, probability
from training.data.pictures import distractors, grocery
from training.evaluation.embed import bundle_embedder
from training.evaluation.episodes import KNOWN, SIBLING, UNRELATED, Facts, OpenSet, draw_episodes
from training.evaluation.retrieval import measurement

RATES = (0.01, 0.05, 0.10)
REFERENCES = (1, 3, 8)
EPISODES = 30
VERDICTS = ("known", "ambiguous", "unknown")
DATA = "grocery test, unseen classes, half enrolled"


def decision_measurements(bundle: Bundle, data: Path, unseen_fold: int, command: str) -> list[Measurement]:
    """False-accept rates asked and got, known things accepted, and the calibration error of a bundle."""
    embed = bundle_embedder(bundle)
    open_set = OpenSet(
        references=embed(grocery(data, "train", {unseen_fold})),
        queries=embed(grocery(data, "test", {unseen_fold})),
        unrelated=embed(distractors(data)),
        cohort=bundle.cohort(),
    )
    if bundle.card.calibration is None:
        raise ValueError(f"{bundle.path} is not an extractor")
    return open_set_measurements(open_set, bundle.card.calibration.calibrator, command)


def open_set_measurements(open_set: OpenSet, calibrator: Calibrator, command: str) -> list[Measurement]:
    """The same for embeddings already made."""
    measured = []
    for references in REFERENCES:
        facts = draw_episodes(open_set, references, EPISODES, seed=references)
        where = f"{DATA}, {references} reference{'s' if references > 1 else ''} per item"
        for rate in RATES:
            measured += _rates(facts, rate, len(open_set.cohort), calibrator, where, command)
        stated = probabilities(facts, calibrator)
        error = expected_calibration_error(stated.tolist(), facts.right.tolist())
        metric = "calibration error of `probability`"
        measured.append(Measurement(metric=metric, data=where, value=round(error, 4), command=command))
    return measured


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
    ]
