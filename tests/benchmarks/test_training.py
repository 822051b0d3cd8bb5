import time

import pytest

from benchmarks.training import PARTS, WARMING, Figures, measure, report
from tests.training.engine.toy import Toy, settings


class Slow(Toy):
    """Burns 20 ms of processor time in the forward pass."""

    def losses(self, network, batch, at):
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        return super().losses(network, batch, at)


def test_time_is_counted_where_it_is_spent() -> None:
    figures = measure(Slow(batch_size=4), settings(epochs=1), 3)
    assert set(figures.parts) == set(PARTS)
    assert figures.parts["forward"] == pytest.approx(20 / 4, rel=0.3)
    assert figures.reference == pytest.approx(20 / 4, rel=0.5)
    assert figures.total - figures.parts["forward"] < figures.parts["forward"]


def test_the_first_step_is_not_counted() -> None:
    task = Slow(batch_size=4, poison=None)
    few, many = (measure(task, settings(epochs=1), steps).parts["forward"] for steps in (1, 4))
    assert few == pytest.approx(many, rel=0.3)
    assert WARMING == 1


def test_the_table_has_a_column_for_each_recipe() -> None:
    parts = dict(zip(PARTS, (1.0, 2.0, 3.0, 4.0, 0.0, 0.0), strict=True))
    lines = report({"one": Figures(parts, 8.0), "two": Figures(parts, 9.0)}).splitlines()
    assert lines[0] == "| CPU ms a picture | one | two |"
    assert "| all | 10.0 | 10.0 |" in lines
    assert "| pictures a second of one core | 100.0 | 100.0 |" in lines
    assert "| share of input | 30% | 30% |" in lines
