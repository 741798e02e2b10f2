"""One unit for a data set: what its values mean is found once, said, kept with the run, and used by all who ask it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small import batches_of

from dlexp import api
from dlexp.augment.crop import RandomCrop
from dlexp.config import build
from dlexp.config.compose import compose
from dlexp.data.fields import Field, fields_of
from dlexp.data.normalisation import Normalisation
from dlexp.data.splits import Split, Splits
from dlexp.data.units import normalised_fields
from dlexp.errors import UserError
from dlexp.records.folder import CONFIG, DATA
from dlexp.records.result import Result
from dlexp.train.batches import Batches

IDS = "data.fields={inputs: {kind: plain, dtype: float32}}"
SHORT = ["model=linear", "batch_size=8", "epochs=12", "optimizer.lr=0.05", "pictures=false", "threads=1"]
FOLDER = ["data=image_folder", "data.folder=images", "data.size=8", "data.channels=1", "data.workers=1", *SHORT]
Draw = np.random.Generator


def detector(label: int, number: int, draw: Draw) -> Any:
    return (700 + 40 * label + draw.integers(-15, 16, (8, 8))).astype(np.uint16)


def fractions(label: int, number: int, draw: Draw) -> Any:
    image = 0.3 + 0.3 * label + 0.05 * draw.random((8, 8))
    image[0, 0] = 1.02 if number % 2 else image[0, 0]
    return image.astype(np.float32)


def thousands(label: int, number: int, draw: Draw) -> Any:
    return (400 + 200 * label + 400 * draw.random((8, 8))).astype(np.float32)


def hounsfield(label: int, number: int, draw: Draw) -> Any:
    image = np.full((8, 8), -1000)
    image[2:6, 2:6] = 40 + 300 * label  # air around an organ
    return (image + draw.integers(0, 60, (8, 8))).astype(np.float32)


def large(label: int, number: int, draw: Draw) -> Any:
    return (100_000 + 300 * label + draw.integers(0, 200, (8, 8))).astype(np.int32)


CASES: dict[str, tuple[Callable[..., Any], str]] = {
    "12 bits in a PNG": (detector, ".png"),
    "fractions and a bright pixel": (fractions, ".tif"),
    "floats up to 1000": (thousands, ".tif"),
    "Hounsfield units": (hounsfield, ".tif"),
    "int32 of 100000": (large, ".tif"),
}


def write(folder: Path, make: Callable[..., Any], suffix: str, count: int = 20) -> None:
    draw = np.random.default_rng(0)
    for label, name in enumerate(("a", "b")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.fromarray(make(label, number, draw)).save(folder / name / f"{number}{suffix}")


def facts_of(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((result.folder / DATA).read_text(encoding="utf-8"))
    return found


def accuracy_of(folder: Path, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    return float((api.load(folder)(inputs).argmax(dim=1) == targets).float().mean())


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_images_of_more_than_8_bits_are_learnt(workdir: Path, case: str) -> None:
    """Each file had a unit of its own: 700 and 740 both became 2, 0.3 with one pixel of 1.02 became black."""
    write(workdir / "images", *CASES[case])
    held = api.run(FOLDER, folder="held")
    assert held.metrics["test/accuracy"] == 1
    streamed = api.run([*FOLDER, "data.in_memory=false"], folder="streamed")
    assert streamed.metrics == held.metrics and facts_of(streamed) == facts_of(held)
    test = build.load_data(compose(FOLDER).config["data"]).test
    assert test.inputs.dtype == torch.float32
    assert accuracy_of(held.folder, test.inputs, test.targets) == 1
    low, high = facts_of(held)["normalisation"]["inputs"]["range"]
    assert low <= test.inputs.min() + 20 and test.inputs.max() <= high + 20


def test_the_unit_is_said_and_may_be_set(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(workdir / "images", *CASES["12 bits in a PNG"])
    found = api.run([*FOLDER, "max_steps=1"], folder="found")
    assert (
        "the training samples' inputs have values from 685 to 755, which count as 0 and 1; 'data.range=" in caplog.text
    )
    assert facts_of(found)["normalisation"]["inputs"]["range"] == [685, 755]
    caplog.clear()
    whole = api.run([*FOLDER, "data.range=[0,4095]"], folder="whole")
    assert whole.metrics["test/accuracy"] == 1 and facts_of(whole)["normalisation"]["inputs"]["range"] == [0, 4095]
    assert facts_of(whole)["normalisation"]["inputs"]["mean"] == [pytest.approx(720 / 4095, abs=1e-3)]
    assert "data.range" not in caplog.text
    caplog.clear()
    api.run([*FOLDER, "max_steps=1", "data.range=[700,740]"], folder="narrow")
    assert "'data.range=[700,740]', and the training samples' inputs have values from 685 to 755" in caplog.text
    for wrong in ("[4095,0]", "[0]", "[0,.inf]"):
        with pytest.raises(UserError, match=r"data\.range=.* must (be two numbers|hold values|be a list)"):
            api.run([*FOLDER, f"data.range={wrong}"])


def test_values_that_are_no_numbers_are_refused_by_name(workdir: Path) -> None:
    write(workdir / "images", *CASES["floats up to 1000"])
    image = np.full((8, 8), 500, np.float32)
    image[2, 3], image[4, 4] = np.nan, np.inf
    Image.fromarray(image).save(workdir / "images" / "b" / "3.tif")
    told = r"3\.tif \(2 of its 64 values are NaN or infinite\)"
    for more in ([], ["data.in_memory=false"]):
        with pytest.raises(UserError, match=told):
            api.run([*FOLDER, *more], folder=f"run{len(more)}")


def test_files_of_8_and_of_more_bits_are_no_set(workdir: Path) -> None:
    write(workdir / "images", *CASES["12 bits in a PNG"])
    Image.new("L", (8, 8), 3).save(workdir / "images" / "b" / "4.png")
    with pytest.raises(
        UserError, match=r"1 of 40 images have values of 8 bits, and the other images of more: .*4\.png"
    ):
        api.run(FOLDER)
    Image.new("L", (8, 8), 3).save(workdir / "images" / "a" / "0.png")  # the first one
    with pytest.raises(UserError, match=r"2 of 40 images have values of 8 bits, .*0\.png, .*4\.png"):
        api.run(FOLDER)
    with pytest.raises(UserError, match="more than 8"):
        api.run([*FOLDER, "data.in_memory=false"])


def test_images_that_lost_their_levels_are_told_of(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(workdir / "images", lambda label, number, draw: np.full((8, 8), 2 + label, np.uint8), ".png")
    api.run([*FOLDER, "max_steps=1"], folder="few")
    assert "values from 2 to 3 only, of 0 to 255: few levels tell them apart" in caplog.text
    caplog.clear()
    run = api.run([*FOLDER, "data.range=[2,3]"], folder="set")
    assert run.metrics["test/accuracy"] == 1 and "levels" not in caplog.text
    images = torch.tensor([2, 3], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 8, 8)
    assert accuracy_of(run.folder, images, torch.tensor([0, 1])) == 1
    assert accuracy_of(run.folder, images - 2.0, torch.tensor([0, 1])) == 1
    write(workdir / "images", lambda label, number, draw: np.zeros((8, 8), np.uint8), ".png")
    api.run([*FOLDER, "max_steps=1"], folder="one")
    assert "all training images are of one colour: every value of the inputs is 0" in caplog.text


def npz(**arrays: Any) -> list[str]:
    np.savez("data.npz", **arrays)
    return ["data=arrays", "data.file=data.npz", *SHORT]


def pictures(count: int = 60) -> tuple[Any, Any]:
    """Returns bytes N×1×6×6, the second class a little brighter, and their classes."""
    draw, y = np.random.default_rng(0), np.arange(count) % 2
    return (100 + 30 * y[:, None, None, None] + draw.integers(0, 40, (count, 1, 6, 6))).astype(np.uint8), y


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_load_takes_the_units_of_the_training(workdir: Path, dtype: str) -> None:
    """Floats from 0 to 255 were divided by nothing in training and by 255 as bytes: 44.7 % for 100 %."""
    x, y = pictures()
    run = api.run(npz(x=x.astype(dtype), y=y), folder="run")
    assert run.metrics["test/accuracy"] == 1
    images, targets = torch.from_numpy(x), torch.from_numpy(y)
    assert accuracy_of(run.folder, images, targets) == 1
    if dtype == "uint8":
        assert accuracy_of(run.folder, images / 255, targets) == 1
        for others in (images.float(), images.long()):
            with pytest.raises(UserError, match=r"inputs are .*the model takes bytes \(uint8\) or floats in \[0, 1\]"):
                api.load(run.folder)(others)
    else:
        assert accuracy_of(run.folder, images.to(getattr(torch, dtype)), targets) == 1
        with pytest.raises(
            UserError, match=r"lie within \[0, 1\], and the model was trained on values from 100 to 169"
        ):
            api.load(run.folder)(images / 255)


def test_fractions_take_bytes_too(workdir: Path) -> None:
    x, y = pictures()
    run = api.run(npz(x=x / 255, y=y), folder="run")
    images, targets = torch.from_numpy(x), torch.from_numpy(y)
    assert accuracy_of(run.folder, images, targets) == accuracy_of(run.folder, images / 255, targets) == 1
    with pytest.raises(UserError, match=r"floats from \S+ to \S+, and the model takes bytes"):
        api.load(run.folder)(images.float())


def test_bytes_in_a_table_are_no_pictures(workdir: Path) -> None:
    """Learnt as they are, they were divided by 255 when the model was asked."""
    x, y = pictures()
    run = api.run(npz(x=x.reshape(60, 36), y=y), folder="run")
    table, targets = torch.from_numpy(x).flatten(1), torch.from_numpy(y)
    assert accuracy_of(run.folder, table, targets) == accuracy_of(run.folder, table.float(), targets) == 1
    assert facts_of(run)["normalisation"]["inputs"]["range"] is None


def test_bytes_are_refused_where_values_are_larger(workdir: Path) -> None:
    x, y = pictures()
    run = api.run([*npz(x=10.0 * x - 1000, y=y)], folder="run")
    assert run.metrics["test/accuracy"] == 1
    with pytest.raises(UserError, match=r"inputs are bytes \(uint8\), and the model was trained on values from"):
        api.load(run.folder)(torch.from_numpy(x))


@pytest.mark.parametrize("without", ["range", "data"])
def test_a_run_from_before_there_were_units(workdir: Path, without: str) -> None:
    x, y = pictures()
    run = api.run(npz(x=x, y=y), folder="run")
    facts = facts_of(run)
    for key in ("range", "dtype"):
        del facts["normalisation"]["inputs"][key]
    (run.folder / DATA).write_text(json.dumps(facts), encoding="utf-8")
    if without == "data":
        lines = (run.folder / CONFIG).read_text(encoding="utf-8").splitlines(keepends=True)
        (run.folder / CONFIG).write_text(
            "".join(line for line in lines if "  range: null" not in line), encoding="utf-8"
        )
        assert len(lines) - 1 == len((run.folder / CONFIG).read_text(encoding="utf-8").splitlines())
    images, targets = torch.from_numpy(x), torch.from_numpy(y)
    assert accuracy_of(run.folder, images, targets) == accuracy_of(run.folder, images / 255, targets) == 1


@pytest.mark.parametrize("split", ["test", "val"])
@pytest.mark.parametrize("dtype", ["int64", "int32", "float64"])
def test_splits_of_other_types_are_in_one_unit(workdir: Path, split: str, dtype: str) -> None:
    """A test split of int64 beside bytes was not divided by 255: 58 % and a loss of 1378."""
    x, y = pictures()
    own = {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "x_val": x, "y_val": y}
    run = api.run(npz(**(own | {f"x_{split}": x.astype(dtype)})), folder="run")
    assert run.metrics["test/accuracy"] == run.metrics["val/accuracy"] == 1
    with pytest.raises(UserError, match=rf"different units: .*x_{split} float64 from 0\.\d+ to 0\.\d+"):
        api.run(npz(**(own | {f"x_{split}": x / 255})))


def test_splits_of_one_type_in_two_units(workdir: Path) -> None:
    x, y = pictures()
    words = npz(x_train=x.astype(np.float32), y_train=y, x_test=x.astype(np.float32) / 255, y_test=y)
    with pytest.raises(
        UserError, match=r"inputs have values up to \d+ in train, .*up to 0\.\d+ in test: they are not in"
    ):
        api.run(words)


def test_a_mean_in_units_of_255_is_refused_with_the_right_one(workdir: Path) -> None:
    x, y = pictures()
    words = npz(x=x.repeat(3, axis=1), y=y)
    with pytest.raises(UserError, match=r"'data\.mean=\[0\.485,0\.456,0\.406\]' 'data\.std=\[0\.229,0\.224,0\.225\]'"):
        api.run([*words, "data.mean=[123.675,116.28,103.53]", "data.std=[58.395,57.12,57.375]"])
    right = api.run([*words, "data.mean=[0.485,0.456,0.406]", "data.std=[0.229,0.224,0.225]"], folder="run")
    assert right.metrics["test/accuracy"] == 1


SECONDS = 1_700_000_000


@pytest.mark.parametrize("form", ["csv", "npz", "int64"])
def test_numbers_far_from_zero_are_told_apart(workdir: Path, form: str) -> None:
    """In float32 they are 128 seconds apart: a mean of 1.7e9, a standard deviation of 1, 55 %."""
    draw, y = np.random.default_rng(0), np.arange(80) % 2
    x = np.stack([SECONDS + 30 * y + draw.integers(0, 12, 80), draw.integers(0, 9, 80)], axis=1)
    words = npz(x=x if form == "int64" else x.astype(np.float64), y=y)
    if form == "int64":
        words += ["data.fields={inputs: {kind: normalised}}"]
    if form == "csv":
        rows = "".join(f"{a},{b},{c}\n" for (a, b), c in zip(x, y, strict=True))
        Path("data.csv").write_text("t,noise,y\n" + rows, encoding="utf-8")
        words[1] = "data.file=data.csv"
    run = api.run(words, folder="run")
    assert run.metrics["test/accuracy"] == 1
    figures = facts_of(run)["normalisation"]["inputs"]
    assert figures["mean"][0] == pytest.approx(x[:, 0].mean(), abs=5) and figures["std"][0] == pytest.approx(
        15.4, abs=1
    )
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    assert accuracy_of(run.folder, inputs, targets) == accuracy_of(run.folder, inputs.double(), targets) == 1
    with pytest.raises(UserError, match="inputs are float32, and .* only float64 tells them apart: give float64"):
        api.load(run.folder)(inputs.float())


def test_regions_of_numbers_far_from_zero() -> None:
    from dlexp.pictures import decision_regions

    points = torch.tensor([[SECONDS, 0], [SECONDS + 30, 9]], dtype=torch.float64)
    seen: list[torch.Tensor] = []

    def predict(asked: torch.Tensor) -> torch.Tensor:
        seen.append(asked)
        return torch.eye(2)[(asked[:, 0] > SECONDS + 15).long()]

    figure = decision_regions(predict, points, torch.tensor([0, 1]), ["a", "b"], are_shares=True)
    assert len(torch.cat(seen)[:, 0].unique()) > 100 and "0 of 2 points wrong" in figure.axes[0].get_title("left")


def maps(*, folder: str) -> Splits:
    """A person's own function whose inputs stay in their file."""
    x, y = np.load(f"{folder}/x.npy", mmap_mode="r"), np.load(f"{folder}/y.npy")
    return Splits(train=Split(x[:60], y[:60]), test=Split(x[60:], y[60:]))


