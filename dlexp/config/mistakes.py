"""Hydra's errors as sentences: which typed word is wrong, and what would work. All wrong words are named in one go."""

import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException, ValidationError
from yaml import YAMLError

from dlexp.config import registry
from dlexp.errors import UserError, did_you_mean

HYDRA_ERRORS = (HydraException, OmegaConfBaseException, YAMLError)
HYDRAS_PACKAGES = ("hydra", "omegaconf", "antlr4", "yaml")
FLAGS_WITH_VALUE = ("--config-dir", "-cd", "--cfg", "-c", "--info", "-i", "--package", "-p")
Compose = Callable[[list[str]], DictConfig]


def prepare_hydra() -> None:
    """Lets Hydra raise its errors instead of printing them, and find the sweeper and launcher of this package.

    On Python 3.14 argparse checks every help text when it is declared, and Hydra 1.3 declares one that is no text.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it logs what it raises
    plugins = str(Path(__file__).parents[1] / "plugins")
    if plugins not in sys.path:
        sys.path.append(plugins)
        # For launchers (submitit) that unpickle Hydra's plugins in a new process before anything of dlexp is imported.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), plugins]))
    # Hydra looks for plugins once a process, which in a notebook may have been before this package came.
    for name in ("sweeper", "launcher"):
        module = import_module(f"hydra_plugins.dlexp_plugins.{name}")
        Plugins.instance().register(getattr(module, f"Dlexp{name.capitalize()}"))
    if sys.version_info >= (3, 14):
        import argparse

        argparse.ArgumentParser._check_help = lambda *_: None  # type: ignore[attr-defined]


def refuse_silent_losses(words: list[str]) -> None:
    """Refuses what Hydra ignores or fails on: a typed recipe, `group=null`, own options named like built-in ones."""
    if any(word.startswith("recipe=") for word in words):
        raise UserError("recipe follows from model and data and can't be chosen; change its values, such as epochs=5")
    for group in registry.groups():
        if f"{group}=null" in words:  # Hydra answers with a traceback
            raise UserError(f"{group}=null can't be chosen; leave it out, or take one of its options (see --help)")
    for folder in registry.own_folders(words):
        taken = registry.clashes(folder)
        if taken:
            raise UserError(
                f"{folder} has {', '.join(taken)}, which dlexp has too; the built-in one would win, so rename yours"
            )


def is_hydras(error: BaseException) -> bool:
    """Returns whether an error is Hydra's answer to what was typed: one of its own, or anything else its lines raised.

    `model=16` is a bare ValueError there, and a word such as `~` an AttributeError.
    """
    if isinstance(error, HYDRA_ERRORS):
        return True
    if not isinstance(error, Exception):
        return False
    packages = [
        str(frame.f_globals.get("__name__")).split(".")[0] for frame, _ in traceback.walk_tb(error.__traceback__)
    ]
    ours_or_hydras = [name for name in packages if name in (*HYDRAS_PACKAGES, "dlexp")]
    return bool(ours_or_hydras) and ours_or_hydras[-1] != "dlexp"


def as_user_error(error: Exception, words: list[str]) -> UserError:
    """Returns one UserError that lists everything wrong with the typed words, beginning with `error`."""
    from dlexp.config.check import listed, settings_problems

    overrides = overrides_of(words)
    if "-m" in words:
        return UserError(sentence(error, overrides))
    cfg, problems = compose_or_explain(composer(words), overrides)
    if cfg is not None:
        problems += settings_problems(cfg)  # the groups' keys would have to wait for torch
    return UserError(listed(problems or [sentence(error, overrides)]))


def overrides_of(words: Sequence[str]) -> list[str]:
    """Returns the words of a command line without its flags and their values."""
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if not word.startswith("-") and before not in FLAGS_WITH_VALUE
    ]


def composer(words: Sequence[str]) -> Compose:
    """Returns what composes overrides, outside of Hydra's command line, with the folders of --config-dir in `words`."""
    places = ",".join(f"'file://{folder.resolve()}'" for folder in registry.own_folders(list(words)))
    search_path = [f"hydra.searchpath=[{places}]"] if places else []

    def compose_words(overrides: list[str]) -> DictConfig:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(registry.CONF), version_base="1.3", job_name="dlexp"):
            return compose("config", [*search_path, *overrides], return_hydra_config=True)

    return compose_words


