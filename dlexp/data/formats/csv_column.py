"""One column of a CSV: numbers, texts, and in which line what stood."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dlexp.data.formats.numbers import LARGEST, number, numbers
from dlexp.data.formats.reading import typed
from dlexp.errors import UserError, listed

# More categories than this, or than half as many as rows, are asked for by name: each becomes a feature.
MOST_CATEGORIES = 100
# Nothing that looks like a quantity becomes a category unasked: "1,234", "12 %", "$5".
LIKE_A_NUMBER = re.compile(r"[+-]?[$€£¥]?\s?\d[\d.,'_ ]*\s?[%$€£¥]?")
COMMA = str.maketrans({",": ".", ".": "?"})  # of a decimal comma: a point is no part of such a number


class Column:
    """Cells in their order, each a number or the number of a text; every text is kept once."""

    def __init__(self, name: str, file: str, *, is_text: bool, decimal: str, missing: frozenset[str]) -> None:
        """is_text: nothing of it is a number. missing: what stands for no value, in small letters."""
        self.name, self.file, self.is_text, self.decimal, self.missing = name, file, is_text, decimal, missing
        self.texts: dict[str, int] = {}  # with the line each stood in first, in the order of their codes
        self._codes_of: dict[str, int] = {}
        self._numbers: list[NDArray[np.float64]] = []
        self._codes: list[NDArray[np.int32]] = []  # -1 where a number stands

    def add(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        """Takes the cells of these lines. Raises UserError where a number is infinite."""
        codes: NDArray[np.int32] = np.broadcast_to(np.int32(-1), len(cells))  # which takes no memory
        values = None if self.is_text else self._all_numbers(cells)
        if values is None:
            values, codes = np.full(len(cells), np.nan), codes.copy()
            for index, (cell, line) in enumerate(zip(map(str.strip, cells), lines, strict=True)):
                value = None if self.is_text or cell.casefold() in self.missing else number(self._pointed(cell))
                if value is None:
                    self.texts.setdefault(cell, line)
                    codes[index] = self._codes_of.setdefault(cell, len(self._codes_of))
                elif abs(value) <= LARGEST:
                    values[index] = value
                else:
                    raise UserError(
                        f"{self.file}, line {line}: '{cell}' in column '{self.name}' is infinite or beyond"
                        f" {LARGEST:.1e}; mend or remove it first"
                    )
        self._numbers.append(values)
        self._codes.append(codes)

    def _all_numbers(self, cells: Sequence[str]) -> NDArray[np.float64] | None:
        found = numbers(cells if self.decimal == "point" else [self._pointed(cell) for cell in cells])
        return found if found is not None and (np.abs(found) <= LARGEST).all() else None  # what is no number is not

    def _pointed(self, cell: str) -> str:
        return cell if self.decimal == "point" else cell.translate(COMMA)

    @property
    def size(self) -> int:
        """How many cells it has."""
        return sum(map(len, self._codes))

    @property
    def numbers(self) -> NDArray[np.float64]:
        """Float64 N, NaN where a text stands."""
        return np.concatenate(self._numbers)

    @property
    def codes(self) -> NDArray[np.int32]:
        """Int32 N: which of `texts` stands there, -1 for a number."""
        return np.concatenate(self._codes)

    @property
    def gaps(self) -> dict[str, int]:
        """The texts among its own that stand for no value, with the line each stood in first."""
        return {text: line for text, line in self.texts.items() if text.casefold() in self.missing}

    @property
    def holds_texts(self) -> bool:
        """Whether a text stands for a value somewhere."""
        return len(self.texts) > len(self.gaps)

    @property
    def is_missing(self) -> NDArray[np.bool_]:
        """Bool N."""
        return np.isin(self.codes, [self._codes_of[text] for text in self.gaps])

    @property
    def words(self) -> NDArray[np.str_]:
        """The texts, N of them, of a column that is text."""
        return np.array(list(self.texts), dtype=str)[self.codes]

    def hold_to_values(self, what: str) -> None:
        """Raises UserError where there is a text; what: that it must be a number."""
        text = next((text for text in self.texts if text not in self.gaps), None)
        if text is not None:
            comma = "; data.decimal=comma reads it" if LIKE_A_NUMBER.fullmatch(text) and "," in text else ""
            raise UserError(
                f"{self.file}, line {self.texts[text]}: '{text}' in column '{self.name}' is not a number, {what}{comma}"
            )

    def features(self) -> tuple[list[str], NDArray[np.float64]]:
        """Returns the names of what the column says of a sample, and N×names of it, NaN where a value is missing.

        Numbers are one feature; texts are one for each text, 1 where it stands and 0 elsewhere.

        Raises:
            UserError: it holds numbers and texts, or texts that are quantities or too many, or nothing at all.
        """
        name, left_out = self.name, typed("ignore_columns", [self.name])
        known = sorted(self.texts.keys() - self.gaps.keys())
        is_number = self.codes == -1
        if not known and not is_number.any():
            raise UserError(f"{self.file}: column '{name}' holds no value at all; {left_out} leaves it out")
        if not known:
            return [name], self.numbers[:, None]
        as_texts = f"{typed('categories', [name])} makes a feature of each of its values, {left_out} leaves it out"
        if not self.is_text:
            odd = [text for text in known if LIKE_A_NUMBER.fullmatch(text)]
            if is_number.any() or odd:
                self.hold_to_values(f"as features must be that are not categories: {as_texts}")
            if len(known) > MOST_CATEGORIES or 2 * len(known) > len(is_number):
                raise UserError(
                    f"{self.file}: column '{name}' holds {len(known)} different texts in {len(is_number)} rows"
                    f" ({listed(known, 3)}), too many for categories: {left_out} leaves it out,"
                    f" {typed('categories', [name])} makes a feature of each"
                )
        order = [self._codes_of[text] for text in known]
        found = (self.codes[:, None] == np.array(order)).astype(np.float64)
        found[self.is_missing] = np.nan
        return [f"{name}={text}" for text in known], found
