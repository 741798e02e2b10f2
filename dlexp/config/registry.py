"""The folder conf/ as a registry: which groups and options exist. Answers --help, so it imports nothing heavy."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# In a wheel conf/ travels inside the package; in a checkout it lies beside it.
CONF = next(p for p in (Path(__file__).parents[1] / "conf", Path(__file__).parents[2] / "conf") if p.is_dir())
STUDY = "study"  # a folder of conf/ that is no group: a run takes nothing of it, `compare NAME` asks what is in it


def groups(own: Sequence[Path] = ()) -> dict[str, list[str]]:
    """Returns the options of every group, both sorted: `{"model": ["alexnet", "cnn", …], …}`.

    own: folders of a person's own, whose groups and options are added.
    """
    found: dict[str, set[str]] = {}
    folders = (folder for conf in (CONF, *own) for folder in conf.iterdir() if folder.is_dir())
    for folder in (folder for folder in folders if folder.name != STUDY):
        found.setdefault(folder.name, set()).update(options(folder))
    return {name: sorted(found[name]) for name in sorted(found)}


def options(folder: Path) -> list[str]:
    """Returns the options of one group: its YAML files, those of sub-folders as `sub/name`."""
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml"))


def file_of(group: str, option: str, own: Sequence[Path] = ()) -> Path | None:
    """Returns the YAML file of an option, None where there is none."""
    files = (conf / group / f"{option}.yaml" for conf in (CONF, *own))
    return next((file for file in files if file.is_file()), None)


def studies(own: Sequence[Path] = ()) -> dict[str, Path]:
    """Returns the files of the stored questions by name, sorted."""
    files = (file for conf in (CONF, *own) for file in (conf / STUDY).glob("*.yaml"))
    return {file.stem: file for file in sorted(files, key=lambda file: file.stem)}


def defaults() -> dict[str, str]:
    """Returns the option of each group that a run has when nobody chooses one."""
    lines = (CONF / "config.yaml").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("#")[0].removeprefix("  - ").split(": ") for line in lines if line.startswith("  - ")]
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2 and pair[1].strip() != "null"}


@dataclass(frozen=True)
class Setting:
    """A line `key: value  # comment` of a YAML file: its dotted key, the value as it stands there, and the comment."""

    key: str
    value: str
    comment: str


def settings(file: Path) -> Iterator[Setting]:
    """Yields the settings of a YAML file, without what it includes and calls. Only plain block style is understood."""
    path: list[tuple[int, str]] = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        found = re.match(r"( *)(\w+):(?: +([^#]*?))? *(?:#(.*))?$", line)
        if found is None:
            continue
        indent = len(found[1])
        path = [each for each in path if each[0] < indent] + [(indent, found[2])]
        if found[2] != "_target_" and path[0][1] not in ("defaults", "hydra") and found[3]:
            yield Setting(".".join(name for _, name in path), found[3], (found[4] or "").strip())


def about(file: Path) -> str:
    """Returns what a YAML file says of itself in the comment at its beginning: the first sentence, without brackets."""
    text = ""
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line.startswith("#") or re.match(r"# *(python -m|measured)", line):
            break
        text += "" if "@package" in line else line.lstrip("# ") + " "
    return re.split(r"\.\s", re.sub(r"\s*\([^()]*\)", "", text), maxsplit=1)[0].rstrip(".:; ")


def commands() -> dict[str, str]:
    """Returns the commands (files of dlexp/commands) with the first line of their docstrings."""
    folder = Path(__file__).parents[1] / "commands"
    return {
        file.stem: file.read_text(encoding="utf-8").split('"""')[1].strip().splitlines()[0]
        for file in sorted(folder.glob("*.py"))
        if file.stem != "__init__"
    }


def clashes(folder: Path) -> list[str]:
    """Returns the options of a person's own folder that have the name of a built-in one."""
    return [name for name in options(folder) if (CONF / f"{name}.yaml").exists()]
