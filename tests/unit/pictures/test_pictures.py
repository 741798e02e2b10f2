"""Every picture is drawn from plausible and from extreme numbers, and read back as PNG."""

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from dlexp import pictures
from dlexp.metric import LOSS, Metric
from dlexp.pictures import fonts
from dlexp.pictures.style import class_colours, render

MEASURES = {"loss": LOSS, "accuracy": Metric(unit="%", higher_is_better=True)}
TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def _image(figure: Any) -> Image.Image:
    png, width, height = render(figure)
    image = Image.open(io.BytesIO(png))
    assert image.size == (width, height)
    colours = image.convert("RGB").getcolors(maxcolors=1 << 24)
    assert colours is not None and len(colours) > 10, "the picture is empty"
    return image


def _words(figure: Any) -> str:
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))


def _history(epochs: int) -> list[dict[str, Any]]:
    return [
        {
            "kind": "epoch",
            "epoch": n,
            "train/loss": 1 / n,
            "train/accuracy": 1 - 0.9 / n,
            "val/loss": 1.1 / n,
            "val/accuracy": 1 - 1 / n,
        }
        for n in range(1, epochs + 1)
    ]


@pytest.mark.parametrize("epochs", [1, 2, 1000])
def test_curves(epochs: int) -> None:
    tested = {"kind": "test", "epoch": 1, "test/loss": 0.4, "test/accuracy": 0.9}
    figures = pictures.curves([*_history(epochs), tested], MEASURES)
    assert set(figures) == {"loss", "accuracy"}
    for figure in figures.values():
        _image(figure)
    assert "test  90.00 %" in _words(figures["accuracy"])


def test_curves_mark_the_epoch_whose_weights_are_tested() -> None:
    history = [{"kind": "epoch", "epoch": n, "val/accuracy": 1.0, "val/loss": 1 / n} for n in (1, 2, 3)]
    figures = pictures.curves(history, MEASURES, chosen=3)
    assert "chosen weights  100.00 %, epoch 3" in _words(figures["accuracy"])  # the first two are as accurate
    assert "chosen weights  0.3333, epoch 3" in _words(figures["loss"])
    assert "chosen" not in _words(pictures.curves(history, MEASURES)["accuracy"])


def test_curves_leave_out_what_is_missing() -> None:
    history = [
        {"kind": "steps", "epoch": 1, "train/recent_loss": 9.0},
        {"kind": "epoch", "epoch": 1, "train/loss": 2.0, "val/loss": None},
        {"kind": "epoch", "epoch": 1, "train/loss": 3.0, "train/mae": float("nan")},
        {"kind": "epoch", "epoch": 2, "train/loss": 1000.0, "lr": 0.1},
    ]
    figures = pictures.curves(history, MEASURES)
    assert set(figures) == {"loss"}
    (line, *_) = figures["loss"].axes[0].lines
    assert list(line.get_ydata()) == [3.0, 1000.0]
    assert figures["loss"].axes[0].get_yscale() == "log"
    _image(figures["loss"])
    assert "mathdefault" not in _words(figures["loss"])
    assert "validation" not in _words(figures["loss"])
    assert pictures.curves([], MEASURES) == {}


@pytest.mark.parametrize("shape", [(1, 1, 28, 28), (9, 3, 8, 8), (80, 3, 20, 10), (5, 4, 6, 12)])
@pytest.mark.parametrize("kind", ["uint8", "float"])
def test_image_grid(shape: tuple[int, ...], kind: str) -> None:
    images = torch.randint(0, 256, shape, dtype=torch.uint8)
    titled = pictures.image_grid(images if kind == "uint8" else images / 255, ["$5 cat"] * shape[0], "Training images")
    shown = _image(titled)
    assert shown.width >= 600
    _image(pictures.image_grid(images))


def test_an_image_keeps_its_colours() -> None:
    red = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    red[:, 0] = 200
    colours = _image(pictures.image_grid(red)).convert("RGB").getcolors(maxcolors=1 << 24)
    assert colours is not None
    assert (200, 0, 0) in {colour for count, colour in colours if count > 1000}


def _confusion(num_classes: int) -> Tensor:
    counts = torch.randint(0, 5, (num_classes, num_classes))
    counts += torch.diag(torch.randint(50, 90, (num_classes,)))
    return counts


