import numpy as np
import pytest

from kenspeckle.decision import Calibrator
from training.evaluation.calibrate import P_FLOOR, fit_calibrator, fit_logistic
from training.evaluation.decisions import open_set_measurements, verdicts
from training.evaluation.episodes import KNOWN, SIBLING, UNRELATED, Facts, OpenSet, draw_episodes, search_facts
from training.evaluation.pool import Pool

CALIBRATOR = Calibrator(intercept=-2, similarity=6, margin=5, log_p=-0.2, margin_cap=0.5)


def cloud(labels: list[str], each: int, seed: int, noise: float) -> Pool:
    """Unit vectors about one random centre per label; the centres depend on the label alone."""
    rng = np.random.default_rng(seed)
    centres = [np.random.default_rng(abs(hash_of(label))).normal(size=16) for label in labels for _ in range(each)]
    vectors = np.array(centres) + noise * rng.normal(size=(len(centres), 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = np.array([label for label in labels for _ in range(each)])
    return Pool(vectors.astype(np.float32), names, np.array([f"{seed}-{i}" for i in range(len(names))]))


def hash_of(label: str) -> int:
    return int.from_bytes(label.encode(), "big") % 2**32


def open_set() -> OpenSet:
    labels = [f"item{i}" for i in range(8)]
    other = cloud([f"other{i}" for i in range(60)], 1, 7, 0.1)
    cohort = cloud([f"cohort{i}" for i in range(200)], 1, 8, 0.1)
    return OpenSet(cloud(labels, 4, 1, 0.4), cloud(labels, 6, 2, 0.4), other, cohort.vectors)


def test_newton_recovers_the_coefficients_that_made_the_outcomes() -> None:
    rng = np.random.default_rng(0)
    columns = np.stack([np.ones(20000), rng.normal(size=20000), rng.normal(size=20000)], axis=1)
    truth = np.array([-0.5, 2.0, -1.0])
    outcomes = rng.random(20000) < 1 / (1 + np.exp(-columns @ truth))
    np.testing.assert_allclose(fit_logistic(columns, outcomes), truth, atol=0.1)


def test_the_calibrator_is_fitted_on_its_own_three_features() -> None:
    rng = np.random.default_rng(1)
    similarity, margin, p_value = rng.random(40000), rng.random(40000) * 0.4, rng.random(40000) * 0.99 + 0.01
    chance = 1 / (1 + np.exp(-(-3 + 4 * similarity + 6 * margin - 0.5 * np.log(np.maximum(p_value, P_FLOOR)))))
    right = rng.random(40000) < chance
    facts = Facts(similarity, margin, p_value, right, np.zeros(40000, int), np.array(["x"] * 40000))
    fitted = fit_calibrator(facts)
    assert fitted.similarity == pytest.approx(4, abs=0.4)
    assert fitted.margin == pytest.approx(6, abs=0.8)
    assert fitted.log_p == pytest.approx(-0.5, abs=0.1)
    assert fitted.p_floor == P_FLOOR


def test_facts_are_best_second_label_and_share_of_the_cohort() -> None:
    gallery = Pool(np.eye(3, dtype=np.float32), np.array(["a", "a", "b"]), np.array(["1", "2", "3"]))
    query = Pool(np.array([[0.8, 0.0, 0.6]], np.float32), np.array(["a"]), np.array(["q"]))
    facts = search_facts(query, gallery, np.array([0.9, 0.5, 0.1], np.float32), KNOWN)
    assert facts.similarity[0] == pytest.approx(0.8)
    assert facts.margin[0] == pytest.approx(0.2)
    assert facts.p_value[0] == pytest.approx(2 / 4)
    assert facts.right.tolist() == [True]


def test_half_of_the_queries_of_an_episode_are_known_and_no_unknown_one_is_right() -> None:
    facts = draw_episodes(open_set(), references=2, episodes=3, seed=0)
    counts = [int((facts.kind == kind).sum()) for kind in (KNOWN, SIBLING, UNRELATED)]
    assert counts == [72, 36, 36]
    assert not facts.right[facts.kind != KNOWN].any()
    assert facts.right[facts.kind == KNOWN].mean() > 0.8


def test_verdicts_follow_the_asked_rate() -> None:
    facts = draw_episodes(open_set(), references=2, episodes=3, seed=0)
    strict, lax = (verdicts(facts, rate, 200, CALIBRATOR) == "known" for rate in (0.01, 0.5))
    assert (facts.p_value[strict] <= 0.01).all()
    assert strict.sum() < lax.sum()


def test_measurements_state_rates_by_references_and_keep_the_promise_on_things_like_the_cohort() -> None:
    measured = open_set_measurements(open_set(), CALIBRATOR, "command")
    named = {(m.metric, m.data.split(", ")[-1]): m for m in measured}
    kept = named["unrelated things: p at most the rate, asked 10%", "3 references per item"]
    assert kept.interval is not None
    assert kept.interval[0] <= 0.12
    few = named["known things rightly accepted, asked 5%", "1 reference per item"]
    many = named["known things rightly accepted, asked 5%", "8 references per item"]
    assert many.value >= few.value
    assert ("calibration error of `probability`", "8 references per item") in named
