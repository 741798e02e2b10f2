"""Shapes as SVG: texts that fit, places that keep apart, ways that do not drift."""

import itertools
import random
import re
from xml.etree import ElementTree

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from made_drawings import ADAM, SGD, curve

from dlexp.pictures.arm_curves import arm_curves, window
from dlexp.pictures.drawing import Drawing, as_svg, fitted, markup, spread, text_width
from dlexp.pictures.looks import LIGHT
from dlexp.pictures.names import fitted_name, short_names


@given(
    wanted=st.lists(st.floats(0, 240), min_size=1, max_size=20),
    gap=st.floats(1, 17),
)
def test_spread_places_keep_order_and_distance(wanted: list[float], gap: float) -> None:
    places = spread(wanted, gap, 0, 240)
    least = min(gap, 240 / max(1, len(wanted) - 1))
    assert all(-1e-6 <= place <= 240 + 1e-6 for place in places)
    assert all(after - before >= least - 1e-6 for before, after in itertools.pairwise(sorted(places)))
    order = sorted(range(len(wanted)), key=lambda number: (wanted[number], number))
    assert [places[number] for number in order] == sorted(places)


def test_texts_are_cut_where_they_are_too_wide() -> None:
    assert fitted("adam", 100) == "adam"
    assert text_width(fitted("激活函数" * 20, 100)) <= 100 and fitted("激活函数" * 20, 100).endswith("…")
    assert fitted_name("adam", 100) == "adam" and text_width(fitted_name("激活函数" * 20, 100)) <= 100
    assert fitted_name("sgd lr 0.1 weight_decay 0.001", 120) == "sgd lr…ay 0.001"
    long = [
        "sgd lr 0.1 weight_decay 0 depth 2",
        "sgd lr 0.1 weight_decay 0.001 depth 2",
        "adam lr 1 weight_decay 0 depth 2",
    ]
    assert short_names(long, 110) == ["sgd 0.1 0", "sgd 0.1 0.001", "adam 1 0"]
    assert short_names(["activation relu" + "u" * 20, "activation tanh"], 90)[1] == "tanh"


def test_a_way_of_many_steps_does_not_drift() -> None:
    chance = random.Random(0)
    points = [(chance.uniform(0, 400), chance.uniform(0, 300)) for _ in range(30)]
    drawing = Drawing(440, 300)
    drawing.add("line", "line", *points)
    path = re.search(r' d="([^"]*)"', markup(drawing))
    assert path
    steps = [float(word) for word in re.findall(r"-?[\d.]+", path[1])]
    places = np.cumsum(np.array(steps).reshape(-1, 2), axis=0)
    assert np.abs(places - np.array(points)).max() < 0.051


def test_a_file_of_shapes_is_whole_and_has_its_own_colours() -> None:
    drawings = [
        arm_curves([curve(ADAM, 97), curve(SGD, 96)], window([curve(SGD, 96)], True), axis="<&>", below="epochs")
    ]
    svg = as_svg(drawings)
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg") and "<style>" in svg and LIGHT["c1"] in svg
    assert "style=" not in svg and "url(" not in svg and 'id="' not in svg
    assert svg == as_svg(drawings)


def test_short_names_keep_the_word_before_a_number() -> None:
    assert short_names(["adam lr 0.1", "adam lr 0.01"], 60) == ["lr 0.1", "lr 0.01"]
    assert short_names(["epochs 3", "epochs 2"], 30) == ["e…3", "e…2"]
