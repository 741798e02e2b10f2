"""What `--help` prints, made from the files of conf/ and dlexp/commands without importing anything heavy."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dlexp.config import registry
from dlexp.errors import UserError, did_you_mean

Row = tuple[str, str, str]  # a setting, what it is for, its value

WIDTH = 80
HEIGHT = 50  # of the first page, whose presets end where it is full
COLUMN = 20  # where what is said of a name begins
NO_CHOICE = ("recipe", "experiment")  # the one follows from model and data, the other has lines of its own
FACTS = ("class_names", "mean", "std")  # of a data set, which nobody sets

USAGE = """\
dlexp trains a PyTorch model from choices on the command line.

  python -m dlexp                                    no data needed: seconds
  python -m dlexp model=cnn data=mnist epochs=2 optimizer.lr=0.01
  python -m dlexp data=cifar10 'augment=[crop_flip,mixup]'   brackets in quotes
  python -m dlexp -m optimizer=sgd,adam data=mnist   a sweep: one run for each
  tensorboard --logdir outputs                       see what came out"""

MORE = """\
--cfg job prints the config, --info defaults its files; --config-dir DIR: your
options, allow=MODULE your code; --version; --shell-completion; --hydra-help"""


def answer(topic: str | None, own: Sequence[Path] = ()) -> str:
    """Returns the page on a group, an option (`model=vgg16`, or its name alone) or `settings`; the first page for None.

    own: folders of a person's own options.

    Raises:
        UserError: there is nothing of that name.
    """
    if topic is None:
        return page()
    groups = {name: options for name, options in registry.groups(own).items() if name != "recipe"}
    group, _, option = topic.partition("=")
    group = group.partition(".")[0]
    if group in groups and option in ("", *groups[group]):
        return _of_option(group, option, own) if option else _of_group(group, groups[group], own)
    if group == "settings" or any(each.key.partition(".")[0] == group for each in _settings()):
        rows = ((each.key, each.comment, each.value) for each in _settings())
        return "\n".join(["Settings of a run, typed as key=value", *_rows(rows)])
    having = [name for name, options in groups.items() if topic in options]
    if having:
        return "\n\n".join(_of_option(name, topic, own) for name in having)
    names = [*groups, "settings", *registry.commands(), *(name for options in groups.values() for name in options)]
    raise UserError(
        f"--help knows no '{topic}'.{did_you_mean(topic, names)} It takes a group ({', '.join(groups)}), an option of"
        " one, a command or settings"
    )


def page() -> str:
    """Returns the first page: how to type, what there is to choose, and what a run can be told."""
    defaults, groups = registry.defaults(), registry.groups()
    names = dict.fromkeys(each.key.partition(".")[0] for each in _settings())
    settings = ", ".join(name for name in names if name not in groups)
    above = [*USAGE.splitlines(), "", "Choose one of a group as group=option ([default]); --help GROUP tells more"]
    above += [_of_options(name, groups[name], defaults.get(name, "")) for name in groups if name not in NO_CHOICE]
    below = ["", "Settings, typed as key=value; --help settings explains them"]
    below += textwrap.wrap(settings, WIDTH, initial_indent="  ", subsequent_indent="  ")
    commands = f"Commands ({', '.join(registry.commands())}): python -m dlexp COMMAND --help"
    below += [*textwrap.wrap(commands, WIDTH, subsequent_indent="  "), *MORE.splitlines()]
    presets = [_line(name, re.split("[:;] ", _about("experiment", name))[0]) for name in groups["experiment"]]
    room = HEIGHT - len(above) - len(below) - 2
    if len(presets) > room:
        presets = [*presets[: room - 1], f"  … {len(presets) - room + 1} more: --help experiment"]
    return "\n".join([*above, "", "Presets: experiment=NAME", *presets, *below])


def _line(name: str, text: str) -> str:
    """Returns one line: a name, and as much as fits of what there is to say."""
    return f"  {name:<{COLUMN}}{textwrap.shorten(text, WIDTH - COLUMN - 2, placeholder=' …')}"


def _of_options(group: str, options: Sequence[str], default: str) -> str:
    """Returns one line: a group and as many of its options as fit, the default first."""
    line = f"  {group:<{COLUMN}}[{default}]"
    for option in options:
        if option != default and len(line) + len(option) + 2 <= WIDTH - 3:
            line += f"  {option}"
        elif option != default:
            return f"{line}  …"
    return line


def _about(group: str, option: str, own: Sequence[Path] = ()) -> str:
    file = registry.file_of(group, option, own)
    return registry.about(file) if file else ""


def _settings() -> list[registry.Setting]:
    """Returns the settings of a run as conf/config.yaml explains them."""
    found = registry.settings(registry.CONF / "config.yaml")
    return [each for each in found if each.key.partition(".")[0] != "recipe"]


def _of_group(group: str, options: Sequence[str], own: Sequence[Path]) -> str:
    """Returns the options of a group, each with what it is for and its settings."""
    default = registry.defaults().get(group)
    lines = [f"{group}=OPTION{f' [{default}]' if default else ''}; settings are typed as {group}.NAME=value"]
    if group == "experiment":
        lines = ["Presets: experiment=NAME"]
    for option in options:
        file = registry.file_of(group, option, own)
        lines += _wrapped(f"{option}: {_about(group, option, own)}", "  ", " " * 6)
        if group != "experiment":
            lines += _wrapped("  ".join(f"{key}={value}" for key, _, value in _of(file)), " " * 6, " " * 6)
    return "\n".join(lines)


def _of_option(group: str, option: str, own: Sequence[Path]) -> str:
    """Returns what an option is for, and its settings with what stands in its file about them."""
    rows = [(f"{group}.{key}", text, value) for key, text, value in _of(registry.file_of(group, option, own))]
    return "\n".join([*_wrapped(f"{group}={option}: {_about(group, option, own)}", "", "    "), *_rows(rows)])


def _of(file: Path | None) -> Iterator[Row]:
    """Yields the settings of an option that a person may want to set."""
    for each in registry.settings(file) if file else ():
        value = _shown(each.value)
        if value is not None and each.key not in FACTS:
            yield each.key, each.comment, value


def _shown(value: str) -> str | None:
    """Returns a value of a YAML file, that of a recipe where it is the default; None where it follows the data."""
    found = re.fullmatch(r"\$\{oc\.select:[\w.]+,(.*)\}", value)
    return found[1] if found else None if "${" in value else value.replace(", ", ",")


def _rows(rows: Iterable[Row]) -> list[str]:
    """Returns names, what each is for, and its value in brackets, in two columns."""
    rows = list(rows)
    width = max((len(name) for name, _, _ in rows), default=0) + 2
    return [
        line
        for name, text, value in rows
        for line in _wrapped(f"{text} [{value}]".strip(), f"  {name:<{width}}", " " * (width + 2))
    ]


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)
