from types import SimpleNamespace

import pytest
import typer

from training.evaluation.cli_shipped import unseen_fold


def test_the_fold_left_out_is_read_from_the_recipe_or_asked_for() -> None:
    assert unseen_fold(SimpleNamespace(contents={"recipe.yaml": b"unseen_fold: 2\nsteps: 5\n"})) == 2
    with pytest.raises(typer.BadParameter, match="give --unseen-fold"):
        unseen_fold(SimpleNamespace(contents={"recipe.yaml": b"Global: {epochs: 3}\n"}))