@pytest.mark.parametrize("num_classes", [2, 10, 20, pytest.param(100, marks=pytest.mark.slow), 130])
@pytest.mark.parametrize("draw", [pictures.per_class_accuracy, pictures.confusion_matrix])
def test_pictures_of_classes(draw: Callable[[Tensor, list[str]], Any], num_classes: int) -> None:
    counts = _confusion(num_classes)
    counts[0] = 0  # a class without samples
    names = TEN if num_classes == 10 else [f"class {index}" for index in range(num_classes)]
    figure = draw(counts, names)
    _image(figure)
    assert names[1] in _words(figure)


def test_ten_classes_have_numbers_and_a_hundred_have_none() -> None:
    counts = _confusion(10)
    assert str(int(counts[3, 3])) in _words(pictures.confusion_matrix(counts, TEN)).split("\n")
    assert len(pictures.confusion_matrix(_confusion(100), [str(n) for n in range(100)]).axes[0].texts) == 0


def _pixels(names: list[str]) -> bytes:
    return _image(pictures.per_class_accuracy(torch.tensor([[3, 1], [0, 4]]), names)).tobytes()


@pytest.fixture
def system_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files of fonts that are installed: none, until a test adds some. What matplotlib learns it forgets again."""
    from matplotlib import font_manager

    found: list[str] = []
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: found)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    monkeypatch.setattr(fonts, "_told", set())
    fonts._families.cache_clear()
    yield found
    fonts._families.cache_clear()


def _font(place: Path, name: str, glyphs: dict[str, int]) -> str:
    """Writes a font whose characters are bars of these heights; returns its file."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    builder = FontBuilder(1000, isTTF=True)
    names = {character: f"glyph{ord(character)}" for character in glyphs}
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap({ord(character): glyph for character, glyph in names.items()})
    outlines = {}
    for glyph, height in {".notdef": 10, **{names[each]: glyphs[each] for each in glyphs}}.items():
        pen = TTGlyphPen(None)
        pen.moveTo((100, 0))
        for corner in ((100, height), (800, height), (800, 0)):
            pen.lineTo(corner)
        pen.closePath()
        outlines[glyph] = pen.glyph()
    builder.setupGlyf(outlines)
    builder.setupHorizontalMetrics(dict.fromkeys(outlines, (1000, 100)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    path = place / f"{name}-Regular.ttf"
    builder.save(path)
    return str(path)


def test_characters_that_no_font_has_are_told_once(system_fonts: list[str], caplog: pytest.LogCaptureFixture) -> None:
    assert _pixels(["猫", "of any length"]) == _pixels(["狗", "of any length"]), "the same box"
    assert [record.getMessage() for record in caplog.records] == [
        f"warning: no font here has {each}, so pictures show boxes; install Noto Sans CJK (fonts-noto-cjk on Debian and"
        " Ubuntu)"
        for each in "猫狗"
    ]
    _pixels(["猫 狗", "naïve – größer · Ω"])
    assert len(caplog.records) == 2


def test_a_font_that_is_installed_since_helps_out(
    system_fonts: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    system_fonts.append(_font(tmp_path, "Half", {"猫": 300}))
    system_fonts.append(_font(tmp_path, "NotoSansCJK", {"猫": 500, "狗": 800}))
    (tmp_path / "Broken-Regular.ttf").write_bytes(b"no font")
    system_fonts.append(str(tmp_path / "Broken-Regular.ttf"))
    one, other = _pixels(["猫", "cat"]), _pixels(["狗", "cat"])
    assert one != other, "each character has its own look"
    figure = pictures.confusion_matrix(torch.eye(2), ["猫", "狗"])
    figure.suptitle("所有 猫", fontweight="bold")
    _image(figure)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1 and "no font here has 所有, " in told[0], "and nothing of a font that has no bold letters"


def test_mistakes_come_surest_first() -> None:
    targets, predictions = torch.tensor([0, 1, 2, 3]), torch.tensor([0, 2, 3, 4])
    figure = pictures.mistakes(
        torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8),
        targets,
        predictions,
        torch.tensor([1.0, 0.5, 0.9, 0.7]),
        TEN,
        are_shares=True,
    )
    _image(figure)
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown[:3] == ["predicted", "cat (90 %),", "is bird"]
    assert " ".join(shown[3:]) == "predicted deer (70 %), is cat predicted bird (50 %), is automobile"
    assert "3 of 4 wrong (75.0 %)" in _words(figure)


def test_a_mistake_is_said_in_two_lines_where_names_are_short() -> None:
    images, zeros = torch.rand(1, 1, 8, 8), torch.zeros(1, dtype=torch.int64)
    figure = pictures.mistakes(
        images, zeros + 3, zeros + 7, torch.tensor([0.93]), [str(n) for n in range(10)], are_shares=True
    )
    assert [text.get_text() for text in figure.axes[0].texts] == ["predicted 7", "(93 %), is 3"]


def test_many_mistakes_and_none() -> None:
    images, zeros = torch.rand(50, 1, 8, 8), torch.zeros(50, dtype=torch.int64)
    _image(pictures.mistakes(images, zeros, zeros + 1, torch.rand(50), TEN, are_shares=True))
    without = pictures.mistakes(images, zeros, zeros, torch.rand(50), TEN, are_shares=True)
    assert "No mistake in 50 images" in _words(without)
    _image(without)


@pytest.mark.parametrize("num_classes", [2, 3, 15])
def test_decision_regions(num_classes: int) -> None:
    points = torch.randn(3000, 2)
    targets = torch.randint(0, num_classes, (3000,))
    weights = torch.randn(2, num_classes)
    figure = pictures.decision_regions(
        lambda x: x @ weights * 5, points, targets, [f"arm {n}" for n in range(num_classes)], are_shares=True
    )
    _image(figure)
    right = (points @ weights).argmax(dim=1) == targets
    assert f"{int((~right).sum())} of 3000 points wrong" in _words(figure)
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("feature 1", "feature 2")
    *own, wrong = figure.axes[0].collections[-num_classes - 1 :]
    assert wrong.get_label() == "wrong" and wrong.get_zorder() < min(each.get_zorder() for each in own)


def test_the_output_over_the_unit_square() -> None:
    points, targets = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([0, 1, 1, 0])

    def predict(x: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(x)), 8 * (0.25 - (x[:, 0] + x[:, 1] - 1) ** 2)], dim=1)

    figure = pictures.output_plane(predict, points, targets, ["0", "1"], are_shares=True)
    _image(figure)
    axes, bar = figure.axes
    assert "0 of 4 points wrong" in _words(figure) and bar.get_ylabel() == "share of 1"
    (image,) = axes.get_images()
    left, right, lower, upper = image.get_extent()
    assert max(left, lower) < 0 and min(right, upper) > 1, "the corners lie within"
    shown = torch.as_tensor(image.get_array())
    assert shown[160, 160] > 0.8 and shown[-1, -1] < 0.1 and shown[0, 0] < 0.1
    assert sorted(text.get_text() for text in axes.texts)[0] == "10 %", "lines of equal shares are labelled"
    flat = pictures.output_plane(lambda x: torch.zeros(len(x), 2), points, targets, ["0", "1"], are_shares=True)
    _image(flat)
    assert "2 of 4 points wrong" in _words(flat) and not flat.axes[0].texts


