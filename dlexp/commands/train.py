"""train, or sweep with -m: what `python -m dlexp key=value …` does without naming it"""

import os
from collections.abc import Sequence
from importlib import import_module

from dlexp import __version__
from dlexp.errors import UserError


def main(typed: list[str]) -> int:
    """Runs one experiment, or a sweep of them; what Hydra's own flags ask for is answered by Hydra."""
    if "--help" in typed or "-h" in typed:
        return _tell(typed)
    if "--version" in typed:  # Hydra would tell its own
        print(f"dlexp {__version__}")
        return 0
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise UserError(
            "torchrun starts one process per GPU, and a run uses one device: start it with python -m dlexp."
            " A sweep (-m … n_jobs=N) uses all GPUs, a job on each"
        )
    from dlexp.config import words
    from dlexp.console.streams import log_to_console

    if words.asks_hydra(typed):
        from dlexp.config.hydra_flags import answer

        return answer(typed)
    if "--cell" in typed:
        return _tell_cell([word for word in typed if word != "--cell"])
    log_to_console()
    if set(words.SWEEP_FLAGS) & set(typed) and not any(word.startswith("resume=") for word in typed):
        from dlexp.sweep.plan import run_sweep

        return run_sweep(typed).exit_code
    from dlexp.api import run

    run(typed)
    return 0


def _tell(typed: Sequence[str]) -> int:
    """Prints the help page, or that on what is named after --help."""
    from dlexp.config import registry
    from dlexp.config.help import answer
    from dlexp.config.words import folders_named

    place = min(typed.index(flag) for flag in ("--help", "-h") if flag in typed)
    topic = next(iter(typed[place + 1 : place + 2]), "-")
    if topic in registry.commands() and topic != "train":
        return int(import_module(f"dlexp.commands.{topic}").main(["--help"]))
    print(answer(None if topic.startswith("-") else topic, folders_named(typed)))
    return 0


def _tell_cell(typed: Sequence[str]) -> int:
    """Prints the hash that makes two runs the same experiment, and the settings that enter it."""
    import yaml

    from dlexp.config.cell import cell, essentials
    from dlexp.config.compose import compose

    config = compose(typed).config
    print(f"# cell {cell(config)}: the hash of these settings")
    print(yaml.safe_dump(essentials(config), sort_keys=False), end="")
    return 0
