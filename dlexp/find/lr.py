"""The range test of learning rates (Smith, arXiv 1506.01186, section 3.3): a training whose rate grows until it breaks.

It is an ordinary training of the composed config: only the schedule and the length are others.
"""

import csv
import shutil
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlexp.config.composed import Composed
from dlexp.console.long_step import progress
from dlexp.errors import UserError
from dlexp.experiment.assemble import Assembly, assemble
from dlexp.find.curve import DIVERGENCE, FEWEST_STEPS, Reading, read
from dlexp.machine.shortage import explaining
from dlexp.records.folder import RESULTS
from dlexp.records.naming import new_folder, plain_name
from dlexp.records.run_json import write_json
from dlexp.train.fit import fit
from dlexp.train.losses import NonFiniteLoss

# Without other words: so far below and above the configured learning rate.
BELOW, ABOVE = 1e-4, 1e3


@dataclass(frozen=True)
class Finding:
    """A finished test: a learning rate and a loss for every step, and what they say."""

    rates: list[float]
    losses: list[float]
    reading: Reading
    ended: str  # "range", "divergence" or "not a number"
    keys: dict[str, float]  # the configured learning rates: optimizer.lr, and those of its parts
    device: dict[str, Any]

    def overrides(self, rate: float) -> dict[str, float]:
        """Returns every learning rate of the config, all scaled as the first one is when it becomes `rate`."""
        first = next(iter(self.keys.values()))
        return {key: float(f"{value * rate / first:.2g}") for key, value in self.keys.items()}

    @property
    def steepest(self) -> float:
        """The learning rate at which the loss fell most."""
        return self.rates[self.reading.steepest]

    @property
    def lowest(self) -> float:
        """The learning rate at which the loss was lowest."""
        return self.rates[self.reading.lowest]


def range_test(composed: Composed, steps: int, low: float | None, high: float | None) -> Finding:
    """Trains what was composed and checked for `steps` optimizer steps while its rate grows from `low` to `high`.

    The rates of all parameter groups grow together. Ends early when the loss has grown to several times that of the
    beginning, or is no number any more. The test set is not looked at.

    Raises:
        UserError: the optimizer has no learning rate, the range is none, or the loss is no number from the start.
    """
    config = composed.config
    keys = _learning_rates(config["optimizer"], composed.follows)
    lr = next(iter(keys.values()))
    low, high = lr * BELOW if low is None else low, lr * ABOVE if high is None else high
    if steps < FEWEST_STEPS:
        raise UserError(f"--steps {steps} is too few to read a curve from: at least {FEWEST_STEPS}")
    if not 0 < low < high:
        raise UserError(f"learning rates grow from --low {low:g} to --high {high:g}: that is no range")
    scheduler = {"_target_": "dlexp.schedules.exponential.exponential", "initial": low / lr, "final": high / lr}
    length = {"max_steps": steps, "epochs": steps, "log_steps": 1}
    config = {**config, "scheduler": scheduler, "optimizer": _of_the_whole_run(config["optimizer"]), **length}
    rates: list[float] = []
    losses: list[float] = []
    ended = "range"
    with explaining(config["batch_size"]):
        run = assemble(config)
        try:
            with progress("learning rates", unit="steps") as report:
                for factor, loss in _steps(run):
                    rates.append(lr * factor)
                    losses.append(loss)
                    report(len(losses), steps)
                    if _has_diverged(losses):
                        ended = "divergence"
                        break
        except NonFiniteLoss:
            ended = "not a number"
    if len(losses) < FEWEST_STEPS:
        raise UserError(
            f"the loss is lost after {len(losses)} steps, at a learning rate of {rates[-1] if rates else low:.2g}:"
            " too few to read; --low begins lower"
        )
    return Finding(rates, losses, read(losses), ended, keys, run.device_facts)


