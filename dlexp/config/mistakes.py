"""Hydra's errors as sentences: which typed word is wrong, and what would work. All wrong words are named in one go."""

import re
import traceback
from collections.abc import Callable, Mapping, Sequence

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException, ValidationError
from yaml import YAMLError

from dlexp.config import registry
from dlexp.config.check import value_problem
from dlexp.config.schema import GROUPS, Settings
from dlexp.config.words import lost
from dlexp.errors import closest, did_you_mean

HYDRA_ERRORS = (HydraException, OmegaConfBaseException, YAMLError)
HYDRAS_PACKAGES = ("hydra", "omegaconf", "antlr4", "yaml")


def is_hydras(error: Exception) -> bool:
    """Returns whether an error that was caught here is Hydra's answer to what was typed: its own, or one in its lines.

    A word such as `~` is a bare AttributeError there.
    """
    if isinstance(error, HYDRA_ERRORS):
        return True
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = [name.partition(".")[0] for name in modules]
    return [name for name in packages if name in (*HYDRAS_PACKAGES, "dlexp")][-1] != "dlexp"


def compose_or_explain(
    compose: Callable[[list[str]], DictConfig], overrides: list[str], groups: Mapping[str, Sequence[str]]
) -> tuple[DictConfig | None, list[str]]:
    """Composes; where that fails, names the guilty override and composes without it: once for each that is wrong.

    In place of a mistyped option comes the one that was meant, so that its settings are not taken for those of another.

    Returns what the blameless overrides compose to (None when they do not) and a sentence for each of the others.
    """
    answers = {word: lost(word, groups) or _no_name(word, groups) for word in overrides}
    problems = [answer for answer in answers.values() if answer]
    for word in [word for word in overrides if answers[word]]:
        overrides = _without(word, overrides)
    while True:
        try:
            return compose(overrides), problems
        except Exception as error:
            if not is_hydras(error):
                raise
            guilty = next((word for word in overrides if _is_named(word, error)), None)
            problem = sentence(error)
            if guilty is None:
                return None, [*problems, problem]
            is_sentence = isinstance(error, HYDRA_ERRORS)
            problems.append(problem if is_sentence else f"{guilty} can't be used: {problem}")
            meant = _meant(guilty, error, groups)
            overrides = (
                [meant if word == guilty else word for word in overrides] if meant else _without(guilty, overrides)
            )


def _meant(word: str, error: Exception, groups: Mapping[str, Sequence[str]]) -> str | None:
    """Returns a word with the option that was meant in place of one that is not there, None where nobody knows."""
    if not isinstance(error, MissingConfigException):
        return None
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    meant = closest(name, groups.get(group, []))
    key, _, value = word.partition("=")
    return meant and f"{key}={value.replace(name, meant)}"


def _without(guilty: str, overrides: Sequence[str]) -> list[str]:
    """Returns the other words, without the settings of an option that is not there."""
    key = guilty.partition("=")[0]
    return [word for word in overrides if word != guilty and not word.lstrip("+~").startswith(f"{key}.")]


def _is_named(word: str, error: Exception) -> bool:
    """Returns whether an error speaks of this override; Hydra quotes the line, its key, or the option it looked for."""
    if isinstance(error, OverrideParseException):
        return error.override == word
    key, _, value = word.lstrip("+~").partition("=")
    if isinstance(error, MissingConfigException):
        group, _, name = (error.missing_cfg_file or "").rpartition("/")
        return key.split("@")[0] in (group, f"{group}/{name}") and name in re.split(r"[\[\],\s]+", value)
    text = str(error)
    return f"'{key}'" in text or f"'{word}'" in text or text.endswith(f"override {word}") or f"Override {word} " in text


