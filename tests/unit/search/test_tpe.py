"""search=tpe: a study is made anew from what the trials tell, and asked."""

import math
import sys
from typing import Any

import pytest

from dlexp.errors import UserError
from dlexp.ranges import Interval
from dlexp.search.sequence import proposals
from dlexp.search.settings import Told
from dlexp.search.space import Proposal, Space
from dlexp.search.tpe import STARTUP, Tpe

SPACE: Space = {"lr": Interval(1e-4, 1.0, is_log=True), "width": Interval(4, 64, is_whole=True), "model": ("a", "b")}
SETTINGS: dict[str, Any] = {"epochs": None, "top": None, "prune": "none", "prune_from": 1, "prune_keep": 3}


def tpe(seed: int = 0) -> Tpe:
    return Tpe(seed=seed, prune_least=4, **SETTINGS)


def value(proposal: Proposal) -> float:
    """Returns what a trial finds: best at lr=0.01 with model b."""
    return -abs(math.log10(float(proposal["lr"])) + 2) + (proposal.get("model") == "b")


def of(proposal: Proposal, state: Any = "finished") -> Told:
    return Told(proposal, state, value(proposal) if state == "finished" else None)


def test_it_begins_evenly_and_then_goes_where_values_are_good(capfd: pytest.CaptureFixture[str]) -> None:
    search = tpe()
    first = search.first(SPACE, 40)
    assert first == proposals(SPACE, STARTUP, "qmc", 0) and search.first(SPACE, 4) == first[:4]
    told = [of(each) for each in first]
    for _ in range(20):
        found = search.propose(SPACE, told)
        assert found == search.propose(SPACE, told), "the same history gives the same point"
        assert found is not None and found not in [each.proposal for each in told]
        assert 1e-4 <= float(found["lr"]) <= 1 and 4 <= int(found["width"]) <= 64
        told.append(of(found))
    later = [each.value for each in told[STARTUP + 10 :] if each.value is not None]
    assert sum(later) / len(later) > sum(value(each) for each in first) / len(first)
    assert max(later) > 0.8, "1 is the best there is"
    assert capfd.readouterr() == ("", ""), "Optuna says nothing of its own"


def test_workers_that_ask_at_once_get_different_points() -> None:
    search = tpe()
    told = [of(each) for each in search.first(SPACE, 40)]
    for _ in range(3):
        found = search.propose(SPACE, told)
        assert found is not None and found not in [each.proposal for each in told]
        told.append(of(found, "running"))


@pytest.mark.parametrize("state", ["failed", "pruned"])
def test_what_failed_is_no_good_place(state: Any) -> None:
    """All rates above 0.01 fail: few proposals are there, though the best values are next to them."""
    space: Space = {"lr": Interval(1e-4, 1.0, is_log=True)}
    told = [of(each, state if float(each["lr"]) > 0.01 else "finished") for each in proposals(space, 30, "qmc", 0)]
    assert 10 < sum(each.state == state for each in told) < 20
    found = [tpe(seed).propose(space, told) for seed in range(20)]
    assert sum(float(each["lr"]) > 0.02 for each in found if each) <= 4


def test_a_pruned_trial_is_told_with_its_steps() -> None:
    told = [of(each) for each in tpe().first(SPACE, 40)]
    told[0] = Told(told[0].proposal, "pruned", None, {10: 0.3, 20: 0.5})
    assert tpe().propose(SPACE, told) is not None


def test_a_small_space_comes_to_its_end() -> None:
    space: Space = {"model": ("a", "b"), "depth": Interval(1, 3, is_whole=True)}
    told: list[Told] = [Told(each, "finished", 0.0) for each in tpe().first(space, 3)]
    while (found := tpe().propose(space, told)) is not None:
        assert found not in [each.proposal for each in told]
        told.append(Told(found, "finished", 0.0))
    assert len(told) == 6


def test_without_optuna_it_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"search=tpe needs Optuna: pip install 'dlexp\[search\]'; search=qmc needs"):
        tpe().first(SPACE, 40)
