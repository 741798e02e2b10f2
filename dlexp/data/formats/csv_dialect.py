"""How a CSV is written: its encoding, what separates its values, and the sign of its decimals.

What can be told for certain is found by looking; for all else a sentence says what to type.
"""

import codecs
import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

from dlexp.data.formats.reading import Reading
from dlexp.errors import UserError, listed

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " "}
# What is looked at to find separator and decimals, in characters.
SAMPLE = 2**16
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
WITH_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.IGNORECASE)
WITH_POINT = re.compile(r"[+-]?\d*\.\d+(e[+-]?\d+)?", re.IGNORECASE)
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


class Dialect(NamedTuple):
    """encoding: a codec of Python. separator: a character. decimal: "point" or "comma"."""

    encoding: str
    separator: str
    decimal: str

    @property
    def unusual(self) -> list[str]:
        """What a person wants to know who did not say it."""
        word = next(word for word, sign in SEPARATORS.items() if sign == self.separator)
        return [
            *([] if self.encoding.startswith("utf-8") else [f"in {self.encoding}"]),
            *([] if word == "comma" else [f"separated by {word}"]),
            *([] if self.decimal == "point" else ["with a decimal comma"]),
        ]


def dialect_of(path: Path, reading: Reading) -> Dialect:
    """Returns how a CSV is written, as settings say or as it looks.

    Raises:
        UserError: it can be read in more than one way, or in none; names the setting that says which.
    """
    for key, known in (("separator", [*SEPARATORS]), ("decimal", ["point", "comma"])):
        if (given := getattr(reading, key)) is not None and given not in known:
            raise UserError(f"data.{key}={given} must be one of {', '.join(known)}")
    encoding = _encoding(path) if reading.encoding is None else reading.encoding
    try:
        with path.open(encoding=encoding, newline="") as file:
            text = file.read(SAMPLE)
    except LookupError:
        raise UserError(f"data.encoding={encoding} is no encoding; there are utf-8, utf-16, gbk, cp1252, …") from None
    if len(text) == SAMPLE:  # the last line is cut off
        text = text[: text.rfind("\n") + 1] or text
    words = [word for word in SEPARATORS if word != "space"] if reading.separator is None else [reading.separator]
    rows = {word: _rows(text, SEPARATORS[word]) for word in words}
    word = _separator(path, rows)
    decimal = reading.decimal or _decimal(path, rows[word])
    return Dialect(encoding, SEPARATORS[word], decimal)


def _encoding(path: Path) -> str:
    with path.open("rb") as binary:
        start = binary.read(SAMPLE)
    for mark, name in MARKS.items():
        if start.startswith(mark):
            return name
    if 0 in start:  # no text has it in UTF-8, and every second byte of Latin letters is 0 in UTF-16
        return "utf-16-le" if start[1::2].count(0) >= start[::2].count(0) else "utf-16-be"
    try:
        with path.open(encoding="utf-8", newline="") as text:
            while text.read(2**20):
                pass
        return "utf-8"
    except UnicodeDecodeError as error:
        if _is_chinese(path.read_bytes()):
            return "gbk"
        raise UserError(
            f"{path} is not in UTF-8 (it has the byte 0x{error.object[error.start]:02x}): data.encoding=cp1252 (Western"
            " Europe), gbk (Chinese), shift_jis, euc_kr or another one says what it is in"
        ) from None


def _is_chinese(content: bytes) -> bool:
    """Says whether bytes are GBK beyond doubt: nearly all of its characters are of the 3755 commonest.

    A single accent of Western Europe takes the letter after it along, and makes a rare character or none.
    """
    try:
        characters = {each for each in set(content.decode("gbk")) if ord(each) > 127}
    except UnicodeDecodeError:
        return False
    codes = [each.encode("gbk") for each in characters if "\u4e00" <= each <= "\u9fff"]
    common = sum(0xB0 <= code[0] <= 0xD7 and code[1] >= 0xA1 for code in codes)
    return common >= 2 and common >= 0.9 * len(codes)


def _rows(text: str, sign: str) -> list[list[str]]:
    try:
        found = csv.reader(io.StringIO(text, newline=""), delimiter=sign, skipinitialspace=True)
        return [row for row in found if row]
    except csv.Error:
        return []


def _separator(path: Path, rows: dict[str, list[list[str]]]) -> str:
    fits = [word for word, found in rows.items() if found and len(found[0]) > 1]
    if len(fits) > 1:
        fits = [word for word in fits if len({len(row) for row in rows[word]}) == 1] or fits
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise UserError(
            f"{path}: its values may be separated by {' or by '.join(fits)}; data.separator={fits[0]} says which"
        )
    raise UserError(
        f"{path} must begin with a line of column names, at least one feature and one label, separated by"
        f" {listed(list(rows))}; data.separator={'|'.join(SEPARATORS)} says by what else"
    )


def _decimal(path: Path, rows: list[list[str]]) -> str:
    cells = [cell.strip() for row in rows[1:] for cell in row if "," in cell or "." in cell]
    commas = [cell for cell in cells if WITH_COMMA.fullmatch(cell)]
    if not commas:
        return "point"
    point = next((cell for cell in cells if WITH_POINT.fullmatch(cell)), None)
    if point is not None or all(THOUSANDS.fullmatch(cell) for cell in commas):
        both = "" if point is None else f", and there is '{point}'"
        raise UserError(
            f"{path}: '{commas[0]}' may have a decimal comma or one between thousands{both}; data.decimal=comma or"
            " data.decimal=point says what the sign of decimals is (thousands can't be read: take their signs out)"
        )
    return "comma"
