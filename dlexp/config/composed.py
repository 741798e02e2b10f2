"""What one run is made from, as plain data: nothing below knows where it came from."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Composed:
    """A composed experiment, which crosses processes: everything in it is resolved.

    config: every setting by name, groups as dicts. words: the overrides as typed. choices: the option of each group.
    follows: the settings that take the value of another one, `${optimizer.lr}`, and which that is.
    made_from: the settings that are made from others in any way, and these.
    varied: of a sweep's job the words that differ between jobs, by key; they enter no cell, since they say nothing new.
    stage: of a run that is one of several stages what `run.json` says of that (see `dlexp.sweep.stages`).
    remarks: what a person should know of how it was composed, a sentence each.
    place, sweep_place: the folder asked for with hydra.run.dir, and with hydra.sweep.dir; None: a new one.
    """

    config: dict[str, Any]
    words: list[str]
    choices: dict[str, str]
    place: Path | None = None
    sweep_place: Path | None = None
    follows: dict[str, str] = field(default_factory=dict)
    made_from: dict[str, list[str]] = field(default_factory=dict)
    varied: dict[str, str] = field(default_factory=dict)
    stage: dict[str, Any] | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The preset, or model, data set and optimizer."""
        return self.choices.get("experiment") or "-".join(self.choices[key] for key in ("model", "data", "optimizer"))
