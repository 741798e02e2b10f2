"""Flags that Hydra's own command line answers: --cfg, --info and tab completion. Nothing is trained from here."""

import logging
import os
import sys
from collections.abc import Sequence

from dlexp.config import compose, mistakes, registry, words
from dlexp.config.own_options import search_path
from dlexp.errors import UserError


def answer(typed: Sequence[str]) -> int:
    """Lets Hydra answer; returns the exit code.

    Raises:
        UserError: lists what is wrong with the words.
    """
    read = words.read(typed, hydra_answers=True)
    if read.is_sweep:
        raise UserError(f"{read.for_hydra[0]} shows one run: leave out -m, and give each setting one value")
    folders = [word for folder in read.folders for word in ("--config-dir", str(folder))]
    try:
        _hydra_answers([*read.for_hydra, *search_path(read.folders), *read.overrides])
    except BrokenPipeError:  # the reader (`| head`) has gone
        raise
    except Exception as error:
        if not mistakes.is_hydras(error):
            raise
        compose.compose([*folders, *read.overrides])
        raise UserError(mistakes.sentence(error)) from None
    return 0


def _hydra_answers(line: list[str]) -> None:
    """Runs Hydra's command line, which reads `sys.argv`; what it needs of the process is taken back afterwards."""
    import hydra

    compose.register()
    if sys.version_info >= (3, 14):  # argparse checks help texts there, and Hydra 1.3 declares one that is no text
        import argparse

        argparse.ArgumentParser._check_help = lambda *_: None  # type: ignore[attr-defined]
    logger = logging.getLogger("hydra.utils")
    before = sys.argv, os.environ.get("HYDRA_FULL_ERROR"), logger.level
    sys.argv = ["dlexp", *line]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # it raises its errors instead of printing them
    logger.setLevel(logging.CRITICAL)  # it logs what it raises
    try:
        hydra.main(config_path=str(registry.CONF), config_name="config", **compose.BASE)(lambda cfg: None)()
    finally:
        sys.argv, full_error = before[0], before[1]
        logger.setLevel(before[2])
        os.environ.pop("HYDRA_FULL_ERROR")
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error
