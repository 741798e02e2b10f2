"""Settings that are made from others, `${data.shape}`: where such a one is wrong, what it is made from is told."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

MadeFrom = Mapping[str, Collection[str]]

SHAPE = "data.shape"
# `${data.centres[0]}`, `${..height}`; of `${count:${data.centres}}` what stands within.
REFERENCE = re.compile(r"\$\{(\.*)([A-Za-z_][\w.]*)(?=[}\[])")


def made_from(unresolved: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns for each setting of a config that refers to others which these are.

    What follows the shape of the data follows that of its views too.
    """
    found: dict[str, list[str]] = {}
    for path, source, _ in _references(unresolved, []):
        found.setdefault(_key(path), []).append(source)
    views = unresolved.get("view")
    shapes = [f"view.{name}.shape" for name in views] if isinstance(views, Mapping) else []
    for key, sources in found.items():
        if SHAPE in sources and not key.startswith(("data.", "view.")):
            sources += shapes
    return found


def taken(unresolved: Mapping[str, Any]) -> dict[str, str]:
    """Returns each setting that takes the value of another one as it is, `${optimizer.lr}`, and that one."""
    return {
        _key(path): source
        for path, source, text in _references(unresolved, [])
        if text == f"${{{source}}}" and all(isinstance(step, str) for step in path)
    }


def _references(node: Any, path: Sequence[str | int]) -> Iterator[tuple[Sequence[str | int], str, str]]:
    """Yields the place of each value that refers to a setting, that setting, and how the value is written."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _references(value, [*path, str(key)])
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _references(value, [*path, place])
    elif isinstance(node, str):
        for dots, name in REFERENCE.findall(node):
            above = path[: len(path) - len(dots)] if dots else []
            yield path, _key([*above, name]), node


def _key(path: Sequence[str | int]) -> str:
    """Returns the name of a setting, a list as one."""
    return ".".join(step for step in path if isinstance(step, str))


def without_what_follows(problems: Sequence[str], sources: MadeFrom, wrong: Collection[str] = ()) -> list[str]:
    """Returns the sentences without those of a setting made from one that is wrong itself, as nobody typed it.

    wrong: settings that are known to be so, besides those with whose name a sentence begins.
    """
    keys = {each: re.split("[= ]", each, maxsplit=1)[0] for each in problems}
    known = {*keys.values(), *wrong}
    return [each for each, key in keys.items() if not known & _all_sources(key, sources)]


def _all_sources(key: str, sources: MadeFrom) -> set[str]:
    """Returns what a setting is made from, at any remove."""
    found: set[str] = set()
    todo = [key]
    while todo:
        new = set(sources.get(todo.pop(), ())) - found - {key}
        found |= new
        todo += new
    return found
