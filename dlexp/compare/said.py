"""What a comparison can be told besides the settings of its runs, such as `seeds=5`, and what each may be."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from dlexp.errors import UserError, as_typed
from dlexp.report.reading.plan import MOST

PICTURE = re.compile(r"differences|curves|lines:[\w.]+|map:[\w.]+,[\w.]+")


def _seeds(value: Any) -> list[int]:
    if type(value) is int and 1 <= value <= MOST:
        return list(range(1, value + 1))
    listed = [int(each) for each in value.split(",")] if isinstance(value, str) else value
    if not listed or any(type(each) is not int or each < 0 for each in listed) or len(set(listed)) < len(listed):
        raise ValueError
    return list(listed)


def _count(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= MOST:
        raise ValueError
    return value


def _margin(value: Any) -> float:
    if type(value) not in (int, float) or not (math.isfinite(value) and value > 0):
        raise ValueError
    return float(value)


def _tune(value: Any) -> dict[str, str | None]:
    """Returns for each key the range that was given, None where it follows from the arm's own value."""
    keys = [each.strip() for each in value.split(",")] if isinstance(value, str) else value
    ranges = dict(keys) if isinstance(keys, dict) else dict.fromkeys(keys)
    if not ranges or not all(isinstance(key, str) and re.fullmatch(r"[A-Za-z_][\w.]*", key) for key in ranges):
        raise ValueError
    return {key: None if each is None else as_typed(each) for key, each in ranges.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _unquoted(text: str) -> str:
    """Returns a text without the quotes around all of it that a shell has left, as of hypothesis='"A beats B"'."""
    is_quoted = text[:1] in QUOTES and text.endswith(QUOTES[text[0]]) and QUOTES[text[0]] not in text[1:-1]
    return text[1:-1] if is_quoted and len(text) > 1 else text


def _against(value: Any) -> str | dict[str, str]:
    """Returns an arm or a word, or by arm the one that it is held against."""
    if isinstance(value, dict) and value:
        return {_text(arm): _text(other) for arm, other in value.items()}
    return _text(value)


def _lines(value: Any) -> dict[str, list[str]]:
    if not isinstance(value, dict) or not value or not all(isinstance(arms, list) and arms for arms in value.values()):
        raise ValueError
    return {_text(name): [_text(arm) for arm in arms] for name, arms in value.items()}


def _picture(value: Any) -> str:
    if not PICTURE.fullmatch(_text(value)):
        raise ValueError
    return str(value)


# What reads a value, and in words what it may be.
KINDS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "seeds": (_seeds, f"how many seeds each arm gets (up to {MOST}), or a list of them: seeds=5, seeds=1,2,3"),
    "tune": (_tune, "the settings that each arm may tune: tune=optimizer.lr, tune=optimizer.lr,model.dropout"),
    "trials": (_count, f"how many settings each arm may try, a whole number from 1 to {MOST}"),
    "margin": (_margin, "the smallest difference that counts, a number > 0 in the metric's unit (points of %)"),
    "hypothesis": (_text, "what you expect, in words"),
    "against": (
        _against,
        "the arm that the others are compared with, or KEY=VALUE: the one that has it, else the same",
    ),
    "picture": (_picture, "what shows the answer: differences, curves, lines:KEY or map:KEY,KEY"),
    "lines": (_lines, "of the picture lines:KEY, by name the arms on each line: {fixed: [a, b], growing: [a, c]}"),
    "question": (_text, "what you want to know, in words"),
}
QUOTES = {'"': '"', "'": "'", "“": "”"}
# Their values stand as they were typed; of the others YAML reads numbers and lists.
TEXTS = ("hypothesis", "against", "question")


def said(key: str, value: Any, told: str) -> Any:
    """Returns a value of one of `KINDS` as plans hold it. told: where it stands: the word, or file and key.

    Raises:
        UserError: it is none of its kind.
    """
    read, what = KINDS[key]
    try:
        return read(value)
    except (ValueError, TypeError):
        raise UserError(f"{told} must be {what}") from None


def typed(word: str) -> tuple[str, Any]:
    """Returns key and value of a word such as `seeds=5`.

    Raises:
        UserError: as `said`.
    """
    key, _, text = word.partition("=")
    if key in TEXTS:
        return key, said(key, _unquoted(text.strip()), word)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    return key, said(key, value, word)


def key_of(word: str) -> str:
    """Returns the key of a word `key=value`."""
    return word.lstrip("+~").partition("=")[0]
