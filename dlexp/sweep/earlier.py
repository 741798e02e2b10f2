"""Finished runs under outputs/, and how long another one would take at their pace."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dlexp.config.stored import stored_run
from dlexp.errors import UserError
from dlexp.records.folder import DATA, ENVIRONMENT, RECORD
from dlexp.records.metrics import read_epochs
from dlexp.records.run_json import read_entry, recorded

# What the time of a step depends on, besides the data's shape.
PACE = (
    *("model", "method", "augment", "batch_size", "accumulate"),
    *("precision", "compile", "deterministic", "device", "threads"),
)


@dataclass(frozen=True)
class Earlier:
    """A finished run: its folder, its config, and its run.json."""

    folder: Path
    config: dict[str, Any]
    entry: dict[str, Any]

    def has_pace_of(self, config: Mapping[str, Any]) -> bool:
        """Returns whether a step of it took as long as one with that config would."""
        facts = ("_target_", "shape", "num_outputs")
        return all(self.config[key] == config[key] for key in PACE) and all(
            self.config["data"][key] == config["data"][key] for key in facts
        )

    @cached_property
    def machine(self) -> tuple[str, str | None] | None:
        """The names of the processor and the GPU it ran on; None where that is not recorded."""
        cpu, gpu = (recorded(self.folder / ENVIRONMENT, *keys) for keys in (("cpu", "name"), ("device", "gpu")))
        return None if cpu is None else (str(cpu), gpu)

    @cached_property
    def sizes(self) -> dict[str, int] | None:
        """The samples of each split, those of training without those of validation; None where that is not recorded."""
        found = recorded(self.folder / DATA, "sizes")
        return found if isinstance(found, dict) and isinstance(found.get("train"), int) else None

    @cached_property
    def epochs(self) -> list[dict[str, Any]]:
        """The records of its epochs; empty where they are damaged."""
        try:
            return read_epochs(self.folder)
        except UserError:
            return []

    @property
    def num_steps(self) -> int:
        """Its optimizer steps: the longer it was, the better it tells the pace."""
        return int(self.epochs[-1]["step"]) if self.epochs else 0

    def seconds(self, steps: int, num_validations: int) -> float | None:
        """Returns how long so many steps would take at its pace, with what a run takes besides; None: it can't tell."""
        if not self.epochs or not self.entry["seconds"] or not all("time/train" in row for row in self.epochs):
            return None
        training = sum(float(row["time/train"]) for row in self.epochs)
        validations = [float(row["time/val"]) for row in self.epochs if row.get("time/val") is not None]
        besides = max(0.0, float(self.entry["seconds"]) - training - sum(validations))  # start, test, pictures
        each = sum(validations) / len(validations) if validations else 0.0
        return steps * training / self.num_steps + num_validations * each + besides


def finished_runs(parent: Path, model: str, data: str) -> Iterator[Earlier]:
    """Yields the finished runs of a model on a data set in `parent` and in the sweeps there."""
    for path in sorted([*parent.glob(f"*/{RECORD}"), *parent.glob(f"*/*/{RECORD}")]):
        entry = read_entry(path.parent)
        if entry is None or entry["status"] != "finished":
            continue
        if (entry["choices"]["model"], entry["choices"]["data"]) != (model, data):
            continue
        try:
            config, _ = stored_run(path.parent)
        except UserError:  # of another version
            continue
        yield Earlier(path.parent, config, entry)
