"""The entry point: `python -m dlexp` answers --help, runs a command, or composes a config with Hydra and trains."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from dlexp.config import registry
from dlexp.console.streams import setup_console
from dlexp.errors import UserError, did_you_mean
from dlexp.machine.shortage import disk_is_full
from dlexp.machine.signals import StopRequested, exit_code_of


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code: 0, 1 (a mistake or a failed run), 128 + a signal."""
    words = list(sys.argv[1:] if argv is None else argv)
    return answering(lambda: dispatch(words))


def answering(work: Callable[[], int]) -> int:
    """Does a process's work and returns its exit code; what a person can mend is said in a sentence."""
    setup_console()
    try:
        return work()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader (`| head`) has gone; Python would complain once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        full = disk_is_full(error)
        if full is None:
            raise
        print(f"error: {full}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, StopRequested) as stop:
        print(f"stopped by {stop}" if isinstance(stop, StopRequested) else "interrupted", file=sys.stderr)
        return exit_code_of(stop)


def dispatch(words: list[str]) -> int:
    """Decides what the words ask for: the help page, a command, or a training run."""
    first = words[0] if words else ""
    if first and "=" not in first and first[0] not in "-~":  # ~key removes a key
        return run_command(first, words[1:])
    if "--help" in words or "-h" in words:
        from dlexp.config.help import page

        print(page())
        return 0
    return train(words)


def run_command(name: str, words: list[str]) -> int:
    """Runs dlexp/commands/NAME.py."""
    names = registry.commands()
    if name not in names:
        raise UserError(
            f"there is no command '{name}'.{did_you_mean(name, names)} Commands: {', '.join(names)};"
            " a training run takes key=value, such as model=vgg16 (see --help)"
        )
    from importlib import import_module

    return int(import_module(f"dlexp.commands.{name}").main(take_allow(words)))


def train(words: list[str]) -> int:
    """Gives the words to Hydra and runs one experiment, or a sweep of them with -m."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise UserError(
            "torchrun starts one process per GPU, and a run uses one device: start it with python -m dlexp."
            " A sweep (-m … n_jobs=N) uses all GPUs, a job on each"
        )
    words = take_allow(words)
    if any(word.startswith("resume=") for word in words):
        words, is_done = resume(words)
        if is_done:
            return 0
    if "--cell" in words:
        return tell_cell([word for word in words if word != "--cell"])
    is_multirun = bool({"-m", "--multirun"} & set(words))
    words = ["-m"] * is_multirun + [word for word in words if word not in ("-m", "--multirun")]

    import hydra

    from dlexp.config import job, mistakes, schema

    mistakes.refuse_silent_losses(words)
    words = schema.with_quoted_paths(words, is_multirun)
    schema.register()
    mistakes.prepare_hydra()
    sys.argv = ["dlexp", *words]
    try:
        hydra.main(config_path=str(registry.CONF), config_name="config", version_base="1.3")(job.run_job)()
    except Exception as error:
        if job.has_started() or not mistakes.is_hydras(error):
            raise
        raise mistakes.as_user_error(error, words) from None
    mistake = job.mistake()
    if mistake:
        raise mistake
    return job.exit_code()


def resume(words: list[str]) -> tuple[list[str], bool]:
    """Goes on with the run that `resume=` names; returns the other words, and whether all is done with that."""
    from dlexp.console.streams import log_to_console
    from dlexp.experiment.resume import resume_from, split_words

    named, rest = split_words(words)
    if {"-m", "--multirun"} & set(rest):
        raise UserError("resume= continues one run; a sweep is continued by typing it again")
    log_to_console()
    return rest, named is not None and resume_from(named, rest) is not None


def tell_cell(words: list[str]) -> int:
    """Prints the hash that makes two runs the same experiment, and the settings that enter it."""
    import yaml

    from dlexp.config.cell import cell, essentials
    from dlexp.config.check import resolved
    from dlexp.config.compose import composed

    cfg, _ = composed(words)
    config = resolved(cfg)
    print(f"# cell {cell(config)}: the hash of these settings")
    print(yaml.safe_dump(essentials(config), sort_keys=False), end="")
    return 0


def take_allow(words: list[str]) -> list[str]:
    """Takes `allow=module` out of the words into the environment, which child processes inherit.

    It is no config key, so that no file can grant it.
    """
    names = [word.removeprefix("allow=") for word in words if word.startswith("allow=")]
    if names:
        os.environ["DLEXP_ALLOW"] = ",".join([*names, *filter(None, [os.environ.get("DLEXP_ALLOW")])])
    if os.environ.get("DLEXP_ALLOW") and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # `python -m dlexp` has it, the console script has not
    return [word for word in words if not word.startswith("allow=")]


if __name__ == "__main__":
    sys.exit(main())
