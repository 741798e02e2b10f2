"""A command line taken apart: flags, the folders of a person's own options, and overrides for Hydra's grammar."""

import logging
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlexp.config import meant, registry
from dlexp.config.schema import DataSettings, Settings, TaskSettings, marked
from dlexp.config.typed_twice import repeated
from dlexp.errors import UserError, did_you_mean, to_type
from dlexp.ranges import OfSweeps

log = logging.getLogger(__name__)

SWEEP_FLAGS = ("-m", "--multirun")
FOLDER_FLAGS = ("--config-dir", "-cd")
# Answered by Hydra's own command line: what is composed and where it comes from, tab completion.
WITH_VALUE = tuple("--cfg -c --info -i --package -p --shell-completion -sc".split())
HYDRA_FLAGS = (*WITH_VALUE, "--resolve", "--hydra-help")
FLAGS = (*SWEEP_FLAGS, *FOLDER_FLAGS, *HYDRA_FLAGS, "--help", "--version", "--cell")
OF_SWEEPS = marked(Settings, OfSweeps)
# What every option of these groups has.
OF_ALL = [
    f"{group}.{name}"
    for group, schema in (("data", DataSettings), ("task", TaskSettings))
    for name in schema.__dataclass_fields__
]
# Of the node `hydra`, what is heard; the rest belongs to Hydra's way of starting jobs.
PLACES = ("hydra.run.dir", "hydra.sweep.dir")
INSTEAD = {
    "hydra/launcher": "launcher=local or launcher=slurm chooses how a sweep's jobs start, n_jobs=N how many at once",
    "hydra/sweeper": "-m tries every combination of the values of key=a,b,c",
    "hydra.launcher": "the settings of a launcher are those of the group launcher, such as launcher.wait=true",
    "hydra.searchpath": "--config-dir DIR adds your own folder of options",
}


@dataclass(frozen=True)
class Words:
    """overrides: `key=value` with paths quoted for Hydra's grammar. folders: of --config-dir. is_sweep: with -m.

    for_hydra: the flags that Hydra's own command line answers, and their values.
    """

    overrides: list[str]
    folders: list[Path]
    is_sweep: bool
    for_hydra: list[str]


def as_said(read: Words, overrides: Iterable[str]) -> dict[str, str]:
    """Returns by override of a job the word that was typed for it, which may stand for several values."""
    typed = {word.partition("=")[0]: word for word in read.overrides}
    return {each: typed[key] for each in overrides if (key := each.partition("=")[0]) in typed}


def asks_hydra(words: Sequence[str]) -> bool:
    """Returns whether a flag is there that Hydra's own command line answers."""
    return any(word.partition("=")[0] in HYDRA_FLAGS for word in words)


def read(words: Sequence[str], *, hydra_answers: bool = False, is_read_again: bool = False) -> Words:
    """Takes the words of a run or a sweep apart, or of a line that `hydra_answers`.

    Says which of them are lost: on what is no sweep, or, unless it `is_read_again`, to a later one.

    Raises:
        UserError: a flag or a folder is not there, or Hydra would lose a word of a line that it answers.
    """
    overrides: list[str] = []
    folders: list[Path] = []
    for_hydra: list[str] = []
    problems: list[str] = []
    groups = registry.groups()
    waiting, is_sweep = list(words), bool(set(SWEEP_FLAGS) & set(words))
    while waiting:
        word, count = waiting[0], 1
        flag, equals, value = word.partition("=")
        if word in SWEEP_FLAGS:
            pass
        elif flag in FOLDER_FLAGS:
            count = 1 if equals else 2
            folders.append(_folder(value if equals else "".join(waiting[1:2])))
            groups = registry.groups(folders)
        elif flag in HYDRA_FLAGS and hydra_answers:
            count = 2 if flag in WITH_VALUE and not equals else 1
            for_hydra += waiting[:count]
        elif flag in HYDRA_FLAGS:
            raise UserError(f"{flag} is for the command line: python -m dlexp {flag} …")
        else:
            count, typed = meant.piece(waiting, groups)
            if typed is not None:
                are_several = "," in typed and not set("[({'\" ") & set(typed)
                with_flag = " with -m" if are_several and not is_sweep else ""
                problems.append(f"{' '.join(waiting[:count])} is typed {typed}{with_flag}")
            elif word.startswith("-"):
                near = did_you_mean(flag, FLAGS)
                problems.append(f"there is no flag '{flag}'.{near} Settings are typed as key=value")
            else:
                overrides.append(word)
        waiting = waiting[count:]
    if problems:
        raise UserError(*problems)
    if hydra_answers:  # else whoever composes tells, beside all else that is wrong
        if problems := [answer for word in overrides if (answer := lost(word, groups))]:
            raise UserError(*problems)
    for_sweeps = [word for word in overrides if re.split("[=.]", word.lstrip("+"))[0] in OF_SWEEPS]
    if for_sweeps and not is_sweep and not hydra_answers:
        log.warning(f"warning: {' '.join(for_sweeps)} has no effect without -m, which starts a sweep")
    for sentence in () if hydra_answers or is_read_again else repeated(overrides):
        log.warning(f"warning: {sentence}")
    return Words([quoted(word, is_sweep) for word in overrides], folders, is_sweep, for_hydra)