def compose_or_explain(compose: Compose, overrides: list[str]) -> tuple[DictConfig | None, list[str]]:
    """Composes; while that fails, names the guilty override and tries again without it.

    Returns what the blameless overrides compose to (None when they do not) and a sentence for each of the others.
    """
    groups = registry.groups()
    answers = {word: _no_name(word, groups) for word in overrides}
    problems = [answer for answer in answers.values() if answer]
    overrides = [word for word in overrides if not answers.get(word)]
    while True:
        try:
            return compose(overrides), problems
        except Exception as error:
            if not is_hydras(error):
                raise
            problem = sentence(error, overrides)
            guilty = next(_guilty(compose, overrides, str(error)), None)
            if guilty is None:
                return None, [*problems, problem]
            named = isinstance(error, HYDRA_ERRORS)
            problems.append(problem if named else f"{overrides[guilty]} can't be used: {problem}")
            overrides = [word for index, word in enumerate(overrides) if index != guilty]


def _guilty(compose: Compose, overrides: list[str], message: str) -> Iterator[int]:
    """Yields the overrides without which that error is gone."""
    for index in range(len(overrides)):
        try:
            compose(overrides[:index] + overrides[index + 1 :])
        except Exception as error:
            if not is_hydras(error):
                raise
            if str(error) == message:
                continue
        yield index


def sentence(error: BaseException, overrides: list[str]) -> str:
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
    if isinstance(cause, OmegaConfBaseException) and isinstance(cause.__cause__ or cause.__context__, UserError):
        return str(cause.__cause__ or cause.__context__)
    return " ".join(text.split())


def _missing_option(error: MissingConfigException) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    groups = registry.groups()
    options = sorted(error.options or groups.get(group, []))  # of a list of options Hydra names none
    if not options:
        return f"there is no group '{group}'.{did_you_mean(group, groups)} Groups: {', '.join(groups)}"
    return f"there is no {group} '{name}'.{did_you_mean(name, options)} Options of {group}: {', '.join(options)}"


def _no_name(word: str, groups: Mapping[str, Sequence[str]]) -> str | None:
    """Returns the answer to a number, a truth value or a list in place of an option: `model=16`.

    Hydra would answer in words of its own, and only to the first.
    """
    group, _, value = word.partition("=")
    options = groups.get(group)
    if group == "augment" and value.startswith("["):  # the one group whose options compose
        return None
    if not options or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|true|false|\[.*\]", value, re.IGNORECASE):
        return None
    return f"there is no {group} '{value}'.{did_you_mean(value, options)} Options of {group}: {', '.join(options)}"


def _unreadable(override: str | None) -> str:
    key, equals, value = (override or "").partition("=")
    if not equals:
        return f"'{override}' is not key=value"
    return f"""{override} can't be read; if the value is a text, quote it twice: "{key}='{value}'" """.rstrip()


def _wrong_type(cause: ValidationError) -> str:
    from dlexp.config.check import value_problem
    from dlexp.config.schema import Settings

    field = Settings.__dataclass_fields__.get(str(cause.full_key))
    value = re.search(r"Value '(.*?)'", str(cause))
    typed = f"{cause.full_key}={value[1]}" if value else str(cause.full_key)
    problem = value_problem(object(), field.type) if field else None
    return f"{typed} {problem}" if problem else f"{typed}: {str(cause).splitlines()[0]}"


def _unknown_key(key: str, parent: object) -> str:
    parent_key, _, word = key.rpartition(".")
    siblings = [str(k) for k in parent] if isinstance(parent, DictConfig) else _settings()
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


def _settings() -> list[str]:
    from dlexp.config.schema import Settings

    return list(Settings.__dataclass_fields__) + ["experiment"]