def sentence(error: Exception) -> str:
    """Returns an error of Hydra, OmegaConf or YAML as one sentence."""
    if isinstance(error, MissingConfigException):
        return _missing_option(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override)
    if isinstance(error, YAMLError):
        return f"a YAML file can't be read: {' '.join(str(error).split())}"
    text = str(error)
    group = re.search(r"Could not override '([^']+)'\.\s*No match in the defaults list", text)
    if group:
        return _unknown_key(group[1].split("@")[0], None)
    if "Ambiguous value for argument" in text:
        value = text.split("'")[1]
        return f"{value} has several values, which only a sweep can take: add -m, or write a list as key=[a,b]"
    cause = error.__cause__ or error.__context__
    cause = cause if isinstance(cause, OmegaConfBaseException) else error
    file = re.match(r"In '([^']+)': ", text)
    where = f"{file[1]}.yaml: " if file else ""
    if isinstance(cause, ValidationError):
        return where + _wrong_type(cause)
    if isinstance(cause, OmegaConfBaseException) and cause.full_key and "not in" in str(cause):
        return where + _unknown_key(str(cause.full_key), cause.parent_node)
    # OmegaConf has no words for the first file that a person may write: one of a single text.
    return " ".join(text.split()) or "an option's YAML file holds a single text, where settings are wanted: key: value"


def _missing_option(error: MissingConfigException) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    groups = registry.groups()
    options = sorted(error.options or groups.get(group, []))  # of a list of options Hydra names none
    if not options:
        return f"there is no group '{group}'.{did_you_mean(group, groups)} Groups: {', '.join(groups)}"
    return _no_option(group, name, options)


def _no_option(group: str, name: str, options: Sequence[str]) -> str:
    return f"there is no {group} '{name}'.{did_you_mean(name, options)} Options of {group}: {', '.join(options)}"


def _no_name(word: str, groups: Mapping[str, Sequence[str]]) -> str | None:
    """Returns the answer to a number, a truth value or a list in place of an option: `model=16`.

    Hydra would answer in words of its own, and only to the first.
    """
    group, _, value = word.partition("=")
    options = groups.get(group)
    if group in GROUPS and GROUPS[group].composes and value.startswith("["):
        return None
    if not options or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|true|false|\[.*\]", value, re.IGNORECASE):
        return None
    return _no_option(group, value, options)


def _unreadable(override: str | None) -> str:
    key, equals, value = (override or "").partition("=")
    if not equals:
        return f"'{override}' is not key=value"
    return f"""{override} can't be read; if the value is a text, quote it twice: "{key}='{value}'" """.rstrip()


def _wrong_type(cause: ValidationError) -> str:
    field = Settings.__dataclass_fields__.get(str(cause.full_key))
    value = re.search(r"Value '(.*?)'", str(cause))
    typed = f"{cause.full_key}={value[1]}" if value else str(cause.full_key)
    problem = value_problem(object(), field.type) if field else None
    return f"{typed} {problem}" if problem else f"{typed}: {str(cause).splitlines()[0]}"


def _unknown_key(key: str, parent: object) -> str:
    parent_key, _, word = key.rpartition(".")
    if parent_key and isinstance(parent, DictConfig):
        siblings = [str(k) for k in parent]
    else:
        siblings = [*(name for name in Settings.__dataclass_fields__ if name != "recipe"), "experiment"]
    near = did_you_mean(word, siblings)
    if near and parent_key:
        near = near.replace("'", f"'{parent_key}.", 1)
    if not near and isinstance(parent, DictConfig):
        root = parent._get_root()
        near = next(
            (
                f" Did you mean '{k}.{word}'?"
                for k in root
                if k not in ("hydra", "recipe") and OmegaConf.is_dict(root[k]) and word in root[k]
            ),
            "",
        )
    if near or not parent_key:
        return f"there is no setting '{key}'.{near or ' See --help'}"
    named = ", ".join(k for k in siblings if k != "_target_")
    # Whether it takes that key only its function can tell, for which torch would be imported.
    adding = f"; if it takes more: +{key}=…" if "_target_" in siblings else ""
    return f"there is no setting '{key}': {parent_key} has {named}{adding}"
