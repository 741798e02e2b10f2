"""The answer to a setting that is not there: what was probably meant, or which option has it."""

import re
from collections.abc import Sequence

from omegaconf import DictConfig

from dlexp.config import meant, registry
from dlexp.config.schema import GROUPS
from dlexp.errors import closest, plain, to_type

NO_SETTING = "there is no setting"
NOT_CHOSEN = "is not chosen here:"
QUOTES = ("'", '"')


def unknown(key: str, value: str | None, parent: object = None, within: str = "") -> str:
    """Returns the answer to a setting that is not there; `value` is what was typed for it, None in a file.

    within: what was typed of it, `.height` of `view.resized.height` where there is no `view.resized`.
    """
    group, _, name = key.rpartition(".")
    siblings = [str(each) for each in parent] if group and isinstance(parent, DictConfig) else []
    is_by_name = group in GROUPS and GROUPS[group].composes
    if is_by_name and (answer := _by_name(group, name, within[1:], value, siblings)):
        return answer
    if not siblings and not is_by_name:
        found = meant.setting(key)
        return f"{NO_SETTING} '{key}'.{_meaning(found if found != key else None, value) or ' See --help'}"
    near = closest(name, siblings)
    elsewhere = meant.ELSEWHERE.get(plain(name), "").rpartition(".")[2]
    near = near if near and plain(near) == plain(name) else elsewhere if elsewhere in siblings else near
    having = meant.options_with(group, name) if group in GROUPS else {}
    if having and not (near and plain(near) == plain(name)):
        first, *others = having
        if not others:
            instead = meant.typed(f"{group}={first} {group}.{having[first]}", value)
            return f"{NO_SETTING} '{key}' here, {group}={first} has it: {instead}"
        own = f"; {group} has {_names(siblings)}" if _names(siblings) else ""
        return f"{NO_SETTING} '{key}' here, {group}={' or '.join(having)} has it{own}"
    if near:
        return f"{NO_SETTING} '{key}'.{_meaning(f'{group}.{near}{within}', value)}"
    if is_by_name:
        return f"{NO_SETTING} '{key}{within}'. Options of {group}: {', '.join(registry.groups()[group])}"
    # Whether it takes that key only its function can tell, for which torch would be imported.
    adding = f"; if it takes more: +{key}=…" if "_target_" in siblings else ""
    return f"{NO_SETTING} '{key}': {group} has {_names(siblings) or 'none'}{adding}"


def is_missing(key: str, problem: str) -> bool:
    """Returns whether a sentence is the answer to this setting, as `unknown` words it."""
    found = re.match(rf"{NO_SETTING} '([^']+)'|(\w+)=(\w+) {NOT_CHOSEN}", problem)
    return found is not None and f"{key}.".startswith(f"{found[1] or f'{found[2]}.{found[3]}'}.")


def _by_name(group: str, name: str, inner: str, value: str | None, chosen: Sequence[str]) -> str | None:
    """Returns the answer to a setting of a group whose options are settings by their names: one that was not chosen.

    chosen: the names that are there. None where another answer tells more.
    """
    options = _by_names(group)
    if name not in options:
        near = closest(name, [*options, *chosen]) if inner else None
        if near is None or near in chosen:
            return None
        return f"{NO_SETTING} '{group}.{name}.{inner}'.{_meaning(_choosing(group, near, inner, chosen), value)}"
    settings = options[name]
    if near := inner and (inner if inner in settings else closest(inner, settings)):
        return f"{group}={name} {NOT_CHOSEN} {meant.typed(_choosing(group, name, near, chosen), value)}"
    has = f", and it has {_names(settings)}" if settings else ""
    return f"{group}={name} {NOT_CHOSEN} {_choosing(group, name, '', chosen)} chooses it{has}"


def _by_names(group: str) -> dict[str, list[str]]:
    """Returns the settings of each option of a group that stand under its own name."""
    found = {}
    for option in registry.groups().get(group, []):
        file = registry.file_of(group, option)
        keys = [each.key.partition(".") for each in registry.settings(file)] if file else []
        if keys and keys[0][0] == option:
            found[option] = [key for _, _, key in keys]
    return found


def _choosing(group: str, option: str, key: str, chosen: Sequence[str]) -> str:
    """Returns the words that choose an option beside those that are chosen, with the key of a setting of it."""
    several = [each for each in chosen if each in registry.groups()[group]]
    choice = to_type(f"{group}=[{','.join([*several, option])}]") if several else f"{group}={option}"
    return f"{choice} {group}.{option}.{key}" if key else choice


def _names(siblings: Sequence[str]) -> str:
    return ", ".join(each for each in siblings if each != "_target_")


def _meaning(key: str | None, value: str | None) -> str:
    """Returns ` Did you mean 'optimizer.lr=0.1'?`, with the key alone where a file was wrong."""
    if key is None:
        return ""
    word = f"'{key}'" if value is None else meant.typed(key, value)
    return f" Did you mean {word if word.startswith(QUOTES) else repr(word)}?"
