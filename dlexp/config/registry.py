"""The folder conf/ as a registry: which groups and options exist. Answers --help, so it imports nothing heavy."""

from pathlib import Path

from dlexp.errors import UserError

# In a wheel conf/ travels inside the package; in a checkout it lies beside it.
CONF = next(p for p in (Path(__file__).parents[1] / "conf", Path(__file__).parents[2] / "conf") if p.is_dir())


def groups(conf: Path = CONF) -> dict[str, list[str]]:
    """Returns the options of every group, both sorted: `{"model": ["alexnet", "cnn", …], …}`."""
    return {folder.name: options(folder) for folder in sorted(conf.iterdir()) if folder.is_dir()}


def options(folder: Path) -> list[str]:
    """Returns the options of one group: its YAML files, those of sub-folders as `sub/name`."""
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml"))


def headline(file: Path) -> str:
    """Returns the first comment line of a YAML file: what the option is."""
    with file.open(encoding="utf-8") as lines:
        return next((line[1:].strip() for line in lines if line.startswith("#") and "@package" not in line), "")


def commands() -> dict[str, str]:
    """Returns the commands (files of dlexp/commands) with the first line of their docstrings."""
    folder = Path(__file__).parents[1] / "commands"
    return {
        file.stem: file.read_text(encoding="utf-8").split('"""')[1].strip().splitlines()[0]
        for file in sorted(folder.glob("*.py"))
        if file.stem != "__init__"
    }


def own_folders(words: list[str]) -> list[Path]:
    """Returns the folders of options that the words add with --config-dir.

    Raises:
        UserError: such a folder does not exist.
    """
    flags = ("--config-dir", "-cd")
    folders = [Path(after) for word, after in zip(words, words[1:], strict=False) if word in flags]
    folders += [Path(word.partition("=")[2]) for word in words if word.startswith(tuple(f"{flag}=" for flag in flags))]
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"--config-dir {folder}: there is no such folder")
    return folders


def clashes(folder: Path, conf: Path = CONF) -> list[str]:
    """Returns the options of a person's own folder that have the name of a built-in one."""
    return [name for name in options(folder) if (conf / f"{name}.yaml").exists()]