def test_numbers_far_from_zero_in_a_memory_map(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.arange(80) % 2
    np.save("x.npy", (SECONDS + 30.0 * y + np.random.default_rng(0).integers(0, 12, 80))[:, None])
    np.save("y.npy", y)
    (workdir / "own" / "data").mkdir(parents=True)
    text = (
        f"_target_: {__name__}.maps\nfolder: .\nshape: [1]\nnum_outputs: 2\nclass_names: null\nmean: null\nstd: null\n"
    )
    (workdir / "own" / "data" / "maps.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("DLEXP_ALLOW", __name__)
    run = api.run(["--config-dir", "own", "data=maps", *SHORT], folder="run")
    assert run.metrics["test/accuracy"] == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_far_from_zero_is_normalised_as_in_double_precision(dtype: torch.dtype) -> None:
    values = torch.randn(200, 2, dtype=torch.float64) * 3 + torch.tensor([5e4, 0], dtype=torch.float64)
    values = values.to(dtype)
    normalise = Normalisation([5e4, 0.0], [3.0, 3.0], dtype=dtype)
    expected = (values.double() - torch.tensor([5e4, 0.0])) / 3
    torch.testing.assert_close(normalise(values), expected.float(), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(normalise.undone(normalise(values)), values.double(), rtol=0, atol=1e-5)


def test_a_column_of_one_value_is_named(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    draw, y = np.random.default_rng(0), np.arange(40) % 2
    x = np.stack([y + draw.random(40), np.full(40, 7.5), SECONDS + 30.0 * y], axis=1)
    api.run([*npz(x=x.astype(np.float32), y=y), "max_steps=1"], folder="run")
    assert "nothing can be learnt from columns 1, 2 of the inputs (counted from 0), the same in all" in caplog.text
    assert "samples: 7.5, 1.7e+09" in caplog.text
    rows = "".join(f"{a},7.5,{b}\n" for a, b in zip(x[:, 0], y, strict=True))
    Path("data.csv").write_text("length,width,y\n" + rows, encoding="utf-8")
    api.run(["data=arrays", "data.file=data.csv", *SHORT, "max_steps=1"], folder="csv")
    assert "nothing can be learnt from column width of the inputs, the same in all training samples: 7.5" in caplog.text


@pytest.mark.parametrize(
    "words",
    [
        ["data=fake", "model=linear", "data.mean=[0.1307,0.1307,0.1307]", "data.std=[0.3,0.3,0.3]"],
        ["data=spiral", "model=mlp"],
    ],
)
def test_a_range_that_given_figures_are_not_of_is_refused(workdir: Path, words: list[str]) -> None:
    """MNIST with its own mean and deviation and data.range=[0,4095] was learnt to 16 % instead of 85 %."""
    config = compose([*words, "data.range=[0,4095]"]).config
    split, data = build.load_data(config["data"]).train, config["data"]
    fields = fields_of(data["fields"], data["shape"], data["num_outputs"], "classes")
    given = {key: data[key] for key in ("mean", "std")} | {"feature_names": None}
    with pytest.raises(UserError, match=r"not those of values from .*count as 0 and 1 \('data.range=\[0,4095\]'\)"):
        normalised_fields(split, fields, range=[0, 4095], **given)
    low, high = float(split.inputs.min()), float(split.inputs.max())
    as_they_are: Any = given | {"mean": [0.0] * len(data["mean"]), "std": [1.0] * len(data["mean"])}
    assert normalised_fields(split, fields, range=[low, high], **as_they_are)


def test_a_range_is_held_to_the_values_of_tables_and_bytes(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    x, y = pictures()
    api.run([*npz(x=x, y=y), "max_steps=1", "data.range=[0,4095]"], folder="bytes")
    assert "warning: 'data.range=[0,4095]', and inputs are bytes, which are from 0 to 255" in caplog.text
    x = np.linspace(-5, 5, 60)[:, None]
    api.run([*npz(x=x, y=y), "max_steps=1", "data.range=[0,4095]"], folder="table")
    assert "warning: 'data.range=[0,4095]', and the training samples' inputs have values from -5 to 5" in caplog.text


def test_augmented_bytes_may_have_a_range(workdir: Path) -> None:
    """What is black was taken off bytes, which became floats: augment makes floats up to 149 of bytes."""
    x, y = pictures()
    run = api.run([*npz(x=x, y=y), "data.range=[20,200]", "augment=crop_flip"], folder="run")
    assert run.metrics["test/accuracy"] == 1


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (lambda x: 100 * x, r"columns 0, 1 of the inputs \(counted from 0\) look as if in another unit in test"),
        (lambda x: x / 100, r"columns 0, 1 of the inputs \(counted from 0\) look as if in another unit in test"),
        (lambda x: x * [1, 1000], r"column 1 of the inputs \(counted from 0\) look"),
        (lambda x: x + [3, -2], None),
        (lambda x: x * [1, 4], None),
        (lambda x: np.concatenate([x[:-1], [[1e6, -1e6]]]), None),
        (lambda x: 100 * x[:5], None),
    ],
)
def test_a_split_in_another_unit_is_told(
    other: Callable[[Any], Any], told: str | None, workdir: Path, caplog: Any
) -> None:
    """A test split of 100 times training's values gave 62 % in silence; some far values or few samples say nothing."""
    draw, y = np.random.default_rng(0), np.arange(60) % 2
    x = draw.normal(size=(60, 2)) + y[:, None]
    x_test = other(draw.normal(size=(40, 2)))
    arrays = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y[: len(x_test)]}
    api.run([*npz(**arrays), "max_steps=1"], folder="run")
    found = [each.getMessage() for each in caplog.records if "another unit" in each.getMessage()]
    assert len(found) == (told is not None) and (told is None or re.search(told, found[0]))


@pytest.mark.parametrize(
    ("layout", "shape"), [(None, (4, 7, 9, 3)), ("channels_last", (4, 7, 9, 4)), (None, (4, 3, 9, 9))]
)
def test_channels_are_where_they_are(workdir: Path, layout: str | None, shape: tuple[int, ...]) -> None:
    words = npz(x=np.arange(np.prod(shape), dtype=np.uint8).reshape(shape), y=np.arange(4) % 2)
    found = compose([*words, f"data.layout={layout or 'null'}"]).config["data"]["shape"]
    assert found == [shape[-1], *shape[1:3]] if shape[-1] < 9 else list(shape[1:])


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((4, 6, 6, 4), "the fourth may be transparency"),
        ((4, 5, 7, 9), "channels_last"),
        ((4, 3, 7, 3), "channels_first"),
    ],
)
def test_a_layout_that_is_not_plain_is_asked_for(workdir: Path, shape: tuple[int, ...], told: str) -> None:
    """Pictures of four values a pixel were four rows of a picture with as many channels as it is high."""
    words = npz(x=np.zeros(shape, np.uint8), y=np.arange(4) % 2)
    with pytest.raises(UserError, match=rf"x of four axes, \[4, .*{told}"):
        compose(words)
    with pytest.raises(UserError, match=r"data\.layout=channels_last wants x of four axes, and it has 2"):
        compose([*npz(x=np.zeros((4, 3)), y=np.arange(4) % 2), "data.layout=channels_last"])