def _learning_rates(optimizer: Mapping[str, Any], follows: Mapping[str, str]) -> dict[str, float]:
    """Returns the learning rates of the optimizer and of those of its parts that don't follow another one."""
    parts = {f"optimizer.parts.{name}.lr": part for name, part in optimizer.get("parts", {}).items() if part}
    rates = {name: node.get("lr") for name, node in {"optimizer.lr": optimizer, **parts}.items()}
    own = {name: rate for name, rate in rates.items() if follows.get(name) not in rates}
    found = {name: float(rate) for name, rate in own.items() if isinstance(rate, int | float)}
    if not found or min(found.values()) <= 0:
        raise UserError("the optimizer has no learning rate above 0 to start from (optimizer.lr)")
    return found


def _of_the_whole_run(optimizer: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the optimizer without the parts' `until`: else their rates would grow faster than the others'."""
    if "parts" not in optimizer:
        return dict(optimizer)
    parts = {name: part and {**part, "until": None} for name, part in optimizer["parts"].items()}
    return {**optimizer, "parts": parts}


def _steps(run: Assembly) -> Iterator[tuple[float, float]]:
    """Yields for each optimizer step its learning rate, as a part of the configured one, and its loss."""
    group = run.state.optimizer.param_groups[0]
    factor = group["lr"] / group["initial_lr"]
    for event in fit(run.state, run.train, run.plan):
        if event["kind"] == "steps":
            yield factor, event["train/recent_loss"]
            factor = event["lr"] / group["initial_lr"]  # the schedule has stepped already: that of the next step


def _has_diverged(losses: list[float]) -> bool:
    first = statistics.median(losses[:5])
    return 0 < DIVERGENCE * first < statistics.median(losses[-5:])


def write(finding: Finding, parent: Path, name: str, overrides: list[str]) -> Path:
    """Writes `lr.png`, `results.json` and `curve.csv` into a new folder of `parent`, which it returns.

    Raises:
        OSError: the disk does not take them; then there is no folder either.
    """
    from dlexp.pictures import learning_rates
    from dlexp.pictures.style import render

    reading = finding.reading
    found = {"steepest": finding.steepest, "lowest": finding.lowest} if reading.descends else {}
    png, _, _ = render(learning_rates(finding.rates, finding.losses, reading.smooth, name, **found))
    folder = new_folder(parent, plain_name(f"find-lr-{name}"))
    try:
        results: dict[str, Any] = {
            "overrides": overrides,
            "steps": len(finding.losses),
            "low": finding.rates[0],
            "high": finding.rates[-1],
            "ended": finding.ended,
            "descends": reading.descends,
            "scatter": reading.scatter,
            "first_loss": reading.beginning,
            "lowest_loss": min(reading.smooth),
            "steepest_lr": found.get("steepest"),
            "lowest_lr": found.get("lowest"),
            "suggestion": finding.overrides(finding.steepest) if reading.descends else None,
            "device": finding.device,
        }
        write_json(folder / RESULTS, results)
        with (folder / "curve.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["step", "lr", "loss", "smooth"])
            steps = range(1, len(finding.losses) + 1)
            rows.writerows(zip(steps, finding.rates, finding.losses, reading.smooth, strict=True))
        (folder / "lr.png").write_bytes(png)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def said(finding: Finding) -> list[str]:
    """Returns the finding in sentences; the first is the suggestion, or that there is none."""
    reading = finding.reading
    span = f"between {finding.rates[0]:.2g} and {finding.rates[-1]:.2g}"
    if not reading.descends:
        return [
            f"no suggestion: no learning rate {span} lowers the loss beyond its scatter (it begins at"
            f" {reading.beginning:.4g} and is {min(reading.smooth):.4g} at best, ± {reading.scatter:.2g} a step)"
        ]
    lines = [
        f"{_typed(finding, finding.steepest)}   where the loss falls fastest",
        f"{_typed(finding, finding.lowest / 10)}   a tenth of where it is lowest",
    ]
    if reading.ends_falling and finding.ended == "range":
        lines.append(f"it still falls at the largest rate tried: --high {finding.rates[-1] * 100:.1g} looks further")
    if reading.begins_falling:
        lines.append(f"it falls fastest from the first step on: --low {finding.rates[0] / 100:.1g} begins lower")
    return lines


def _typed(finding: Finding, rate: float) -> str:
    return " ".join(f"{key}={value:g}" for key, value in finding.overrides(rate).items())
