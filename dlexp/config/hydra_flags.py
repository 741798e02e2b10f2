"""Flags that Hydra's own command line answers: --cfg, --info and tab completion. Nothing is trained from here."""

import logging
import os
import sys
from collections.abc import Sequence

from dlexp.config import compose, mistakes, registry, schema, words
from dlexp.errors import UserError


def answer(typed: Sequence[str]) -> int:
    """Lets Hydra answer; returns the exit code.

    Raises:
        UserError: lists what is wrong with the words.
    """
    import hydra

    flags, overrides = _parted(typed)
    schema.register()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # it raises its errors instead of printing them
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it logs what it raises
    if sys.version_info >= (3, 14):  # argparse checks help texts there, and Hydra 1.3 declares one that is no text
        import argparse

        argparse.ArgumentParser._check_help = lambda *_: None  # type: ignore[attr-defined]
    before = sys.argv
    sys.argv = ["dlexp", *flags, *words.with_quoted_paths(overrides, is_sweep=False)]
    try:
        hydra.main(config_path=str(registry.CONF), config_name="config", **compose.BASE)(lambda cfg: None)()
    except BrokenPipeError:  # the reader (`| head`) has gone
        raise
    except Exception as error:
        if not mistakes.is_hydras(error):
            raise
        folders = [word for flag in words.FOLDER_FLAGS for word in _values(flags, flag)]
        compose.compose([*(each for folder in folders for each in ("--config-dir", folder)), *overrides])
        raise UserError(mistakes.sentence(error)) from None
    finally:
        sys.argv = before
    return 0


def _parted(typed: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns flags, with their values, and overrides."""
    with_value = {"--cfg", "-c", "--info", "-i", "--package", "-p", "--shell-completion", "-sc", *words.FOLDER_FLAGS}
    flags: list[str] = []
    overrides: list[str] = []
    for before, word in zip(["", *typed], typed, strict=False):
        (flags if word.startswith("-") or before in with_value else overrides).append(word)
    return flags, overrides


def _values(flags: Sequence[str], flag: str) -> list[str]:
    pairs = [after for word, after in zip(flags, flags[1:], strict=False) if word == flag]
    return pairs + [word.partition("=")[2] for word in flags if word.startswith(f"{flag}=")]
