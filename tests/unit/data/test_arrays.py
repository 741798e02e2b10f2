"""A person's own NPZ or CSV: what is understood, and a sentence for everything else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import AS_IT_LOOKS, NO_FILES, divided

from dlexp.data import facts
from dlexp.data.arrays import arrays
from dlexp.data.splits import Splits
from dlexp.errors import UserError


def load(file: Path | None, **changes: Any) -> Splits:
    settings = {**AS_IT_LOOKS, "fields": None, "test_size": 0.2, "split_seed": 0, **NO_FILES}
    return arrays(file=file and str(file), **(settings | changes))


def facts_of(file: Path, **changes: Any) -> tuple[list[int], list[str] | None, int]:
    """Returns shape, class names and number of outputs, as they come into a config."""
    node = {"file": str(file), "fields": None, **AS_IT_LOOKS, **changes}
    return facts.table_shape(node), facts.table_classes(node), facts.table_outputs(node)


def npz(folder: Path, **contents: Any) -> Path:
    np.savez(folder / "data.npz", **contents)
    return folder / "data.npz"


def csv(folder: Path, text: str) -> Path:
    (folder / "data.csv").write_text(text, encoding="utf-8")
    return folder / "data.csv"


def test_npz_is_split_by_seed(tmp_path: Path) -> None:
    file = npz(tmp_path, x=np.arange(20.0)[:, None], y=np.arange(20) % 2)
    splits = load(file)
    assert splits.test is not None and len(splits.test.targets) == 4 and len(splits.train.targets) == 16
    both = torch.cat([splits.train.inputs, splits.test.inputs]).flatten()
    assert sorted(both.tolist()) == list(range(20))
    assert splits.train.inputs.dtype == torch.float32 and splits.train.targets.dtype == torch.int64
    assert torch.equal(splits.train.inputs[:, 0].long() % 2, splits.train.targets)
    other = load(file, split_seed=1).test
    assert other is not None and not torch.equal(splits.test.inputs, other.inputs)


def test_the_test_split_has_its_part_of_each_class(tmp_path: Path) -> None:
    for seed in range(3):
        splits = load(npz(tmp_path, x=np.arange(100.0)[:, None], y=np.repeat([0, 1], [90, 10])), split_seed=seed)
        assert splits.test is not None and splits.test.targets.bincount().tolist() == [18, 2]
        parts = divided(splits, split_seed=seed)
        assert parts.val is not None and parts.val.targets.bincount().tolist() == [7, 1]
        assert parts.divided_by == ("data.test_size", "data.val_size")


def test_nothing_is_held_out(tmp_path: Path) -> None:
    file = csv(tmp_path, "a,b,label\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n")
    splits = load(file, test_size=0)
    assert splits.test is None and len(splits.train) == 4 and splits.divided_by == ()
    parts = divided(load(file))
    assert parts.val is not None and parts.test is not None
    assert sorted(parts.train.targets.tolist()) == [0, 1] and len(parts.val) == len(parts.test) == 1


def test_npz_with_its_own_splits(tmp_path: Path) -> None:
    x, y = np.zeros((6, 3)), np.array(["cat", "dog"] * 3)
    splits = load(npz(tmp_path, x_train=x, y_train=y, x_test=x[:2], y_test=y[:2], x_val=x[:4], y_val=y[:4]))
    assert splits.test is not None and splits.val is not None
    assert [len(split.inputs) for split in (splits.train, splits.val, splits.test)] == [6, 4, 2]
    assert splits.train.targets.tolist() == [0, 1] * 3


@pytest.mark.parametrize(
    ("shape", "expected"), [((4, 8, 9), [1, 8, 9]), ((4, 8, 9, 3), [3, 8, 9]), ((4, 3, 8, 9), [3, 8, 9])]
)
def test_images_keep_their_bytes(tmp_path: Path, shape: tuple[int, ...], expected: list[int]) -> None:
    file = npz(tmp_path, x=np.ones(shape, dtype=np.uint8), y=np.array([0, 1, 0, 1]))
    splits = load(file, test_size=0.5)
    assert splits.train.inputs.dtype == torch.uint8 and list(splits.train.inputs.shape[1:]) == expected
    assert facts_of(file)[0] == expected


def test_csv_with_words_as_labels_and_a_named_column(tmp_path: Path) -> None:
    lines = [f"{i},{'big' if i > 4 else 'small'},{i * i}" for i in range(10)]
    file = csv(tmp_path, "\ufefflength,kind,square\r\n" + "\r\n".join(lines) + "\r\n\r\n")
    splits = load(file, label_column="kind")
    assert splits.train.inputs.shape == (8, 2)
    assert torch.equal(splits.train.inputs[:, 0] <= 4, splits.train.targets.bool())  # big = 0, small = 1
    assert facts_of(file, label_column="kind") == ([2], ["big", "small"], 2)


def test_numbered_classes_are_sorted_as_numbers(tmp_path: Path) -> None:
    file = csv(tmp_path, "x,label\n" + "".join(f"{i},{i}.0\n" for i in (10, 9, 2) * 2))
    assert facts_of(file)[1] == ["2", "9", "10"]


def test_values(tmp_path: Path) -> None:
    file = csv(tmp_path, "a,b,price\n" + "".join(f"{i},1,{i / 3}\n" for i in range(10)))
    splits = load(file, targets="values")
    assert splits.train.targets.shape == (8, 1) and splits.train.targets.dtype == torch.float32
    assert facts_of(file, targets="values") == ([2], None, 1)
    two = npz(tmp_path, x=np.zeros((5, 2)), y=np.ones((5, 2)))
    assert load(two, targets="values").train.targets.shape == (4, 2)


def test_several_labels_a_sample(tmp_path: Path) -> None:
    y = np.array([[0, 1, 1], [1, 0, 0]] * 10)
    file = npz(tmp_path, x=np.zeros((20, 2)), y=y)
    splits = load(file, targets="labels")
    assert splits.train.targets.dtype == torch.float32 and splits.train.targets.shape == (16, 3)
    assert facts_of(file, targets="labels")[1] == ["label 0", "label 1", "label 2"]
    for wrong in (y + 1, y[:, 0]):
        with pytest.raises(UserError, match="task=multi_label wants y as N×labels of 0 and 1"):
            load(npz(tmp_path, x=np.zeros((20, 2)), y=wrong), targets="labels")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = csv(tmp_path, "x,label\n1,a\n2,b\n")
    assert facts_of(file)[1] == ["a", "b"]
    csv(tmp_path, "x,label\n1,a\n2,b\n3,c\n")
    assert facts_of(file)[1] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must begin with a line of column names"),
        ("x,label\n", "0 samples"),
        ("x,label\n1,a\n2\n", "line 3: 1 values, but 2 columns"),
        ("x,label\n1,a\nred,b\n", "line 3: 'red' in column 'x' is not a number"),
        ("x,label\n1,a\n,b\n", "line 3: no value in column 'x'"),
        ("x,label\n1,a\n2,\n", "line 3: no label"),
        ("x,label\n1,a\n1e300,b\n", "line 3: '1e300' in column 'x' is infinite or beyond"),
        ("x,label\n1,a\n2,a\n", "all samples have the same label, a"),
        ("x,label\n1,0.5\n2,0.7\n", "task=regression"),
    ],
)
def test_csv_mistakes_are_sentences(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        load(csv(tmp_path, text))


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ({"images": np.zeros(3)}, "it holds images"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(2)}, "3 samples and 2 answers"),
        ({"x": np.array(["a", "b"]), "y": np.array([0, 1])}, "must be numbers"),
        ({"x": np.zeros((2, 1)), "y": np.array([[0, 1], [1, 0]])}, "one number or word a sample"),
        (
            {"x": np.array([{}, {}]), "y": np.array([0, 1])},
            r'holds x as Python objects.*np\.savez\(FILE, x=np\.array\(list\(x\), dtype="float32"\), …\)',
        ),
        ({"x": np.zeros((2, 1)), "y": np.array(["a", None])}, r"holds y as Python objects.*dtype=\"str\""),
        ({"x": np.zeros((2, 1)), "y": np.array([np.nan, 1])}, r"y\[0\] is missing, 1 in all: data\.missing=drop"),
        ({"x": np.zeros((2, 1)), "y": np.array(["a", "nan"])}, r"y\[1\] is missing"),
        ({"x": np.zeros((3, 1)), "y": np.array([b"a", b"b", b"nan"])}, r"y\[2\] is missing"),
        (
            {"x": np.array([[0, 1], [np.nan, 2]]), "y": [0, 1]},
            r"\(all\): x\[1, 0\] is missing, 1 in all: data\.missing=drop leaves such samples out, data\.missing=mean",
        ),
        ({"x": np.array([[0.0], [np.inf]]), "y": [0, 1]}, "1 inputs are infinite"),
        ({"x": np.zeros((2, 1)), "y": [0, 1], "weights": [1]}, r"2 samples and weights \[1\]"),
        ({"x": np.zeros((2, 1)), "y": [0, 1], "weights": [1, -1]}, "weights of the all split must be numbers of at"),
        ({"x": np.zeros((2, 1)), "y": [0, 1], "weights": ["a", "b"]}, "weights of the all split must be numbers of at"),
        ({"x": np.zeros((1, 1)), "y": np.array([1])}, "same label"),
        (
            {"x_train": np.zeros((2, 1)), "y_train": [0, 1], "x_test": np.zeros((1, 1)), "y_test": [2]},
            "y_test has the label 2, which does not appear in training",
        ),
        (
            {"x_train": np.zeros((2, 1)), "y_train": [0, 1], "x_val": np.zeros((1, 1)), "y_val": [3]},
            "y_val has the label 3, which does not appear in training",
        ),
        (
            {"x_train": np.zeros((2, 1)), "y_train": [0, 1], "x_test": np.zeros((1, 4)), "y_test": [0]},
            "differ in shape",
        ),
    ],
)
def test_npz_mistakes_are_sentences(tmp_path: Path, contents: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        load(npz(tmp_path, **contents))


def test_bytes_are_text_and_two_of_them_two_labels(tmp_path: Path) -> None:
    file = npz(tmp_path, x=np.zeros((4, 1)), y=np.array([b"\xff", b"\xfe", "é".encode(), b"1_2"]))
    assert facts_of(file)[1] == ["1_2", "\\xfe", "\\xff", "é"]


def test_text_answers_for_regression(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="answers must be numbers for task=regression, there is '1_0'"):
        load(npz(tmp_path, x=np.zeros((2, 1)), y=np.array(["2", "1_0"])), targets="values")
    with pytest.raises(UserError, match="line 2: 'red' in column 'label' is not a number"):
        load(csv(tmp_path, "x,label\n1,red\n2,blue\n"), targets="values")


def test_wrong_column_and_file(tmp_path: Path) -> None:
    file = csv(tmp_path, "length,colour\n1,a\n2,b\n")
    with pytest.raises(UserError, match="Did you mean 'colour'"):
        load(file, label_column="color")
    with pytest.raises(UserError, match=r"missing\.csv cannot be read"):
        load(tmp_path / "missing.csv")
    (tmp_path / "table.xlsx").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"must end in \.npz or \.csv"):
        load(tmp_path / "table.xlsx")
    with pytest.raises(UserError, match=r"data\.file=FILE"):
        load(None)


@pytest.mark.parametrize("name", ["data.npz", "data.csv"])
def test_foreign_bytes_are_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00broken\x00" * 10)
    with pytest.raises(UserError, match="cannot be read|must begin"):
        load(tmp_path / name)


def test_truncated_npz_is_a_sentence(tmp_path: Path) -> None:
    file = npz(tmp_path, x=np.zeros((50, 2)), y=np.arange(50) % 2)
    whole = file.read_bytes()
    for length in range(0, len(whole), 97):
        file.write_bytes(whole[:length])
        with pytest.raises(UserError):
            load(file)


def test_a_column_of_patients_is_no_feature_and_stays_together(tmp_path: Path) -> None:
    lines = [f"{i},p{i // 5},{'sick' if i % 2 else 'well'}" for i in range(50)]
    file = csv(tmp_path, "length,patient,state\n" + "\n".join(lines) + "\n")
    for seed in range(20):
        splits = load(file, group_column="patient", split_seed=seed)
        assert splits.test is not None and splits.train.groups is not None and splits.test.groups is not None
        assert splits.train.inputs.shape == (40, 1) and len(splits.test) == 10
        assert not set(splits.train.groups) & set(splits.test.groups)
        assert splits.test.groups.tolist() == [f"p{int(x) // 5}" for x in splits.test.inputs[:, 0]]
    assert facts_of(file, group_column="patient")[0] == [1]
    last = csv(tmp_path, "length,state,patient\n1,well,ann\n2,sick,bob\n3,well,cat\n")
    assert facts_of(last, group_column="patient")[1] == ["sick", "well"], "not the last column then"


def test_groups_and_weights_in_an_npz(tmp_path: Path) -> None:
    x, y, names = np.zeros((6, 3)), np.arange(6) % 2, np.array(["a", "b", "c"] * 2)
    splits = load(npz(tmp_path, x=x, y=y, groups=names, weights=np.arange(6)), test_size=0.4)
    assert splits.test is not None and splits.test.groups is not None and len(set(splits.test.groups)) == 1
    assert splits.train.weights is not None and splits.train.weights.tolist() == [
        i for i in range(6) if names[i] not in splits.test.groups
    ]
    own = {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    assert load(npz(tmp_path, **own, groups_train=names)).train.groups is not None


def test_wrong_group_columns(tmp_path: Path) -> None:
    file = csv(tmp_path, "length,patient,state\n1,ann,a\n2,,b\n")
    for column, sentence in {
        "pateint": r"no column 'pateint' \(data\.group_column\).*Did you mean 'patient'",
        "patient": "line 3: no group in column 'patient'",
    }.items():
        with pytest.raises(UserError, match=sentence):
            load(file, group_column=column)
    with pytest.raises(UserError, match=r"data\.label_column and data\.group_column are both 'state'"):
        load(file, label_column="state", group_column="state")
    with pytest.raises(UserError, match="at least one feature and one label beside the groups"):
        load(csv(tmp_path, "patient,state\nann,a\n"), group_column="patient")
    with pytest.raises(UserError, match=r"data\.group_column is about the columns of a CSV"):
        load(npz(tmp_path, x=np.zeros((2, 1)), y=np.arange(2)), group_column="p")


def test_three_axes_of_floats_are_named(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(10, 2, 7)), np.arange(10) % 2
    file = npz(tmp_path, x=x, y=y)
    with pytest.raises(UserError, match=r"data\.layout=series or data\.layout=images"):
        load(file)
    series = load(file, layout="series").train.inputs
    assert series.shape == (8, 2, 7) and series.dtype == torch.float32
    assert load(file, layout="images").train.inputs.shape == (8, 1, 2, 7)
    assert facts_of(file, layout="series")[0] == [2, 7]
    assert load(npz(tmp_path, x=(9 * x).astype(np.uint8), y=y)).train.inputs.shape == (8, 1, 2, 7), "bytes are images"
    for layout, shape in (("series", (10, 7)), ("series", (10, 1, 7, 2)), ("images", (10, 7))):
        with pytest.raises(UserError, match=f"data.layout={layout} wants x as .* it has {len(shape)} axes"):
            load(npz(tmp_path, x=np.zeros(shape), y=y), layout=layout)


def test_whole_numbers_are_ids_or_quantities(tmp_path: Path) -> None:
    """Ids that became floats and were normalised trained on nonsense without a word."""
    x, y = np.arange(40, dtype=np.int32).reshape(10, 4), np.arange(10) % 2
    file = npz(tmp_path, x=x, y=y)
    with pytest.raises(
        UserError, match=r"'data\.fields=\{inputs: \{kind: plain, dtype: int64\}\}'.*\{kind: normalised\}"
    ):
        load(file)
    ids = load(file, fields={"inputs": {"kind": "plain", "dtype": "int64"}}).train.inputs
    assert ids.dtype == torch.int64 and set(ids.flatten().tolist()) <= set(range(40))
    assert load(file, fields={"inputs": {"kind": "plain", "dtype": "int32"}}).train.inputs.dtype == torch.int32
    assert load(file, fields={"inputs": {"kind": "normalised"}}).train.inputs.dtype == torch.float32
    pictures = load(npz(tmp_path, x=np.zeros((10, 1, 4, 4), np.int64), y=y)).train.inputs
    assert pictures.dtype == torch.float32, "four axes are no ids"


def test_samples_with_missing_values_are_left_out_or_wait_for_the_mean(tmp_path: Path) -> None:
    x = np.arange(30, dtype=float).reshape(10, 3)
    x[2, 1] = np.nan
    y = np.array(["a", "b"] * 5, dtype="U3")
    y[7] = "nan"
    file = npz(tmp_path, x=x, y=y, weights=np.arange(10.0))
    splits = load(file, missing="drop")
    assert splits.test is not None and splits.train.weights is not None and splits.test.weights is not None
    left = torch.cat([splits.train.weights, splits.test.weights]).sort().values
    assert left.tolist() == [0, 1, 3, 4, 5, 6, 8, 9] and not splits.fills_missing
    with pytest.raises(UserError, match=r"y\[7\] is missing"):
        load(file, missing="mean")
    splits = load(npz(tmp_path, x=x, y=np.arange(10) % 2), missing="mean")
    assert splits.fills_missing and int(splits.train.inputs.isnan().sum() + splits.test.inputs.isnan().sum()) == 1  # type: ignore[union-attr]


def test_values_of_more_axes_keep_their_shape_where_it_is_stated(tmp_path: Path) -> None:
    y = np.arange(60, dtype=float).reshape(10, 3, 2)
    file = npz(tmp_path, x=np.zeros((10, 4)), y=y)
    with pytest.raises(UserError, match=r"y has the shape \[3, 2\] a sample.*'data\.fields={targets: {shape: \[3, 2\]"):
        facts_of(file, targets="values")
    fields = {"targets": {"shape": [3, 2]}}
    assert facts_of(file, targets="values", fields=fields)[2] == 6
    assert load(file, targets="values", fields=fields).train.targets.shape == (8, 3, 2)


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.zeros((9, 4)), "4 features"),
        (np.zeros((9, 1)), "1 feature"),
        (np.zeros((9, 1, 5, 6), np.uint8), "1×5×6 values"),
    ],
)
def test_arrays_tell_how_many_classes_were_found(tmp_path: Path, caplog: Any, x: Any, told: str) -> None:
    caplog.set_level("INFO")
    load(npz(tmp_path, x=x, y=np.arange(9) % 3))
    assert caplog.messages == [f"label: y, 3 classes; {told}"]


def test_a_table_tells_what_it_took(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rows = [f"{'ab'[i % 2]},{i},{'xy'[i // 5]}\n" for i in range(10)]
    splits = load(csv(tmp_path, "class,id,colour\n" + "".join(rows)))
    assert caplog.messages == [
        "label: column class (by its name), 2 classes; 3 features; colour as 2 categories",
        "warning: column id counts the rows (0, 1, …), which says where a sample stands and not what it is:"
        " 'data.ignore_columns=[id]' leaves it out",
    ]
    assert splits.feature_names == ["id", "colour=x", "colour=y"]