def folders_named(words: Sequence[str]) -> list[Path]:
    """Returns the folders of a person's own options that words name and that are there, whatever else they say."""
    named = (
        (value if equals else "".join(words[place + 1 : place + 2]))
        for place, (flag, equals, value) in enumerate(word.partition("=") for word in words)
        if flag in FOLDER_FLAGS
    )
    return [folder for folder in (Path(name).expanduser() for name in named if name) if folder.is_dir()]


def _folder(name: str) -> Path:
    folder = Path(name).expanduser()
    if not name:
        raise UserError("--config-dir takes a folder of options: --config-dir DIR")
    if not folder.is_dir():
        raise UserError(f"--config-dir {name}: there is no such folder")
    if folder.name in registry.groups() and any(folder.glob("*.yaml")):
        raise UserError(
            f"--config-dir {name}: the options of {folder.name} lie in it; name the folder that holds {folder.name}/"
        )
    taken = registry.clashes(folder)
    if taken:
        raise UserError(
            f"{folder} has {', '.join(taken)}, which dlexp has too; the built-in one would win, so rename yours"
        )
    return folder


def lost(word: str, groups: meant.Groups) -> str | None:
    """Returns the answer to what Hydra ignores, fails on or tells in words of its own.

    A recipe, `group=null`, `~group`, `+` before what is there, most of Hydra's own settings.
    """
    key, _, value = word.lstrip("+~").partition("=")
    if key == "recipe":
        return "recipe follows from model and data and can't be chosen; change its values, such as epochs=5"
    if key == "accept_changes":
        return f"{word} goes with resume=RUN, where it accepts what has changed since"
    if word.startswith("~") and (key in groups or key in meant.TOP or key in OF_ALL):
        other = f"{key}=none leaves it out" if "none" in groups.get(key, ()) else f"{key}=… changes it"
        return f"{word} can't be: every run has {key}; {other}"
    if word.startswith("+") and not word.startswith("++") and (key in groups or key in meant.TOP):
        return f"{word}: {key} is there already, so it is typed {to_type(word[1:])}"
    if key in groups and value == "null":  # Hydra answers with a traceback
        return f"{key}=null can't be chosen; leave it out, or take one of its options (see --help {key})"
    if re.match(r"hydra[./@]", key) and key not in PLACES:
        instead = next((text for name, text in INSTEAD.items() if key.startswith(name)), None)
        heard = f"of Hydra's own settings dlexp hears {' and '.join(PLACES)}"
        return f"{key} is not heard here: {instead or heard}"
    if key in PLACES and not word.startswith(key):
        return f"{word} names a folder as {key}=FOLDER, without what stands before it"
    if key in PLACES and not value.strip("'\""):
        return f"{key}= names no folder"
    return None


def refuse_place(read: Words, key: str, why: str) -> None:
    """Raises UserError where a folder is named that would not be used."""
    for word in read.overrides:
        if word.startswith(f"{key}="):
            raise UserError(f"{key}= {why}")


PATH = re.compile(rf"({meant.PATH_KEY})=(.+)", re.DOTALL)


def quoted(word: str, is_sweep: bool) -> str:
    """Returns an override as Hydra takes it, paths and the note quoted: it refuses `D:\\data`, `~/data` and `a=b`.

    In a sweep a comma separates values, unless a file of that name exists.
    """
    if re.match(r"data\.fields[.=]", word):  # takes any field, and Hydra only those that the YAML states
        return f"++{word}"
    if word.startswith(f"{meant.NOTE}="):
        return f"{meant.NOTE}={_text(word.partition('=')[2])}"
    match = PATH.fullmatch(word)
    if match is None:
        return word
    key, value = match.groups()
    has_values = (
        is_sweep
        and not key.startswith("hydra.")
        and ("," in value or value.startswith("choice("))
        and not os.path.exists(value)
    )
    if value == "null" or value[0] in "'\"" or has_values:
        return word
    return f"{key}={in_quotes(os.path.expanduser(value))}"


def _text(value: str) -> str:
    """Returns a text in quotes, if it is not null and has none of its own, with nothing left that refers elsewhere."""
    if value == "null" or re.fullmatch(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", value, re.DOTALL):
        return value
    return in_quotes(re.sub(r"(\\*)\$\{", r"\1\1\\${", value))


def in_words(text: str) -> str:
    """Returns a text without what `_text` put before `${`, as OmegaConf does where it resolves a config."""
    return re.sub(r"(\\*)\\\$\{", lambda found: found[1][: len(found[1]) // 2] + "${", text)


def in_quotes(value: str) -> str:
    """Returns a value in quotes for Hydra's grammar."""
    # It reads backslashes before a quote, and only those, as escapes: a quote gets one, and they are doubled.
    escaped = re.sub(r"(\\*)('|\Z)", lambda found: found[1] * 2 + "\\'" * bool(found[2]), value)
    return f"'{escaped}'"
