"""From references to items."""

from services.indexer.neighbours import Ranking, Shown, rank

SHOWN = {
    1: Shown("r1", 10, "oat", "Oat milk"),
    2: Shown("r2", 10, "oat", "Oat milk"),
    3: Shown("r3", 11, "oat-2", "Oat milk"),
    4: Shown("r4", 12, "soy", "Soy milk"),
    5: Shown("r5", 13, "fake", None),
}


def _rank(near: list[tuple[float, int]], top_k: int = 5, labels: int = 2) -> Ranking:
    return rank([s for s, _ in near], [i for _, i in near], SHOWN, top_k, 4, labels)


def test_each_item_appears_once_with_its_best_reference() -> None:
    ranking = _rank([(0.9, 2), (0.8, 1), (0.7, 3), (0.6, 4)])
    assert [(c.item_id, c.reference_id, c.similarity) for c in ranking.candidates] == [
        ("oat", "r2", 0.9),
        ("oat-2", "r3", 0.7),
        ("soy", "r4", 0.6),
    ]


def test_the_other_label_is_not_that_of_another_item_of_the_same_label() -> None:
    ranking = _rank([(0.9, 1), (0.7, 3), (0.6, 4)])
    assert (ranking.other_label, ranking.other_similarity) == ("Soy milk", 0.6)


def test_the_other_label_is_found_beyond_top_k() -> None:
    ranking = _rank([(0.9, 1), (0.7, 3), (0.6, 4)], top_k=1)
    assert len(ranking.candidates) == 1
    assert ranking.other_label == "Soy milk"
    assert ranking.complete


def test_a_negative_is_a_candidate_without_label_and_never_the_other_label() -> None:
    nearest = _rank([(0.9, 5), (0.7, 1), (0.6, 4)])
    assert nearest.candidates[0].label is None
    assert (nearest.other_label, nearest.labelled_similarity) == ("Oat milk", 0.7)
    second = _rank([(0.9, 1), (0.7, 5), (0.6, 4)])
    assert (second.other_label, second.labelled_similarity) == ("Soy milk", 0.9)


def test_more_neighbours_are_wanted_until_items_and_another_label_are_there() -> None:
    assert not _rank([(0.9, 1), (0.8, 2)]).complete
    assert not _rank([(0.9, 1), (0.8, 3)], top_k=2).complete
    assert _rank([(0.9, 1), (0.8, 3)], top_k=2, labels=1).complete


def test_equals_go_by_age() -> None:
    assert _rank([(0.9, 4), (0.9, 3), (-1.0, -1)]).candidates[0].reference_id == "r3"
