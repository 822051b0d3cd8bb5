import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config.scalars import number


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.0/255.0", 1 / 255), ("0.00392157", 0.00392157), (" 2*(3 + 4)-1 ", 13.0), ("-1e-3", -0.001), (5, 5.0)],
)
def test_numbers_and_arithmetic_have_their_value(text: str | int, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "a", "1/0", "__import__('os')", "2**9", "1 if 1 else 2", "(1).real", "True", "1j", "1" * 101, None, [1], True],
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"arithmetic"):
        number(text)  # type: ignore[arg-type]


@given(st.text(st.sampled_from("01.eE+-*/() _aj"), max_size=30))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(number(text), float)
