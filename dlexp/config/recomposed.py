"""A job of a sweep that differs from the one before in plain values: they are set in what Hydra composed for that."""

import re
from collections.abc import Callable, Collection, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

# A setting and a value that Hydra's grammar takes as a number or a word: nothing is added, taken away or quoted.
PLAIN = re.compile(r"([a-z_]\w*(?:\.\w+)*)=[-+\w.]+")


class Recomposing:
    """Composes by Hydra (0.2 s), or where only plain values differ from those of the last call sets them (1 ms).

    groups: what chooses files, which is never only a value. What is returned is changed by the next call.
    """

    def __init__(self, compose: Callable[[list[str]], DictConfig], groups: Collection[str]) -> None:
        self._compose, self._groups = compose, groups
        self._last: tuple[list[str], DictConfig] | None = None

    def __call__(self, overrides: list[str]) -> DictConfig:
        """Raises what Hydra does."""
        last, self._last = self._last, None  # what fails halfway is of no more use
        others = None if last is None else self._other_values(last[0], overrides)
        cfg = self._compose(overrides) if last is None or others is None else self._changed(last[1], others, overrides)
        self._last = (list(overrides), cfg)
        return cfg

    def _changed(self, cfg: DictConfig, others: Sequence[str], overrides: list[str]) -> DictConfig:
        """Returns what was composed, with other values; where one is wrong Hydra, which says it, composes anew."""
        try:
            for word in others:
                override = OverridesParser.create().parse_override(word)
                OmegaConf.update(cfg, override.key_or_group, override.value(), merge=True)
        except (HydraException, OmegaConfBaseException):
            return self._compose(overrides)
        return cfg

    def _other_values(self, before: Sequence[str], now: Sequence[str]) -> list[str] | None:
        """Returns the words that give settings another value; None where more than that differs."""
        if len(before) != len(now):
            return None
        given = [word.lstrip("+~").partition("=")[0] for word in now]
        others = []
        for old, new in zip(before, now, strict=True):
            if old == new:
                continue
            was, found = PLAIN.fullmatch(old), PLAIN.fullmatch(new)
            if was is None or found is None or was[1] != found[1] or found[1] in self._groups:
                return None
            if sum(f"{key}.".startswith(f"{found[1]}.") or found[1].startswith(f"{key}.") for key in given) > 1:
                return None  # the later of two words wins
            others.append(new)
        return others
