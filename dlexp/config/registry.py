"""The folder conf/ as a registry: which groups and options exist. Answers --help, so it imports nothing heavy."""

from collections.abc import Sequence
from pathlib import Path

# In a wheel conf/ travels inside the package; in a checkout it lies beside it.
CONF = next(p for p in (Path(__file__).parents[1] / "conf", Path(__file__).parents[2] / "conf") if p.is_dir())


def groups(own: Sequence[Path] = ()) -> dict[str, list[str]]:
    """Returns the options of every group, both sorted: `{"model": ["alexnet", "cnn", …], …}`.

    own: folders of a person's own, whose groups and options are added.
    """
    found: dict[str, set[str]] = {}
    for folder in (folder for conf in (CONF, *own) for folder in conf.iterdir() if folder.is_dir()):
        found.setdefault(folder.name, set()).update(options(folder))
    return {name: sorted(found[name]) for name in sorted(found)}


def options(folder: Path) -> list[str]:
    """Returns the options of one group: its YAML files, those of sub-folders as `sub/name`."""
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml"))


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
