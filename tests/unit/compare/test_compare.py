"""What a comparison refuses before anything is trained."""

from pathlib import Path

import pytest

from dlexp.compare.compare import compare
from dlexp.compare.question import ask
from dlexp.errors import UserError


@pytest.mark.parametrize(
    ("words", "apart"),
    [
        (["criterion=mse,huber"], "criterion"),
        (["criterion=huber", "criterion.delta=0.5,1"], "criterion"),
        (["task.standardise=true,false"], "task.standardise"),
        (["optimizer=sgd,adam", "criterion=huber", "tune=criterion.delta"], "criterion.delta"),
    ],
    ids=" ".join,
)
def test_losses_that_are_different_measures_are_not_compared(
    words: list[str], apart: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["data=linear", "dry_run=true", "threads=1", *words]
    with pytest.raises(UserError) as refused:
        compare(ask(words))
    assert f"by their loss, and {apart} makes that another one" in str(refused.value), refused.value
    assert "task.metric=mae measures all alike" in str(refused.value)
    assert compare(ask([*words, "task.metric=mae"])) == (0, None), "and that is true"
