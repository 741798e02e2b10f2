"""CSV files: a line of column names, one column of answers, one of groups where it is named, the others are features.

Python's `csv` reads them, in blocks of rows: every cell is the text that stands there, with its line, until something
here decides what it is.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlexp.data.formats.csv_column import Column
from dlexp.data.formats.csv_dialect import dialect_of
from dlexp.data.formats.numbers import number
from dlexp.data.formats.reading import MISSING, NO_LABEL, Reading, typed
from dlexp.errors import UserError, did_you_mean, listed, to_type

BLOCK = 1000  # rows; the cells of more leave the cache before their columns are made
# A column by such a name holds the answers, wherever it stands; of several the first of these.
LABELS = ("label", "class", "target", "y")
# Columns by such a name that count the rows say nothing of a sample; pandas leaves the first or makes it the second.
COUNTERS = ("", "unnamed: 0", "id", "index")


class CsvTable(NamedTuple):
    """x: float64 N×features, NaN where a value is missing; y: float64 N×1 for values, else texts N; groups: texts N.
    Without a label, which targets="none" may be, y is 0.

    feature_names: of a text column one for each of its texts, `colour=red`. label: the column of answers, in words.
    said: what else was found by looking. warnings: what is likely a mistake.
    """

    x: NDArray[np.float64]
    y: NDArray[Any]
    groups: NDArray[np.str_] | None
    feature_names: list[str]
    label: str
    said: list[str]
    warnings: list[str]


class Places(NamedTuple):
    """Where in a row the answers (None: there are none) and the groups stand, and why they are the answers."""

    label: int | None
    group: int | None
    why: str


def read_csv(path: Path, reading: Reading) -> CsvTable:
    """Reads a CSV whose first line names the columns, unless `reading.header` is false.

    Raises:
        UserError: names file, line and column of what is wrong, and what to type.
    """
    try:
        dialect = dialect_of(path, reading)
        with path.open(encoding=dialect.encoding, newline="") as file:
            rows = csv.reader(file, delimiter=dialect.separator, skipinitialspace=True)
            first = [name.strip() for name in next(filter(None, rows), [])]
            has_names = reading.header is not False
            names = [name if name and has_names else f"column_{number}" for number, name in enumerate(first, 1)]
            _hold_to_names(path, names, reading)
            places = _places(path, names, [bool(name) or not has_names for name in first], reading)
            columns = _columns(path, names, places, reading, dialect.decimal)
            for lines, cells in _blocks(path, rows, names, [] if has_names else [first]):
                for place, column in columns.items():
                    column.add(cells[place], lines)
    except (OSError, UnicodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as CSV: {error}.") from error
    if not next(iter(columns.values())).size:
        raise UserError(f"{path} has 0 samples: nothing stands below the columns' names.")
    table = _table(path, columns, places, reading)
    doubts = [] if reading.header is not None else _doubts_of_names(path, first, columns)
    doubts += _doubts_of_answers([column.name for place, column in columns.items() if place not in places])
    doubts += [
        doubt
        for place, column in columns.items()
        if place not in places and (not has_names or first[place].casefold() in COUNTERS)
        for doubt in _doubts_of_a_counter(column)
    ]
    return table._replace(said=[*table.said, *dialect.unusual], warnings=doubts)


def _hold_to_names(path: Path, names: Sequence[str], reading: Reading) -> None:
    """Raises UserError where a name does not say which column, or which feature, is meant."""
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        is_row = "; where the first line has no names, data.header=false" if reading.header is None else ""
        raise UserError(f"{path}: more than one column is named {listed(twice)}; rename all but one{is_row}")
    kept = [name for name in names if name not in reading.ignore_columns]
    for name in kept:
        if column := next((each for each in kept if name.startswith(f"{each}=")), None):
            raise UserError(
                f"{path}: a column is named '{name}', as the category {name[len(column) + 1 :]} of column '{column}'"
                f" would be; rename it, or leave it out: {typed('ignore_columns', [name])}"
            )


def _places(path: Path, names: Sequence[str], is_named: Sequence[bool], reading: Reading) -> Places:
    """Raises UserError where a setting names no column, or no feature or label is left."""
    asked = {key: name for key in ("label_column", "group_column") if (name := getattr(reading, key)) is not None}
    for key, name in [*asked.items(), *(("ignore_columns", name) for name in reading.ignore_columns),
                      *(("categories", name) for name in reading.categories)]:  # fmt: skip
        if name not in names:
            raise UserError(
                f"{path} has no column '{name}' (data.{key}); it has {listed(names, 20)}." + did_you_mean(name, names)
            )
    if len(set(asked.values())) < len(asked):
        raise UserError(f"data.label_column and data.group_column are both '{reading.label_column}'.")
    for key, name in asked.items():
        if name in reading.ignore_columns:
            raise UserError(f"data.{key} names '{name}', which data.ignore_columns leaves out.")
    group = names.index(reading.group_column) if reading.group_column is not None else None
    open_to = [i for i, name in enumerate(names) if i != group and name not in reading.ignore_columns]
    wants_label = reading.targets != "none"
    if len(open_to) < 1 + wants_label:
        also = "" if group is None else " beside the groups"
        raise UserError(f"{path} must begin with a line of column names, at least one feature and one label{also}.")
    if reading.label_column is not None:
        return Places(names.index(reading.label_column), group, "data.label_column")
    words = [name.casefold() for name in names]
    # x, y and more columns: a point's coordinates.
    named = [i for i in open_to if words[i] != "y" or words[i - 1 : i] != ["x"] or i == open_to[-1]]
    by_name = sorted((i for i in named if words[i] in LABELS), key=lambda i: LABELS.index(words[i]))
    if by_name:
        return Places(by_name[0], group, "by its name")
    if not wants_label:
        return Places(None, group, "")
    # A separator at the end of each line makes a column without a name.
    return Places(([i for i in open_to if is_named[i]] or open_to)[-1], group, "the last column")


def _doubts_of_answers(features: Sequence[str]) -> list[str]:
    """Returns what to say of features by whose names another table has its answers; a y beside an x is a coordinate."""
    names = {name.casefold() for name in features}
    return [
        f"column {name} is taken for a feature, and may say what the answers are: {typed('ignore_columns', [name])}"
        f" leaves it out, {to_type(f'data.label_column={name}')} learns it"
        for name in features
        if name.casefold() in LABELS and not (name.casefold() == "y" and "x" in names)
    ]


def _columns(path: Path, names: Sequence[str], places: Places, reading: Reading, decimal: str) -> dict[int, Column]:
    """Returns the columns that are read, by their place in a row."""
    found = {}
    for place, name in enumerate(names):
        is_label, is_category = place == places.label, name in reading.categories
        if name in reading.ignore_columns:
            continue
        found[place] = Column(
            name,
            str(path),
            is_text=reading.targets != "values" if is_label else place == places.group or is_category,
            decimal=decimal,
            missing=NO_LABEL if place in (places.label, places.group) else frozenset({""}) if is_category else MISSING,
        )
    return found


def _blocks(
    path: Path, rows: Any, names: Sequence[str], begun: list[list[str]]
) -> Iterator[tuple[list[int], list[tuple[str, ...]]]]:
    """Yields the lines of a block of rows and its cells by column; `begun`: rows that were read before."""
    numbered = chain(((1, row) for row in begun), ((rows.line_num, row) for row in rows if row))
    while block := list(islice(numbered, BLOCK)):
        for line, row in block:
            if len(row) != len(names):
                raise UserError(f"{path}, line {line}: {len(row)} values, but {len(names)} columns.")
        yield [line for line, _ in block], list(zip(*(row for _, row in block), strict=True))


def _table(path: Path, columns: Mapping[int, Column], places: Places, reading: Reading) -> CsvTable:
    label, group = (None if place is None else columns[place] for place in places[:2])
    features = [column for column in columns.values() if column not in (label, group)]
    kept, said = _without_gaps(path, label, group, features, reading)
    if label is None:
        y: NDArray[Any] = np.zeros((features[0].size, 1), np.float32)
    elif label.is_text:
        y = label.words
    else:
        label.hold_to_values("and task=regression learns numbers")
        y = label.numbers[:, None]
    parts = [column.features() for column in features]
    told = [(column.name, len(names)) for column, (names, _) in zip(features, parts, strict=True) if column.holds_texts]
    return CsvTable(
        x=np.concatenate([x for _, x in parts], axis=1)[kept],
        y=y[kept],
        groups=None if group is None else group.words[kept],
        feature_names=[name for names, _ in parts for name in names],
        label="none" if label is None else f"column {label.name} ({places.why})",
        said=[*(f"{name} as {count} categories" for name, count in told), *said],
        warnings=[],
    )


def _without_gaps(
    path: Path, label: Column | None, group: Column | None, features: Sequence[Column], reading: Reading
) -> tuple[Any, list[str]]:
    """Returns the rows that are kept, and what is said of it. Raises UserError where a value may not be missing."""
    one = {"label": label, "group": group}
    named = {**{what: [] if each is None else [each] for what, each in one.items()}, "value": features}
    for what, columns in named.items():
        holed = [column for column in columns if column.gaps]
        if not holed or reading.missing == "drop" or (reading.missing == "mean" and what == "value"):
            continue
        first = min(holed, key=lambda column: min(column.gaps.values()))
        text, line = min(first.gaps.items(), key=lambda gap: gap[1])
        others = (
            ""
            if what != "value"
            else ", data.missing=mean puts the mean of the training samples there,"
            f" {typed('ignore_columns', [column.name for column in holed])} leaves the columns out"
        )
        raise UserError(
            f"{path}, line {line}: no {what} in column '{first.name}'{f' ({text})' * bool(text)},"
            f" {sum(int(column.is_missing.sum()) for column in holed)} in all: data.missing=drop leaves such rows"
            f" out{others}"
        )
    holed = [column for columns in named.values() for column in columns if column.gaps]
    if not holed:
        return slice(None), []
    names = listed([column.name for column in holed])
    if reading.missing == "mean":
        count = sum(int(column.is_missing.sum()) for column in holed)
        return slice(None), [f"{count} missing values ({names}) become the mean of the training samples"]
    is_left_out = np.any([column.is_missing for column in holed], axis=0)
    if is_left_out.all():
        raise UserError(f"{path}: data.missing=drop leaves no row: in each a value is missing ({names}).")
    return ~is_left_out, [f"{int(is_left_out.sum())} of {len(is_left_out)} rows left out (no value in {names})"]


def _doubts_of_names(path: Path, first: Sequence[str], columns: Mapping[int, Column]) -> list[str]:
    """Returns a warning where the line of names is likely a row: numbers, or what its column holds below."""
    numbers = [name for name in first if number(name) is not None]
    counted = numbers == [str(place) for place in range(len(numbers))]  # as pandas names columns without names
    if counted and not any(first[place] in column.texts for place, column in columns.items()):
        return []
    return [
        f"the first line of {path} looks like a row ({listed(first, 4)}) and is taken for the columns' names:"
        " data.header=false takes it for a row, data.header=true for names"
    ]


def _doubts_of_a_counter(column: Column) -> list[str]:
    numbers = np.zeros(0) if column.texts else column.numbers
    if len(numbers) < 3 or numbers[0] not in (0, 1) or (np.diff(numbers) != 1).any():
        return []
    return [
        f"column {column.name} counts the rows ({numbers[0]:.0f}, {numbers[1]:.0f}, …), which says where a sample"
        f" stands and not what it is: {typed('ignore_columns', [column.name])} leaves it out"
    ]