def test_pictures_show_the_unit(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of 700 to 740 would all be white."""
    from dlexp import pictures as drawn

    seen: dict[str, torch.Tensor] = {}
    monkeypatch.setattr(drawn, "image_grid", lambda images, titles: seen.update(grid=images) or None)
    monkeypatch.setattr(drawn, "mistakes", lambda images, *_, **__: seen.update(m=images[torch.arange(8)]) or None)
    monkeypatch.setattr("dlexp.records.tracker.Tracker.figure", lambda *_, **__: None)
    monkeypatch.setattr("dlexp.records.tracker.Tracker.figures", lambda *_, **__: None)
    write(workdir / "images", *CASES["12 bits in a PNG"])
    api.run([*FOLDER, "epochs=1", "pictures=true"], folder="run")
    for images in seen.values():
        assert 0 <= images.min() < 0.2 and 0.8 < images.max() <= 1.05
    assert seen.keys() == {"grid", "m"}


def test_a_teacher_is_shown_its_own_unit(workdir: Path) -> None:
    """A student of other units than its teacher's is refused; of the same ones it is shown what it was trained on."""
    x, y = pictures()
    floats = 10.0 * x - 1000
    api.run(npz(x=floats, y=y), folder="teacher")
    words = [*npz(x=floats, y=y), "method=distillation", "method.teacher=teacher", "method.weight=1"]
    assert api.run(words, folder="student").metrics["test/accuracy"] == 1
    with pytest.raises(
        UserError, match="trained on inputs from -0? to .*is shown others, from 0 to 255|trained on inputs"
    ):
        api.run([*npz(x=x, y=y), *words[2:]], folder="other")


def test_black_is_the_lowest_of_the_unit(workdir: Path) -> None:
    """What a crop brings in from outside would lie far below all values."""
    split = Split(torch.full((4, 1, 6, 6), 700.0), torch.zeros(4, dtype=torch.int64))
    field = Field([1, 6, 6], torch.uint8, "image")
    batches = Batches(
        split,
        fields={"inputs": field, "targets": Field([], torch.int64, "plain")},
        normalised={"inputs": Normalisation([0.0], [1.0], (690.0, 710.0))},
        augment=[RandomCrop(padding=3, mode="zeros")],
        **{"batch_size": 4, "seed": 0, "shuffle": True, "channels_last": False},
    )
    assert set(next(batches.epoch(0))["inputs"].flatten().tolist()) == {0.0, 0.5}


def test_floats_that_augmentation_makes_of_bytes(workdir: Path) -> None:
    """Bytes with noise became floats, which were taken for fractions: white was 255 times white."""
    split = Split(torch.full((4, 1, 6, 6), 200, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    settings: dict[str, Any] = {"batch_size": 4, "seed": 0, "shuffle": True, "channels_last": False}
    halves = batches_of(split, mean=[0.0], std=[1.0], augment=[lambda images, draw: images / 400], **settings)
    assert next(halves.epoch(0))["inputs"].unique().tolist() == [0.5]
    noisy = batches_of(split, mean=[0.0], std=[1.0], augment=[lambda images, draw: images + 0.5], **settings)
    with pytest.raises(UserError, match=r"augment makes floats up to 200.5 of bytes"):
        next(noisy.epoch(0))


def test_given_figures_that_can_not_be(workdir: Path) -> None:
    write(workdir / "images", *CASES["12 bits in a PNG"])
    for more in ([], ["data.in_memory=false"]):
        with pytest.raises(
            UserError, match=r"data.mean=\[0.5\] and data.std=\[0.2\] are not those of values from 6\d\d to"
        ):
            api.run([*FOLDER, *more, "data.mean=[0.5]", "data.std=[0.2]"], folder=f"run{len(more)}")
    own = api.run([*FOLDER, "data.mean=[720]", "data.std=[21]"], folder="own")
    unit = api.run([*FOLDER, "data.mean=[0.5]", "data.std=[0.3]", "data.range=[685,755]"], folder="unit")
    assert own.metrics["test/accuracy"] == unit.metrics["test/accuracy"] == 1
    with pytest.raises(UserError, match=r"'data.range=\[0,9\]' changes nothing: inputs are not normalised"):
        api.run([*npz(x=np.zeros((9, 4), np.int64), y=np.arange(9) % 2), "data.range=[0,9]", IDS])