def test_one_point_and_one_region() -> None:
    figure = pictures.decision_regions(
        lambda x: torch.tensor([[1.0, 0.0]]).repeat(len(x), 1),
        torch.zeros(1, 2),
        torch.tensor([0]),
        ["a", "b"],
        are_shares=True,
    )
    _image(figure)


@pytest.mark.parametrize("num_classes", [2, 15])
def test_probabilities_along_one_feature(num_classes: int) -> None:
    points, targets = torch.randn(3000, 1), torch.randint(0, num_classes, (3000,))
    slopes = torch.randn(1, num_classes)
    names = [f"arm {n}" for n in range(num_classes)]
    figure = pictures.class_shares(lambda x: x @ slopes, points, targets, names, "height", are_shares=True)
    _image(figure)
    wrong = int(((points @ slopes).argmax(dim=1) != targets).sum())
    assert f"{wrong} of 3000 points wrong" in _words(figure) and "height" in _words(figure)
    first = figure.axes[0].lines[0]
    shares = (torch.tensor(first.get_xdata())[:, None] @ slopes).softmax(dim=1)[:, 0]
    assert torch.allclose(torch.tensor(first.get_ydata()), shares, atol=1e-5)
    nothing = (torch.zeros(1, 1), torch.tensor([-1]), names, "nothing counts")
    _image(pictures.class_shares(lambda x: x @ slopes, *nothing, are_shares=True))


