"""What was planned before the first run against what was done."""

from typing import Any

import pytest

from dlexp.report.planned import Hypothesis, as_one_against_another, departure, otherwise, read_hypothesis
from dlexp.report.reading.plan import Plan
from dlexp.report.words import few


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("Adam beats SGD", ("adam", "sgd")),
        ("adam is better than sgd.", ("adam", "sgd")),
        ("SGD loses to Adam, lr 0.1", ("Adam, lr 0.1", "sgd")),
        ("Adam does not beat SGD", (None, None)),
        ("Adam beats SGD by a point", (None, None)),
        ("adam beats adam", (None, None)),
        ("<script>", (None, None)),
        ("", (None, None)),
    ],
)
def test_a_hypothesis_is_read_as_far_as_it_says_nothing_else(text: str, pair: tuple[str | None, str | None]) -> None:
    assert read_hypothesis(text, ["sgd", "adam", "Adam, lr 0.1"]) == Hypothesis(text, *pair)


def test_two_names_are_seen_though_no_arm_has_them() -> None:
    assert as_one_against_another(" Adma beats SGD!") == ("Adma", "SGD")
    assert as_one_against_another("lr 0.1 is worse than lr 1.") == ("lr 0.1", "lr 1")
    assert as_one_against_another("all will be well") is None


def plan_of(seeds: list[int], looks: list[list[int]]) -> Plan:
    names = {"sgd": ["optimizer=sgd"], "adam": ["optimizer=adam"]}
    words: dict[str, Any] = {
        "question": None,
        "command": "",
        "shared": [],
        "reference": "sgd",
        "metric": "test/accuracy",
    }
    words |= {
        "margin": None,
        "hypothesis": None,
        "size": None,
        "picture": None,
        "tuning": None,
        "runs": {},
        "trials": {},
    }
    return Plan(arms=names, seeds=seeds, looks=looks, **words)


@pytest.mark.parametrize(
    ("looks", "there", "why"),
    [
        ([], [1, 2, 3], None),
        ([[1, 2, 3]], [1, 2, 3], None),
        (
            [[1, 2, 3], [1, 2, 3, 4, 5]],
            [1, 2, 3, 4, 5],
            "seeds 4 and 5 came after a verdict from three seeds had been shown",
        ),
        ([[1, 2], [1, 2, 3]], [1, 2, 3], "seed 3 came after a verdict from two seeds had been shown"),
        ([], [1, 2, 3, 4], "seed 4 was not planned"),
        (
            [],
            [1],
            "planned runs are missing (of sgd seeds 2 and 3; of adam seeds 2 and 3), so this is a look before the end",
        ),
    ],
)
def test_a_result_that_was_not_planned_is_exploratory(
    looks: list[list[int]], there: list[int], why: str | None
) -> None:
    assert departure(plan_of([1, 2, 3], looks), {"sgd": there, "adam": there}) == why


def test_names_that_look_like_several_are_in_quotes() -> None:
    assert few(["sgd", "adam", "lion"]) == "sgd, adam and lion"
    assert few(["adam, lr 0.1", "sgd"]) == "“adam, lr 0.1” and “sgd”" and few(["adam, lr 0.1"]) == "adam, lr 0.1"


def test_a_report_that_asks_otherwise_than_planned_says_so() -> None:
    plan = plan_of([1, 2, 3], [])
    assert otherwise(plan, "test/accuracy", "sgd", None) is None
    assert otherwise(plan, "val/accuracy", None, 0.5) == (
        "this report was asked otherwise than planned (metric val/accuracy instead of test/accuracy;"
        " reference none instead of sgd; margin 0.5 instead of none)"
    )
