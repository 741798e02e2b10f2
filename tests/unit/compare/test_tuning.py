"""Ranges, trials, the best of them, and ranges that ended too early."""

from types import SimpleNamespace
from typing import Annotated, Any

import pytest
import yaml

from dlexp.compare.tuning import best, ends, further, read_range, spaces, trials, widened
from dlexp.config.hinted import value_problem
from dlexp.errors import UserError
from dlexp.ranges import Interval, Range
from dlexp.report.reading.plan import Tuning

LR = "optimizer.lr"
CONFIG = {"optimizer": {"lr": 0.1}}
LOG = Interval(0.001, 1.0, is_log=True)


def tuning(num_trials: int, **more: Any) -> Tuning:
    return Tuning(
        **{
            **{"keys": [LR], "spaces": {"sgd": {LR: "tag(log,interval(0.001,1.0))"}}, "trials": num_trials},
            **{"sampler": "qmc", "sampler_seed": 0, "seed": 0, "widened": {}, "chosen": {}, "edges": {}, **more},
        }
    )


def test_more_trials_go_on_with_the_same_ones() -> None:
    few, many = (trials(tuning(number), "sgd", CONFIG) for number in (4, 9))
    assert many[:4] == few and len(many) == 9 and len({each[LR] for each in many}) == 9
    assert all(0.001 <= float(each[LR]) <= 1 for each in many)


def test_an_arm_whose_range_grew_tries_what_is_new_and_the_others_as_many_more() -> None:
    first = trials(tuning(4), "sgd", CONFIG)
    grown = trials(tuning(4, further=2, widened={"sgd": {LR: "tag(log,interval(0.001,30.0))"}}), "sgd", CONFIG)
    assert grown[:4] == first and len(grown) == 6 and all(1 <= float(each[LR]) <= 30 for each in grown[4:])
    lower = trials(tuning(4, further=2, widened={"sgd": {LR: "tag(log,interval(0.0001,1.0))"}}), "sgd", CONFIG)
    assert all(0.0001 <= float(each[LR]) <= 0.001 for each in lower[4:])
    other = trials(tuning(4, further=2), "sgd", CONFIG)
    assert other == trials(tuning(6), "sgd", CONFIG)
    assert [further(number) for number in (1, 4, 5)] == [1, 2, 3]


def test_of_whole_numbers_what_is_new_begins_beside_the_old_end() -> None:
    depth, config = "model.depth", {"model": {"depth": 4}}
    ranges = {"keys": [depth], "spaces": {"sgd": {depth: "int(interval(2,8))"}}}
    grown = tuning(3, further=3, widened={"sgd": {depth: "int(interval(2,11))"}}, **ranges)
    assert sorted(each[depth] for each in trials(grown, "sgd", config)[3:]) == ["10", "11", "9"]
    lower = tuning(3, further=3, widened={"sgd": {depth: "int(interval(1,8))"}}, **ranges)
    assert [each[depth] for each in trials(lower, "sgd", config)[3:]] == ["1"], "there is no other"


@pytest.mark.parametrize(
    ("part", "side"),
    [
        (Interval(1, 9, is_log=True, is_whole=True), "lower"),
        (Interval(100.1, 100.2), "upper"),
        (("relu", "tanh"), "upper"),
    ],
)
def test_a_range_that_can_not_go_on(part: Interval | tuple[str, ...], side: str) -> None:
    assert widened(part, side) is None


@pytest.mark.parametrize(
    ("part", "side", "wider"),
    [
        (LOG, "upper", Interval(0.001, 32.0, is_log=True)),
        (LOG, "lower", Interval(3.2e-5, 1.0, is_log=True)),
        (Interval(0.1, 0.5), "upper", Interval(0.1, 0.7)),
        (Interval(0.0, 0.5), "lower", Interval(-0.25, 0.5)),
        (Interval(2, 8, is_whole=True), "upper", Interval(2, 11, is_whole=True)),
        (Interval(4, 64, is_log=True, is_whole=True), "lower", Interval(1, 64, is_log=True, is_whole=True)),
    ],
)
def test_a_range_goes_on_at_one_side(part: Interval, side: str, wider: Interval) -> None:
    assert widened(part, side) == wider


def test_no_range_follows_from_what_must_stay_below_one() -> None:
    config = {"optimizer": {"_target_": "torch.optim.SGD", "momentum": 0.9, "lr": 0.1}}
    run: Any = SimpleNamespace(config=config)
    question: Any = SimpleNamespace(ranges={"optimizer.momentum": None})
    with pytest.raises(UserError, match=r"type a range, such as optimizer.momentum=interval\(0.5,0.99\)"):
        spaces(question, {"sgd": run}, lambda arm, changes: [])
    question.ranges = {"optimizer.momentum": "interval(0.5,0.99)"}
    assert spaces(question, {"sgd": run}, lambda arm, changes: [])["sgd"]
    question.ranges = {LR: None}
    with pytest.raises(UserError, match=r"too large .*type one that fits: optimizer.lr=interval\(LOW,HIGH\)"):
        spaces(question, {"sgd": run}, lambda arm, changes: ["too large"] if changes == [f"{LR}=3.0"] else [])


@pytest.mark.parametrize("kind", [float, int, float | None])
@pytest.mark.parametrize(
    "bounds", [{}, {"ge": 0}, {"gt": 0}, {"ge": 1}, {"ge": 2}, {"ge": 0, "lt": 100}, {"gt": 0, "le": 8}, {"gt": 1}]
)
def test_the_range_that_is_proposed_fits_the_setting(
    kind: Any, bounds: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    hint = Annotated[kind, Range(**bounds)]
    for module in ("compare.tuning", "config.axes"):
        monkeypatch.setattr(f"dlexp.{module}.hint_of", lambda key, config: hint)
    run: Any = SimpleNamespace(config={"model": {"share": 0}}, choices={})
    with pytest.raises(UserError, match="it is 0 before tuning") as error:
        spaces(SimpleNamespace(ranges={"model.share": None}), {"sgd": run}, lambda arm, changes: [])  # type: ignore[arg-type]
    told = str(error.value).partition("such as 'model.share=")[2].rstrip("'")
    part = read_range("model.share", told, run.config)
    assert isinstance(part, Interval), told
    assert [value_problem(yaml.safe_load(end), hint) for end in ends(part)] == [None, None], told


def found(value: float | None, loss: float | None = 1.0, status: str = "finished") -> dict[str, Any]:
    facts = {"accuracy": {"unit": "%", "higher_is_better": True, "title": ""}}
    metrics = {"val/accuracy": value, "val/loss": loss}
    return {"status": status, "metric": "val/accuracy", "metrics": metrics, "measures": facts, "error": None}


def test_the_best_trial() -> None:
    assert best([found(0.3), found(0.9), found(0.5)]) == 1
    assert best([found(0.5, 2.0), found(0.5, 1.0), found(0.5, 1.5)]) == 1, "of equal ones that with the lower loss"
    assert best([found(0.5), found(0.5)]) == 0
    assert best([found(0.9, status="failed"), found(None), found(0.1)]) == 2
    assert best([found(None), found(0.9, status="failed")]) is None and best([]) is None
    loss = {"metric": "val/loss", "measures": {}}
    assert best([found(0.9, 2.0) | loss, found(0.1, 1.0) | loss]) == 1, "a loss is better where it is lower"
