"""The page that `--help` prints, made from the files of conf/ and dlexp/commands without importing anything heavy."""

import textwrap
from itertools import starmap

from dlexp.config import registry

WIDTH = 100

USAGE = """\
dlexp trains a PyTorch model from choices on the command line and records everything in a run folder.

  python -m dlexp                                              a small net on the spiral: seconds, no download
  python -m dlexp model=vgg16 data=cifar10                     CUDA when there is one
  python -m dlexp experiment=mnist_cnn                         a preset: its file tells what it reaches
  python -m dlexp model=cnn data=mnist epochs=2 optimizer.lr=0.01
  python -m dlexp -m optimizer=sgd,adam model=cnn data=mnist   a sweep: one run for each combination
  tensorboard --logdir outputs                                 see what came out

Choose one option of each group as group=option, of augment, metric and watch also several as
'augment=[crop_flip,mixup]'; change any single value as key=value."""

MORE = """\
Also: --cfg job prints the composed config instead of running it; --info defaults tells where it comes from;
--config-dir DIR adds your own folder of options; allow=MODULE lets a config name classes of your own module;
--shell-completion install=bash completes with the tab key (more: --hydra-help); --version tells dlexp's."""


def page() -> str:
    """Returns the whole page."""
    parts = {
        "Groups and their options (default in brackets)": _groups(),
        "Settings of a run": _settings(),
        "Commands: python -m dlexp COMMAND … (or COMMAND --help)": [*starmap(_row, registry.commands().items())],
    }
    return "\n\n".join([USAGE, *("\n".join([heading, *rows]) for heading, rows in parts.items()), MORE])


def _groups() -> list[str]:
    defaults = _defaults()
    rows = []
    for group, options in registry.groups().items():
        if group == "recipe":  # chosen by model and data, never by hand
            continue
        words = [f"[{name}]" if name == defaults.get(group) else name for name in options]
        rows.append(_row(group, "  ".join(words)))
    return rows


def _config_lines() -> list[str]:
    return (registry.CONF / "config.yaml").read_text(encoding="utf-8").splitlines()


def _defaults() -> dict[str, str]:
    pairs = [
        line.removeprefix("  - ").split(": ") for line in _config_lines() if line.startswith("  - ") and ": " in line
    ]
    return {pair[0]: pair[1].split("#")[0].strip() for pair in pairs}


def _settings() -> list[str]:
    rows = []
    prefix = ""
    for line in _config_lines():
        setting, _, comment = line.partition("#")
        key, colon, value = setting.strip().partition(":")
        if line.startswith(("hydra:", "defaults:")):
            prefix = "skip"
        elif colon and not value.strip() and not line.startswith(" "):
            prefix = f"{key}."
        elif colon and not key.startswith("-") and (prefix != "skip" or not line.startswith(" ")):
            prefix = prefix if line.startswith(" ") else ""
            rows.append(_row(f"{prefix}{key}", f"{comment.strip()} [{value.strip()}]".strip()))
    return rows


def _row(name: str, text: str) -> str:
    indent = " " * 20
    return textwrap.fill(text, WIDTH, initial_indent=f"  {name:<17} ", subsequent_indent=indent, break_on_hyphens=False)
