"""How CSV files are read: what is found by looking, what is asked for, and what a column is taken for."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlexp.data.features import as_inputs
from dlexp.data.formats.array_files import Table, read_table
from dlexp.data.formats.csv_file import BLOCK
from dlexp.data.formats.reading import Reading, typed
from dlexp.errors import UserError

ROWS = 12


def table(folder: Path, text: str, written: str = "utf-8", /, **settings: Any) -> Table:
    file = folder / "table.csv"
    file.write_bytes(text.encode(written))
    return read_table(str(file), Reading(**settings))


def rows(*cells: str, separator: str = ",") -> str:
    """Returns rows in which `#` is their number and `a|b` stands for the one and the other in turn."""
    lines = [[cell.split("|")[i % len(cell.split("|"))].replace("#", str(i)) for cell in cells] for i in range(ROWS)]
    return "".join(separator.join(line) + "\n" for line in lines)


@pytest.mark.parametrize(
    ("names", "label", "why"),
    [
        ("label,u,v", "label", "by its name"),
        ("Class,u,v", "Class", "by its name"),
        ("u,TARGET,v", "TARGET", "by its name"),
        ("y,u,v", "y", "by its name"),
        ("u,y", "y", "by its name"),
        ("label,x,y", "label", "by its name"),
        ("y,label,class", "label", "by its name"),
        ("x,y,kind", "kind", "the last column"),
        ("u,v,species", "species", "the last column"),
    ],
)
def test_the_label_is_a_column_by_its_name_else_the_last(tmp_path: Path, names: str, label: str, why: str) -> None:
    columns = names.split(",")
    found = table(tmp_path, names + "\n" + rows(*("cat|dog" if name == label else "#.5" for name in columns)))
    assert found.class_names == ["cat", "dog"] and found.feature_names == [name for name in columns if name != label]
    count = f"{len(columns) - 1} feature{'s' * (len(columns) > 2)}"
    assert found.said == [f"label: column {label} ({why}), 2 classes; {count}"]
    others = ["y", "class"] if names == "y,label,class" else []  # a y beside an x is a coordinate
    assert len(found.warnings) == len(others)
    for name, doubt in zip(others, found.warnings, strict=True):
        assert f"column {name} is taken for a feature" in doubt and f"data.label_column={name} learns it" in doubt


@pytest.mark.parametrize(
    ("separator", "cells", "told"),
    [
        (";", ("#,5", "#,25"), "separated by semicolon; with a decimal comma"),
        ("\t", ("#.5", "#.25"), "separated by tab"),
        ("|", ("#.5", "#.25"), "separated by bar"),
        ("\t", ("#,5", "#,25"), "separated by tab; with a decimal comma"),
        (",", ('"#,5"', '"#,25"'), "with a decimal comma"),
    ],
)
def test_separator_and_decimals_are_found(tmp_path: Path, separator: str, cells: tuple[str, str], told: str) -> None:
    for targets, answer in (("classes", "cat|dog"), ("values", cells[0])):
        text = separator.join(["u", "v", "label"]) + "\n" + rows(*cells, answer, separator=separator)
        found = table(tmp_path, text, targets=targets)
        x, y = found.splits["all"][:2]
        assert x.tolist() == [[i + 0.5, i + 0.25] for i in range(ROWS)]
        assert found.said[0].endswith(f"2 features; {told}")
        assert y[:3].tolist() == ([0, 1, 0] if targets == "classes" else [[0.5], [1.5], [2.5]])


@pytest.mark.parametrize(
    ("text", "settings", "sentence"),
    [
        ("a;b,label\n1;2,3\n1;2,4\n", {}, r"separated by comma or by semicolon; data\.separator=comma says"),
        ("a b label\n1 2 3\n1 3 4\n", {}, r"separated by comma, semicolon, tab, bar; data\.separator=comma\|.*space"),
        ("a;label\n1,500;b\n2,250;c\n", {}, r"'1,500' may have .* between thousands; data\.decimal=comma or"),
        ("a;b;label\n1,50;1.5;b\n2,25;2;c\n", {}, r"'1,50' may .* and there is '1\.5'; data\.decimal=comma or"),
        ('a,label\n"1,500",b\n"2,250",c\n', {"decimal": "point"}, r"line 2: '1,500' in column 'a' is not a number"),
        ("a;label\n1,5;b\n2.5;c\n", {"decimal": "comma"}, r"line 3: '2\.5' in column 'a' is not a number"),
        ("a;label\n1,5;b\n2;c\n", {"decimal": "comm"}, r"data\.decimal=comm must be one of point, comma"),
        ("a;label\n1,5;b\n2;c\n", {"separator": ";"}, r"data\.separator=; must be one of comma, semicolon, tab, bar"),
        ("a,label\n1,b\n2,c\n", {"encoding": "klingon"}, r"data\.encoding=klingon is no encoding"),
        ("a,label\n1,b\nred,c\n3,b\n", {}, r"line 3: 'red' in column 'a' is not a number.*'data\.categories=\[a\]'"),
        ("a,label\n12 %,b\n13 %,c\n12 %,b\n", {}, r"line 2: '12 %' in column 'a' is not a number"),
        ("a,label\n1,b\n-inf,c\n", {}, r"line 3: '-inf' in column 'a' is infinite"),
        ("a,b,label\n1,?,b\n2,NaN,c\n", {"missing": "mean"}, r"column 'b' holds no value at all; 'data\.ignore_col"),
        ("a,b,label\n1,?,b\n2,NaN,c\n", {"missing": "drop"}, r"drop leaves no row"),
        ("a,b,label\n1,?,b\n2,3,c\n,4,c\n", {}, r"line 2: no value in column 'b' \(\?\), 2 in all: data\.missing=drop"),
        ("a,b,label\n1,?,b\n2,3,c\n,4,c\n", {}, r"data\.missing=mean puts .*, 'data\.ignore_columns=\[a,b\]' leaves"),
        ("a,label\n1,b\n2,nan\n", {"missing": "mean"}, r"line 3: no label in column 'label' \(nan\), 1 in all: data"),
        ("a,a,label\n1,2,b\n2,3,c\n", {}, "more than one column is named a; .*data.header=false"),
        (
            "x=1,x,label\n1,2,b\n2,3,c\n",
            {},
            r"a column is named 'x=1', as the category 1 of column 'x' .*ignore_columns",
        ),
        ("x,label\n1_0,b\n2,c\n", {}, "line 2: '1_0' in column 'x' is not a number"),
        ("x,label\n1_000,b\n2_000,c\n", {}, "line 2: '1_000' in column 'x' is not a number"),
        ("x,label\n1,1_0\n2,3\n", {"targets": "values"}, "line 2: '1_0' in column 'label' is not a number"),
        (
            "a,b,label\n1,2,b\n2,3,c\n",
            {"ignore_columns": ("c",)},
            r"no column 'c' \(data\.ignore_columns\); it has a",
        ),
        (
            "a,b,label\n1,2,b\n2,3,c\n",
            {"ignore_columns": ("a",), "label_column": "a"},
            r"data\.label_column names 'a', which data\.ignore_columns leaves out",
        ),
    ],
)
def test_what_is_not_plain_is_asked_for(tmp_path: Path, text: str, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        table(tmp_path, text, **settings)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gbk"])
def test_encodings_are_found(tmp_path: Path, encoding: str) -> None:
    found = table(tmp_path, "长度,类别\n" + rows("#.5", "猫|狗"), encoding)
    assert found.class_names == sorted("猫狗") and found.feature_names == ["长度"]
    assert encoding.startswith("utf-8") or f"; in {encoding[:6]}" in found.said[0]


@pytest.mark.parametrize(("encoding", "name"), [("cp1252", "Größe"), ("cp1252", "GRÖßE"), ("shift_jis", "サイズ")])
def test_an_encoding_that_nobody_can_know_is_asked_for(tmp_path: Path, encoding: str, name: str) -> None:
    """Most bytes of Western Europe are Chinese characters too."""
    text = f"{name},label\n" + rows("#.5", "cat|dog")
    with pytest.raises(UserError, match=r"is not in UTF-8 \(it has the byte 0x..\): data\.encoding=cp1252 \(Western"):
        table(tmp_path, text, encoding)
    assert table(tmp_path, text, encoding, encoding=encoding).feature_names == [name]


def test_texts_become_categories(tmp_path: Path) -> None:
    text = "u,colour,zip,label\n" + rows("#.5", "red|blue|red", "007|7", "cat|dog")
    found = table(tmp_path, text, categories=("zip",))
    assert found.feature_names == ["u", "colour=blue", "colour=red", "zip=007", "zip=7"]
    assert found.splits["all"].x[:2].tolist() == [[0.5, 0, 1, 1, 0], [1.5, 1, 0, 0, 1]]
    assert "; colour as 2 categories; zip as 2 categories" in found.said[0]


def test_names_are_no_categories_unless_they_are_asked_for(tmp_path: Path) -> None:
    text = "the name,u,label\n" + rows("n#", "#", "cat|dog")
    with pytest.raises(UserError, match=r"12 different texts in 12 rows.*data\.ignore_columns=\['the name'\]\" l"):
        table(tmp_path, text)
    assert table(tmp_path, text, ignore_columns=("the name",)).feature_names == ["u"]
    assert len(table(tmp_path, text, categories=("the name",)).feature_names or ()) == ROWS + 1


def test_missing_values_are_left_out_or_wait_for_the_mean(tmp_path: Path) -> None:
    text = "a,colour,label\n" + "1,red,x\nNA,blue,y\n3,red,nan\n4,,y\n5,blue,x\n6,red,y\n"
    found = table(tmp_path, text, missing="drop")
    assert found.splits["all"].x.tolist() == [[1, 0, 1], [5, 1, 0], [6, 0, 1]]
    assert found.splits["all"].y.tolist() == [0, 0, 1]
    assert found.said[0].endswith("3 of 6 rows left out (no value in label, a, colour)")
    found = table(tmp_path, text.replace("nan", "x"), missing="mean")
    assert str(found.splits["all"].x.tolist()[1:4]) == "[[nan, 1.0, 0.0], [3.0, 0.0, 1.0], [4.0, nan, nan]]"
    assert found.said[0].endswith("2 missing values (a, colour) become the mean of the training samples")


def test_labels_that_differ_stay_apart(tmp_path: Path) -> None:
    def names(*labels: str) -> list[str] | None:
        return table(tmp_path, "u,label\n" + rows("#", "|".join(labels))).class_names

    assert names("007", "7") == ["007", "7"]
    assert names("007", "008") == ["007", "008"], "as they stand there"
    assert names("10", "9") == ["9", "10"]
    assert names("9007199254740993", "9007199254740992") == ["9007199254740992", "9007199254740993"]
    assert names("none", "crack") == ["crack", "none"], "a class, among labels"


@pytest.mark.parametrize(
    ("names", "cells", "settings", "warning"),
    [
        (",u,label", ("#", "1|3", "cat|dog"), {}, r"column column_1 counts the rows \(0, 1, …\).*=\[column_1\]'"),
        ("Unnamed: 0,u,label", ("#", "1|3", "cat|dog"), {}, r"column Unnamed: 0 .*=\['Unnamed: 0'\]\""),
        ("5.1,3.5,cat", ("#.5", "1|3", "cat|dog"), {}, r"looks like a row \(5.1, 3.5, cat\).*data\.header=false"),
        ("a,3,cat", ("x|y", "1|3", "cat|dog"), {}, r"looks like a row \(a, 3, cat\)"),
        ("t,u,cat", ("x|y", "1|3", "cat|dog"), {}, r"looks like a row \(t, u, cat\)"),
        ("u,name", ("1|3", "n#"), {}, r"12 classes in 12 samples, about one a sample: data\.label_column=NAME"),
        ("u,price", ("#", "3"), {"targets": "values"}, r"all answers are the same number.*data\.label_column="),
    ],
)
def test_what_is_likely_a_mistake(
    tmp_path: Path, names: str, cells: tuple[str, ...], settings: dict[str, Any], warning: str
) -> None:
    warnings = table(tmp_path, f"{names}\n{rows(*cells)}", **settings).warnings
    assert len(warnings) == 1 and re.search(warning, warnings[0]), warnings


def test_a_table_without_names(tmp_path: Path) -> None:
    text = rows("#.5", "1|3", "cat|dog")
    found = table(tmp_path, text, header=False)
    assert found.feature_names == ["column_1", "column_2"] and len(found.splits["all"].x) == ROWS
    assert len(table(tmp_path, text).splits["all"].x) == ROWS - 1 and table(tmp_path, text).warnings
    assert not table(tmp_path, text, header=True).warnings
    assert not table(tmp_path, "0,1,label\n" + rows("#.5", "1|3", "cat|dog")).warnings, "as pandas counts columns"


def test_numbers_keep_what_single_precision_would_lose(tmp_path: Path) -> None:
    """Also beside a value that is missing, in their own column and in another."""
    for gap in ("1", "?"):
        text = f"u,seconds,label\n1,1700000000,a\n{gap},1700000030,b\n2,?,b\n"
        x = table(tmp_path, text, missing="mean").splits["all"].x
        assert x.dtype == np.float64 and x[1, 1] - x[0, 1] == 30


def test_lines_are_told_across_blocks_and_quoted_ones(tmp_path: Path) -> None:
    text = 'a,"the\nlabel"\n' + "1,cat\n2,dog\n" * (BLOCK // 2) + '3,"a\ncat"\n'
    found = table(tmp_path, text)
    assert len(found.splits["all"].x) == BLOCK + 1 and found.class_names == ["a\ncat", "cat", "dog"]
    with pytest.raises(UserError, match=f"line {BLOCK + 5}: no value in column 'a'"):
        table(tmp_path, text + "nan,cat\n")
    with pytest.raises(UserError, match=f"line {BLOCK + 5}: 1 values, but 2 columns"):
        table(tmp_path, text + "5\n")


def test_lists_of_columns_are_quoted_for_shell_and_hydra() -> None:
    assert typed("categories", ["a", "b_1"]) == "'data.categories=[a,b_1]'"
    assert typed("categories", ["a b", "1"]) == "\"data.categories=['a b','1']\""


def test_labels_that_only_python_takes_for_one_number_are_two(tmp_path: Path) -> None:
    read = table(tmp_path, "x,label\n1,1_2\n2,12\n3,１２\n")
    assert read.class_names == ["12", "1_2", "１２"]
    assert read.splits["all"].y.tolist() == [1, 0, 2]


def test_a_column_may_have_an_equals_sign_in_its_name(tmp_path: Path) -> None:
    read = table(tmp_path, "x=1,a=b,label\n1,u,b\n2,v,c\n3,u,c\n4,v,c\n")
    assert read.feature_names == ["x=1", "a=b=u", "a=b=v"]
    assert as_inputs([{"x=1": 5, "a=b": "v"}], read.feature_names).tolist() == [[5, 0, 1]]
