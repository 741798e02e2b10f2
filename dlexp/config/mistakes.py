"""Hydra's errors as sentences: which typed word is wrong, and what would work. All wrong words are named in one go."""

import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigTypeError, OmegaConfBaseException, ValidationError
from yaml import YAMLError

from dlexp.config import meant, options, registry
from dlexp.config.hinted import value_problem
from dlexp.config.no_setting import NO_SETTING, unknown
from dlexp.config.schema import Settings
from dlexp.config.words import lost
from dlexp.errors import closest, to_type

HYDRA_ERRORS = (HydraException, OmegaConfBaseException, YAMLError)
NEEDS_A_SWEEP = re.compile(r"which (only a sweep can take|a search tries): add -m")
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
    compose: Callable[[list[str]], DictConfig],
    overrides: list[str],
    groups: Mapping[str, Sequence[str]],
    folders: Sequence[Path] = (),
    said: Mapping[str, str] = MappingProxyType({}),
) -> tuple[DictConfig | None, list[str]]:
    """Composes; where that fails, names the guilty override and composes without it: once for each that is wrong.

    In place of a mistyped option comes the one that was meant, so that its settings are not taken for those of another.
    said: of an override that stands for several values, the word that was typed.

    Returns what the blameless overrides compose to (None when they do not) and a sentence for each of the others.
    """
    problems: list[str] = []
    for word in overrides:
        if answer := lost(word, groups):
            problems.append(answer)
            overrides = _without(word, overrides)
            continue
        found, instead = options.missing(word, groups)
        found = found or options.file_problems(word, groups, folders)
        problems += found
        if instead:
            overrides = [instead if each == word else each for each in overrides]
        elif found:
            overrides = _without(word, overrides)
    while True:
        try:
            return compose(overrides), problems
        except Exception as error:
            if not is_hydras(error):
                raise
            guilty = next((word for word in overrides if _is_named(word, error)), None)
            problem = sentence(error, guilty, said.get(guilty or ""))
            if guilty is None:
                return None, [*problems, problem]
            if NEEDS_A_SWEEP.search(problem):
                problem = _of_its_key(compose, guilty, overrides) or problem
            is_sentence = isinstance(error, HYDRA_ERRORS)
            problems.append(problem if is_sentence else f"{guilty} can't be used: {problem}")
            overrides = _without(guilty, overrides)


def _of_its_key(compose: Callable[[list[str]], DictConfig], word: str, overrides: Sequence[str]) -> str | None:
    """Returns the answer to a word with several values whose key is no setting, as any value of it shows."""
    one = f"{word.partition('=')[0]}=x"
    try:
        compose([one if each == word else each for each in overrides])
    except Exception as error:
        if not is_hydras(error):
            raise
        found = sentence(error, one, word) if _is_named(one, error) else ""
        return found if found.startswith(NO_SETTING) else None
    return None


def _without(guilty: str, overrides: Sequence[str]) -> list[str]:
    """Returns the other words, without the settings of an option that is not there."""
    key = guilty.partition("=")[0]
    return [word for word in overrides if word != guilty and not word.lstrip("+~").startswith(f"{key}.")]


def _is_named(word: str, error: Exception) -> bool:
    """Returns whether an error speaks of this override; Hydra quotes the line or its key."""
    if isinstance(error, OverrideParseException):
        return error.override == word
    key = word.lstrip("+~").partition("=")[0]
    text = str(error)
    return f"'{key}'" in text or f"'{word}'" in text or text.endswith(f"override {word}") or f"Override {word} " in text


