"""What is printed can neither steer a terminal nor be taken for markup."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenspeckle.cli.output import plain, print_json


@given(st.text())
def test_plain_text_holds_no_control_and_keeps_everything_else(text: str) -> None:
    shown = plain(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    if not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for char in text):
        assert shown == text


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b31m", "a\u202eb", "a\u2066b", "a\u2028b", "Käse", "\x7f", "\n"])
def test_json_reads_back_the_same_and_steers_nothing(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"label": text})
    written = capsys.readouterr().out
    assert json.loads(written)["label"] == text
    assert written.count("\n") == 1
    assert not {unicodedata.category(char) for char in written[:-1]} & {"Cc", "Cf", "Zl"}


def test_json_keeps_letters_readable(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"label": "Käse 红牛"})
    assert "Käse 红牛" in capsys.readouterr().out
