"""The space of a search in Hydra's grammar, and the points that are tried of it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlexp.config.axes import axes_of, held_to
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.ranges import Interval
from dlexp.search.sequence import proposals
from dlexp.search.space import Space, edges, in_words, shown, size, value_at

SPACE: Space = {
    "optimizer.lr": Interval(1e-4, 1.0, is_log=True),
    "model.dropout": Interval(0.0, 0.5),
    "model.width": Interval(1, 9, is_whole=True),
    "model": ("cnn", "resnet18"),
}


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("optimizer.lr=tag(log,interval(1e-4,1))", Interval(1e-4, 1.0, is_log=True)),
        ("model.dropout=interval(0,0.5)", Interval(0.0, 0.5)),
        ("model.width=int(interval(1.5,9))", Interval(1, 9, is_whole=True)),
        ("model.width=tag(log,int(interval(4,64)))", Interval(4, 64, is_log=True, is_whole=True)),
        ("model.width=int(tag(log,interval(4,64)))", Interval(4, 64, is_log=True, is_whole=True)),
        ("+model.depth=interval(start=1,end=2)", Interval(1.0, 2.0)),
    ],
)
def test_an_interval(word: str, part: Interval) -> None:
    (axis,) = axes_of([word], [])
    assert (axis.key, axis.words, axis.interval) == (word.partition("=")[0], [], part)


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("model=cnn,resnet18", ["cnn", "resnet18"]),
        ("model.depth=range(1,9,2)", ["1", "3", "5", "7"]),
        ("optimizer=choice(sgd,adam)", ["sgd", "adam"]),
        ("optimizer.nesterov=true,false", ["true", "false"]),
        ("epochs=3", ["3"]),
    ],
)
def test_values(word: str, values: list[str]) -> None:
    (axis,) = axes_of([word], [])
    assert axis.words == [f"{axis.key}={value}" for value in values] and axis.interval is None


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("optimizer.lr=tag(log,interval(0,1))", "begins at 0, which has no logarithm"),
        ("optimizer.lr=tag(log,interval(-1,1))", "begins at -1, which has no logarithm"),
        ("optimizer.lr=interval(1,0)", "holds no numbers: the lower end comes first"),
        ("optimizer.lr=interval(1,1)", "holds no numbers"),
        ("optimizer.lr=interval(0,inf)", "has no end"),
        ("optimizer.lr=interval(nan,1)", "has no end"),
        ("optimizer.lr=tag(exp,interval(1,2))", "of tags only log is known"),
        ("optimizer.lr=interval(1)", "a range of numbers is optimizer.lr=tag(log,interval(LOW,HIGH))"),
        ("optimizer.lr=interval(1,a)", "a range of numbers is optimizer.lr=tag(log,interval(LOW,HIGH))"),
        ("optimizer.lr=interval(0,1),3", "mixes a range of numbers with values"),
    ],
)
def test_what_is_no_interval_is_a_sentence(word: str, sentence: str) -> None:
    with pytest.raises(UserError) as found:
        axes_of([word], [])
    assert len(found.value.problems) == 1
    assert word.split("(")[0] in str(found.value) and sentence in str(found.value)


def test_a_setting_of_whole_numbers_gets_whole_numbers() -> None:
    config = compose(["model=mlp", "optimizer=sgd"]).config
    part = Interval(1.5, 9.2)
    for key in ("model.depth", "epochs", "batch_size", "grad_clip", "optimizer.lr", "checkpoint.every_steps"):
        is_whole = key not in ("grad_clip", "optimizer.lr")
        wanted = Interval(2, 9, is_whole=True) if is_whole else part
        assert held_to(part, key, config) == wanted, key
    with pytest.raises(UserError, match=r"epochs takes whole numbers, and from 1.2 to 1.8 there are not two"):
        held_to(Interval(1.2, 1.8), "epochs", config)


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_the_sequence_is_the_same_and_goes_on(sampler: str) -> None:
    few, more = proposals(SPACE, 7, sampler, 0), proposals(SPACE, 40, sampler, 0)
    assert len(few) == 7 and len(more) == 40 and more[:7] == few
    assert proposals(SPACE, 7, sampler, 1) != few
    assert all(list(each) == list(SPACE) for each in more)
    assert {each["model"] for each in more} == {"cnn", "resnet18"}
    assert {int(each["model.width"]) for each in more} <= set(range(1, 10))


def test_quasi_random_points_leave_fewer_gaps() -> None:
    space: Space = {"x": Interval(0.0, 1.0), "y": Interval(0.0, 1.0)}
    found = [(float(each["x"]), float(each["y"])) for each in proposals(space, 64, "qmc", 0)]
    boxes = {(int(8 * x), int(8 * y)) for x, y in found}
    drawn = [(float(each["x"]), float(each["y"])) for each in proposals(space, 64, "random", 0)]
    assert len(boxes) > 55 > len({(int(8 * x), int(8 * y)) for x, y in drawn})


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_a_small_space_is_tried_whole_and_once(sampler: str) -> None:
    space: Space = {"model": ("a", "b", "c"), "depth": Interval(1, 4, is_whole=True)}
    found = proposals(space, 100, sampler, 0)
    assert size(space) == 12 == len(found) == len({tuple(each.values()) for each in found})
    assert proposals(space, 11, sampler, 0) == found[:11]


def test_whole_numbers_have_equal_room() -> None:
    part = Interval(1, 4, is_whole=True)
    assert [value_at(part, (each + 0.5) / 16) for each in range(16)] == [str(n) for n in (1, 2, 3, 4) for _ in range(4)]


@pytest.mark.parametrize(
    ("part", "value", "text"),
    [
        (Interval(1e-4, 1.0, True), 0.005432, "0.0054"),
        (Interval(1e-6, 1.0, True), 0.00005432, "5.4e-5"),
        (Interval(0.0, 0.5), 0.23712, "0.237"),
        (Interval(0.0, 1.0), 0.23712, "0.24"),
        (Interval(0.9, 0.999, True), 0.98765, "0.9877"),
        (Interval(100.0, 110.0), 103.1234, "103.1"),
        (Interval(0.000333, 0.3), 0.000334, "0.000333"),
        (Interval(10.0, 1000.0, True), 123.4, "120"),
        (Interval(1, 1000, True, True), 123.4, "123"),
    ],
)
def test_a_number_reads_as_it_is_typed(part: Interval, value: float, text: str) -> None:
    assert shown(part, value) == text


ends = st.floats(-1e6, 1e6, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(low=ends, width=st.floats(1e-3, 1e6), unit=st.floats(0, 1, exclude_max=True), is_log=st.booleans())
def test_every_point_lies_in_its_interval(low: float, width: float, unit: float, is_log: bool) -> None:
    low = abs(low) + 1e-9 if is_log else low
    part = Interval(low, low + width, is_log)
    value = float(value_at(part, unit))
    assert low <= value <= part.high
    exact = low + unit * width if not is_log else math.exp(math.log(low) + unit * math.log(part.high / low))
    assert abs(value - exact) <= max(0.06 * abs(exact), 0.01 * width)


@pytest.mark.parametrize("part", [part for part in SPACE.values() if isinstance(part, Interval)])
def test_an_interval_in_words_is_read_again(part: Interval) -> None:
    (axis,) = axes_of([f"key={in_words(part)}"], [])
    assert axis.interval == part


def test_an_edge_is_a_best_value_beyond_which_nothing_was_tried() -> None:
    part = SPACE["optimizer.lr"]
    tried = [{"optimizer.lr": "0.01"}, {"optimizer.lr": "0.1"}, {"optimizer.lr": "1"}]
    space = {"optimizer.lr": part, "model.activation": ("relu", "tanh")}
    both = [{**each, "model.activation": "relu"} for each in tried]
    assert [edges(space, both, each) for each in both] == [{"optimizer.lr": "lower"}, {}, {"optimizer.lr": "upper"}]
    assert edges({"optimizer.lr": part}, tried[:1], tried[0]) == {}, "of one trial nobody knows"
