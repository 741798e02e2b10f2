"""Stored questions, `conf/study/NAME.yaml` and a person's own: what is compared, what may be tuned, and how large."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dlexp.compare.said import KINDS, said
from dlexp.config import registry
from dlexp.errors import UserError, did_you_mean

SMALL = "small"  # the size that is asked when nobody says another
OF_A_SIZE = ("words", "minutes", "seeds", "trials", "margin")


@dataclass(frozen=True)
class Study:
    """A stored question at one of its sizes.

    arms: the words of each by name, or words with several values, of which each combination is an arm.
    told: what it says of the keys of `KINDS`. minutes: on two cores, as measured; None: nobody has.
    """

    name: str
    size: str
    arms: dict[str, list[str]] | list[str]
    shared: list[str]
    told: dict[str, Any]
    minutes: float | None


def questions(own: Sequence[Path] = ()) -> list[tuple[str, str, float | None]]:
    """Returns name, question and minutes (see `Study`) of each stored question; own: folders of a person's own options.

    Raises:
        UserError: a file of theirs can't be read.
    """
    found = (study(name, None, own) for name in registry.studies(own))
    return [(each.name, str(each.told["question"]), each.minutes) for each in found]


def study(name: str, size: str | None, own: Sequence[Path] = ()) -> Study:
    """Reads a stored question. size: None: `small`, or the only one it has.

    Raises:
        UserError: there is no such question or size, or the file says something else than a question does.
    """
    files = registry.studies(own)
    if name not in files:
        has = f"Questions: {', '.join(files)}" if files else "there are none"
        raise UserError(f"there is no question '{name}'.{did_you_mean(name, files)} {has}")
    file = files[name]
    content = _content(file)
    known = ("arms", "shared", "sizes", *KINDS)
    _refuse_unknown(content, known, f"{file}: ")
    for key in ("question", "arms"):
        if key not in content:
            raise UserError(f"{file} has no {key}, which every question has")
    sizes = content.get("sizes") or {SMALL: {}}
    if not isinstance(sizes, dict) or not all(isinstance(each, dict) for each in sizes.values()):
        raise UserError(f"{file}: sizes must be a mapping such as small: {{seeds: 3, words: [epochs=2]}}")
    if unquoted := [name for name in sizes if not isinstance(name, str)]:
        raise UserError(f"{file}: sizes: {unquoted[0]!r} is no text to YAML; as the name of a size it stands in quotes")
    size = size or (SMALL if SMALL in sizes else next(iter(sizes)))
    if size not in sizes:
        raise UserError(f"{name} has no size={size}.{did_you_mean(size, sizes)} Sizes: {', '.join(sizes)}")
    own_size = sizes[size]
    _refuse_unknown(own_size, OF_A_SIZE, f"{file}: sizes.{size}: ")
    told = {key: value for key, value in {**content, **own_size}.items() if key in KINDS and value is not None}
    minutes = own_size.get("minutes")
    if type(minutes) not in (int, float, type(None)):
        raise UserError(f"{file}: sizes.{size}: minutes must be a number")
    return Study(
        name=name,
        size=size,
        arms=_arms(content["arms"], f"{file}: arms"),
        shared=[
            *_words(content.get("shared") or [], f"{file}: shared"),
            *_words(own_size.get("words") or [], f"{file}: sizes.{size}: words"),
        ],
        told={key: said(key, value, f"{file}: {key}") for key, value in told.items()},
        minutes=minutes,
    )


def _content(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file} can't be read: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise UserError(f"{file} is no question: it must say question: and arms:")
    return found


def _refuse_unknown(found: Mapping[Any, Any], known: Sequence[str], where: str) -> None:
    for key in found:
        if key not in known:
            near = did_you_mean(str(key), known)
            raise UserError(f"{where}{key} means nothing here.{near} There are {', '.join(known)}")


def _words(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(
        isinstance(each, str) and "=" in each.lstrip("~") and not each.startswith("-") for each in value
    ):
        raise UserError(
            f"{where} must be a list of words such as [model=cnn, epochs=2]; one with a comma in it stands in quotes,"
            ' ["optimizer=sgd,adam"]'
        )
    return value


def _arms(value: Any, where: str) -> dict[str, list[str]] | list[str]:
    if isinstance(value, dict) and all(isinstance(name, str) and name.strip() for name in value):
        return {name.strip(): _words(words, f"{where}.{name}") for name, words in value.items()}
    if isinstance(value, list):
        return _words(value, where)
    raise UserError(
        f"{where} must be named lists of words, such as SGD: [optimizer=sgd], or a list of words with several values,"
        " such as [optimizer=sgd,adam]; a name that YAML reads as a number or as true stands in quotes"
    )