def test_scores_are_drawn_as_scores() -> None:
    """No softmax of what a hinge or a squared error was trained on: leads and scores, in their own numbers."""
    points, names = torch.randn(300, 2), ["a", "b"]
    targets = (points.sum(dim=1) > 0).long()

    def predict(x: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(x)), 3 * x[:, :1].sum(dim=1)], dim=1)

    plane = pictures.output_plane(predict, points, targets, names, are_shares=False)
    axes, bar = plane.axes
    (image,) = axes.get_images()
    left, right, *_ = image.get_extent()
    assert bar.get_ylabel() == "how far the score of b is ahead" and not any("%" in each for each in _words(plane))
    assert float(image.get_array().max()) == pytest.approx(3 * right) and "0" in [
        each.get_text() for each in axes.texts
    ]
    assert image.get_clim() == pytest.approx((-3 * max(-left, right), 3 * max(-left, right)))
    _image(plane)
    regions = pictures.decision_regions(predict, points, targets, names, are_shares=False)
    (image,) = regions.axes[0].get_images()
    shown = torch.as_tensor(image.get_array())[160].amin(dim=1)  # least where a class is far ahead
    assert shown[0] < shown[80] < shown[155] and shown[-1] < shown[240] < shown[165]
    _image(regions)
    line = pictures.class_shares(predict, points[:, :1], targets, names, "height", are_shares=False)
    drawn = line.axes[0].lines[1]
    assert drawn.get_ydata() == pytest.approx(3 * drawn.get_xdata(), abs=1e-4)
    assert line.axes[0].get_ylabel() == "score" and "Probabilities" not in str(_words(line))
    _image(line)
    images, zero, one = torch.rand(1, 1, 8, 8), torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.int64)
    wrong = pictures.mistakes(images, zero, one, torch.tensor([2.346]), names, are_shares=False)
    assert [text.get_text() for text in wrong.axes[0].texts] == ["predicted b", "(+2.35), is a"]


@pytest.mark.parametrize("outputs", [1, 3, 12])
def test_the_curve_along_one_feature(outputs: int) -> None:
    points = torch.randn(3000, 1)
    figure = pictures.fitted_curve(lambda x: x.expand(-1, outputs) ** 3, points, points.expand(-1, outputs), "age")
    _image(figure)
    line = figure.axes[0].lines[0]
    x, y = torch.tensor(line.get_xdata()), torch.tensor(line.get_ydata())
    assert torch.allclose(x.double() ** 3, y, atol=1e-4) and float(x.min()) < float(points.min())
    assert len(figure.axes[0].lines) == min(outputs, 8) and "age" in _words(figure)
    error = float((points**3 - points).square().mean())
    assert f"mean squared error {error:.3g}" in _words(figure)


@pytest.mark.parametrize("outputs", [1, 3, 12])
def test_prediction_against_truth(outputs: int) -> None:
    targets = torch.randn(3000, outputs)
    figure = pictures.prediction_against_truth(targets + 0.1, targets)
    _image(figure)
    assert "mean absolute error 0.1" in _words(figure)
    _image(pictures.prediction_against_truth(torch.ones(2, outputs), torch.ones(2, outputs)))


def test_every_class_has_a_colour_of_its_own() -> None:
    for num_classes in (2, 8, 9, 10, 11, 100):
        assert len(set(class_colours(num_classes))) == num_classes


def _lab(colour: Any) -> Tensor:
    """Returns L*, a*, b* of a colour of sRGB (CIE 1976, white D65), and its luminance from 0 to 1 before them."""
    from matplotlib.colors import to_rgb

    light = torch.tensor([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)])
    weights = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = weights @ light / weights.sum(dim=1)
    a, b, c = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return torch.stack([y, 116 * b - 16, 500 * (a - b), 200 * (b - c)])