def sentence(error: Exception, word: str | None = None, said: str | None = None) -> str:
    """Returns an error of Hydra, OmegaConf or YAML as one sentence.

    word: the override that it speaks of. said: what was typed in its place.
    """
    if isinstance(error, MissingConfigException):
        group, _, name = (error.missing_cfg_file or "").rpartition("/")
        return options.no_option(group, name, sorted(error.options or registry.groups().get(group, [])))
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override)
    if isinstance(error, YAMLError):
        return f"a YAML file can't be read: {' '.join(str(error).split())}"
    text = str(error)
    if (found := re.search(r"Could not override '([^']+)'\.\s*No match in the defaults list", text)) is not None:
        return _no_group(found[1].split("@")[0], word)
    if (found := re.search(r"Invalid Defaults List override '(\w+): ", text)) is not None:  # Hydra 1.4
        return _no_group(found[1], None)
    if (found := re.search(r"Error resolving interpolation '\$\{([^}']+)\}', possible", text)) is not None:
        return f"{word or f'${{{found[1]}}}'} refers to a setting that is not there"
    if (found := re.search(r"Multiple values for (\S+)\. To override a value use '(.+)'", text)) is not None:
        return (
            f"{found[1]} is chosen twice; in the defaults of a preset it is written - {found[2].replace(' ', ' /', 1)}"
        )
    if (found := re.search(r"An item is already at '([^']+)'", text)) is not None:
        return f"{word}: {found[1]} is there already, so it is typed {to_type((word or '').lstrip('+'))}"
    if (found := re.search(r"Could not delete (?:from config\. )?'([^']*)'", text)) is not None:
        return f"{word} takes out what is not there" if found[1] else f"{word} names nothing that it could take out"
    if (found := re.search(r"Sweep parameters '(.+)' requires", text)) is not None:
        return f"{found[1]} is a range of numbers, which a search tries: add -m search=qmc trials=16"
    if "Ambiguous value for argument" in text:
        key, _, value = (several := text.split("'")[1]).partition("=")
        may_be_list = "." in key or key in ("augment", "freeze", "metric", "watch")
        as_list = f"; a setting that takes a list wants {to_type(f'{key}=[{value}]')}" if may_be_list else ""
        return f"{several} has several values, which only a sweep can take: add -m{as_list}"
    cause = error.__cause__ or error.__context__
    cause = cause if isinstance(cause, OmegaConfBaseException) else error
    file = re.match(r"In '([^']+)': ", text)
    where = f"{file[1]}.yaml: " if file else ""
    if isinstance(cause, ValidationError):
        return where + _wrong_type(cause, word)
    if isinstance(cause, OmegaConfBaseException) and cause.full_key and "not in" in str(cause):
        full, typed = str(cause.full_key), (word or "").lstrip("+~").partition("=")[0]
        within = typed.removeprefix(full) if typed.startswith(f"{full}.") else ""
        if "." not in full:  # a group that is not there
            return where + unknown(full + within, _value(said or word))
        return where + unknown(full, _value(said or word), cause.parent_node, within)
    if isinstance(cause, ConfigTypeError) and "Cannot merge" in str(cause):
        full, is_named = str(cause.full_key), cause.object_type is dict
        kinds = f"a list where {full} has settings by name" if is_named else f"settings by name where {full} is a list"
        return f"{where}{word or full} puts {kinds}: " + (f"{full}.NAME=… changes one" if is_named else f"{full}=[…]")
    if isinstance(cause, OmegaConfBaseException):
        return where + unresolved(cause)
    # OmegaConf has no words for the first file that a person may write: one of a single text.
    return " ".join(text.split()) or "an option's YAML file holds a single text, where settings are wanted: key: value"


def _no_group(key: str, word: str | None) -> str:
    """Returns the answer to the choice of an option of a group that is not there."""
    group = key.rpartition("/")[2]
    if word is None and group in registry.groups():
        return f"the defaults of a preset name a group with a stroke before it: - override /{group}: …"
    return unknown(key, _value(word))


def _value(word: str | None) -> str | None:
    """Returns the value of an override as it was typed: that of a path is in quotes for Hydra by now."""
    if word is None:
        return None
    key, _, value = word.partition("=")
    return value.strip("'") if re.fullmatch(meant.PATH_KEY, key) or key == meant.NOTE else value


def _unreadable(override: str | None) -> str:
    key, equals, value = (override or "").partition("=")
    if not equals:
        return f"'{override}' is not key=value"
    if any(value.count(opened) != value.count(closed) for opened, closed in ("[]", "{}", "()")):
        return f"{override} can't be read: a bracket is open"
    if value[:1] in ("[", "{") and "=" in value:
        return f"{override} can't be read: within brackets a text with = stands in quotes of its own, ['epochs=5']"
    if (kind := meant.TYPES.get(key)) and (problem := value_problem(object(), kind)) and "text" not in problem:
        return f"{override} {problem}"
    quoted = to_type(f"{key}='{value}'")
    return f"{override} can't be read; if the value is a text, quote it twice: {quoted}"


def _wrong_type(cause: ValidationError, word: str | None) -> str:
    field = Settings.__dataclass_fields__.get(str(cause.full_key))
    value = re.search(r"Value '(.*?)'", str(cause))
    typed = word or (f"{cause.full_key}={value[1]}" if value else str(cause.full_key))
    problem = value_problem(object(), field.type) if field else None
    if problem and word and problem.startswith("must be a list") and not word.endswith(("=true", "=false")):
        as_list = to_type("=[".join(re.sub("=null$", "=", word).split("=", 1)) + "]")
        return f"{typed} {problem.partition(' like')[0]}: {as_list}"
    return f"{typed} {problem}" if problem else f"{typed}: {str(cause).splitlines()[0]}"


def unresolved(error: OmegaConfBaseException) -> str:
    """Returns in words which setting refers to one that is not there, or why its value can't be made."""
    text = " ".join(str(error).splitlines()[0].split())
    found = re.match(r"Interpolation key '([^']+)' not found", text)
    key = str(error.full_key or "")
    key = "" if key.startswith("_") else key  # so it calls what it looks at before there is a config
    if not found:
        text = re.sub(r"^\w+ raised while resolving interpolation: ", "", text).strip('"')
        return f"{key}: {text}" if key and key not in text else text
    group, _, name = found[1].rpartition(".")
    root: Any = error.parent_node._get_root() if isinstance(error.parent_node, DictConfig) else None
    node = root.get(group) if group and root is not None else None
    near = closest(name, [str(each) for each in node]) if isinstance(node, DictConfig) else None
    target = f"{group}.{near}" if near else None if group else meant.setting(name)
    hint = f" Did you mean '${{{target}}}'?" if target else ""
    return f"{key}{'=' * bool(key)}${{{found[1]}}} refers to a setting that is not there{'.' * bool(hint)}{hint}"
