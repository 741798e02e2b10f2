"""A mistake is told where it was typed, not at the settings that are made from it."""

import pytest

from dlexp.config.compose import compose
from dlexp.config.hinted import value_problem
from dlexp.config.made_from import made_from, without_what_follows
from dlexp.config.problems import config_problems


def test_references_of_all_kinds() -> None:
    found = made_from(
        {
            "data": {"centres": [[0]], "shape": ["${count:${data.centres[0]}}"], "num_outputs": 2},
            "view": {"resized": {"height": 3, "width": "${.height}", "shape": [None, "${..height}", "${..width}"]}},
            "model": {"shape": "${data.shape}", "deep": {"er": "${data.num_outputs}"}},
        }
    )
    assert found == {
        "data.shape": ["data.centres"],
        "view.resized.width": ["view.resized.height"],
        "view.resized.shape": ["view.resized.height", "view.resized.width"],
        "model.shape": ["data.shape", "view.resized.shape"],
        "model.deep.er": ["data.num_outputs"],
    }


def test_what_follows_at_any_remove_is_left_out() -> None:
    sources = {"b": ["a"], "c": ["b"], "d": ["e"], "e": ["d"]}
    assert without_what_follows(["a=0 is wrong", "c=0 is wrong", "x=0 is wrong"], sources) == [
        "a=0 is wrong",
        "x=0 is wrong",
    ]
    assert without_what_follows(["c=0 is wrong"], sources) == ["c=0 is wrong"]
    assert without_what_follows(["c=0 is wrong"], sources, wrong=["a"]) == []
    assert without_what_follows(["d=0 is wrong"], sources) == ["d=0 is wrong"], "in a circle nothing is lost"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("view.resized.height=0", "view.resized.height=0 must be ≥ 1"),
        ("view.resized.height=16.5", "view.resized.height=16.5 must be a whole number"),
        ("view.resized.height=[16,16]", "view.resized.height=[16,16] must be a whole number"),
        ("view.resized.width=0", "view.resized.width=0 must be ≥ 1"),
    ],
)
def test_the_setting_that_was_typed_is_told(word: str, told: str) -> None:
    found = compose(["data=fake", "data.shape=[1,8,8]", "model=cnn", "view=resized", word])
    problems = config_problems(found.config)
    assert len(problems) > 1 and without_what_follows(problems, found.made_from) == [told]


def test_null_is_not_said_of_the_items_of_a_list() -> None:
    told = "must be null or a list in which each is a whole number or null"
    assert value_problem([0.5], list[int | None] | None) == told