def test_ten_classes_are_told_apart_on_white() -> None:
    """By the distances of CIE 1994, which count less between strong colours."""
    colours = torch.stack([_lab(colour) for colour in class_colours(10)])
    assert (1.05 / (colours[:, 0] + 0.05)).min() > 2, "contrast"
    for one, other in combinations(colours[:, 1:], 2):
        (first, second), steps = (each[1:].norm() for each in (one, other)), (one - other).square()
        strengths = (first - second).square()
        hues, chroma = steps[1:].sum() - strengths, (first * second).sqrt()
        told = steps[0] + strengths / (1 + 0.045 * chroma) ** 2 + hues / (1 + 0.015 * chroma) ** 2
        assert told.sqrt() > 18, "evenly spaced hues of two brightnesses come to 12"


@pytest.mark.slow
def test_pictures_leave_the_persons_settings_alone_and_never_import_pyplot() -> None:
    code = (
        "import sys, matplotlib, torch; matplotlib.rcParams['font.size'] = 33\n"
        "from dlexp import pictures; from dlexp.pictures.style import render\n"
        "render(pictures.curves([{'kind': 'epoch', 'epoch': 1, 'train/loss': 1.0}], {})['loss'])\n"
        "render(pictures.confusion_matrix(torch.eye(3), ['a', 'b', 'c']))\n"
        "print(matplotlib.rcParams['font.size'], 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.split() == ["33.0", "False"]


def test_no_border_is_drawn_of_rounding() -> None:
    """What one neuron ends with on XOR: weights that are 0 but for the last digit."""
    points, targets, names = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([0, 1, 1, 0]), ["0", "1"]
    w = torch.tensor([2e-9, -2.98e-8])

    def predict(x: Tensor, factor: float = 1) -> Tensor:
        return torch.stack([torch.full((len(x),), 0.3), 0.3 + factor * x.float() @ w], dim=1)

    for factor, is_flat in ((1.0, True), (1e8, False)):
        line = pictures.separating_line((factor * w).tolist(), 0.0, None, points, targets, names)
        assert ("No border" in str(_words(line))) is is_flat and bool(line.axes[0].lines) is not is_flat
        for draw in (pictures.decision_regions, pictures.output_plane):
            figure = draw(lambda x, factor=factor: predict(x, factor), points, targets, names, are_shares=True)
            assert ("No border" in str(_words(figure))) is is_flat
            (image,) = figure.axes[0].get_images()
            shown = torch.as_tensor(image.get_array())
            assert (float(shown.max() - shown.min()) < 1e-6) is is_flat
    _image(line)


def test_the_direction_of_w_lies_above_the_ringed_points() -> None:
    points = torch.tensor([[-1.0, 0], [1, 0.1], [1.2, 0]])
    figure = pictures.separating_line([1.0, 0.0], 0.0, 2.0, points, torch.tensor([0, 1, 1]), ["a", "b"])
    (axes,) = figure.axes
    (arrow,) = axes.texts
    assert "direction of w" in _words(figure) and "margin 2 on each side\n3 of 3 points on it" in _words(figure)
    assert arrow.arrow_patch.get_path_effects() and arrow.get_zorder() > max(c.get_zorder() for c in axes.collections)


def test_samples_of_two_features() -> None:
    """Few points are large, features of one scale have axes of one, numbers a bar, and headings one look."""
    corners, classes = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([0, 1, 1, 0])
    figure = pictures.points({"as it is": corners}, classes, ["0", "1"], [None], "4 of 4")
    (axes,) = figure.axes
    assert axes.get_aspect() == 1 and axes.collections[0].get_sizes()[0] > 50
    assert axes.get_title(loc="left") == "4 of 4" and figure.get_suptitle() == ""
    stretched = torch.randn(500, 2) * torch.tensor([1.0, 100.0])
    axes, bar = pictures.points({"as it is": stretched}, stretched[:, 0], None, [None], "500").axes
    assert axes.get_aspect() == "auto" and bar.get_ylabel() == "target"
    both = pictures.points({"as it is": corners, "noise": corners}, classes, ["0", "1"], [None, None], "4 of 4")
    assert both.get_suptitle() == "4 of 4" and [each.get_title(loc="left") for each in both.axes] == [
        "as it is",
        "noise",
    ]
    _image(both)


def test_no_picture_is_called_as_the_module_that_has_it() -> None:
    """Once imported, a module stands in its package under its name, and would be what the second picture asks for."""
    assert not {name for home, names in pictures.HOMES.items() for name in names if name == home}
