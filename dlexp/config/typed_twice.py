"""Settings that are typed more than once on a line: the last one holds, which scripts rely on that append words."""

import re
from collections.abc import Iterator, Sequence

from dlexp.config.schema import GROUPS
from dlexp.errors import to_type


def repeated(overrides: Sequence[str]) -> Iterator[str]:
    """Yields a sentence for each setting that is typed with several values, of which all but the last are lost, and for
    each list of options that names one more than once.
    """
    typed: dict[str, dict[str, str]] = {}
    for word in overrides:
        key, equals, value = word.lstrip("+").partition("=")
        if equals and not key.startswith("~"):
            its = typed.setdefault(key, {})
            its.pop(value, None)
            its[value] = word
    for key, words in typed.items():
        for value in words if key in GROUPS and GROUPS[key].composes else ():
            names = [name.strip() for name in value[1:-1].split(",")] if value.startswith("[") else []
            if again := next((name for name in names if names.count(name) > 1), None):
                yield f"{to_type(f'{key}={value}')} names {again} more than once, and it counts once"
        # Mappings are joined, and of values to try the sweep tells.
        if len(words) < 2 or any(re.match(r"\{|\w+\(|[^\['\"]*,", value) for value in words):
            continue
        *_, last = words.values()
        count = "twice" if len(words) == 2 else f"{len(words)} times"
        are_options = all(re.fullmatch(r"\w+", value) and value != "none" for value in words)
        together = key in GROUPS and GROUPS[key].composes and are_options
        joined = to_type(f"{key}=[{','.join(words)}]")
        both = f"; {joined} has {'both' if len(words) == 2 else 'all'}" if together else ""
        yield f"{key} is typed {count}: {to_type(last)} holds{both}"
