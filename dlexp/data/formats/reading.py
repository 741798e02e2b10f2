"""How a table is read: the settings of `data=arrays` that say it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

# What stands in a table where nobody knew a value, in small letters.
MISSING = frozenset({"", "?", "nan", "-nan", "na", "n/a", "#n/a", "<na>", "null", "none"})
# Among labels, "none" is a class as often as not.
NO_LABEL = MISSING - {"none"}


class Reading(NamedTuple):
    """label_column: the answers, None: by its name, else the last one. group_column: the groups, None: there are none.
    ignore_columns: what is left out; categories: whose values are texts, whatever they look like. header: the first
    line has names; separator, decimal, encoding: words, None of each is found by looking. missing: None refuses,
    "drop" leaves such samples out, "mean" leaves NaN. layout: three axes are grey "images" N×H×W or "series" N×C×L,
    and four "channels_first" N×C×H×W or "channels_last" N×H×W×C. targets: `task.targets`.
    """

    label_column: str | None = None
    group_column: str | None = None
    ignore_columns: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    header: bool | None = None
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    missing: str | None = None
    layout: str | None = None
    targets: str = "classes"


def reading(settings: Mapping[str, Any]) -> Reading:
    """Returns what settings by these names say. A column may be called 3; other values are checked elsewhere."""
    found = {key: settings[key] for key in Reading._fields}
    for key in ("label_column", "group_column"):
        found[key] = None if found[key] is None else str(found[key])
    for key in ("ignore_columns", "categories"):
        given = found[key]
        found[key] = () if given is None else tuple(map(str, [given] if isinstance(given, str | int) else given))
    return Reading(**found)


def typed(key: str, names: Iterable[str]) -> str:
    """Returns what a person types for a list of columns, in the quotes that shells and Hydra want."""
    quoted = [name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else f"'{name}'" for name in names]
    mark = '"' if any("'" in name for name in quoted) else "'"
    return f"{mark}data.{key}=[{','.join(quoted)}]{mark}"
