"""What keeps a saved run from going on: its length, samples that do not come again, other data."""

from pathlib import Path
from typing import Any

from dlexp.errors import UserError, listed, to_type
from dlexp.experiment.assemble import Assembly


def hold_to_length(run: Assembly, folder: Path, is_unchanged: bool) -> None:
    """Raises UserError where settings ask for less than was trained already, or for more of what is solved at once."""
    state, another = run.state, f"{to_type(f'init_from={folder}')} starts another run from its weights"
    if state.step > run.total_steps:
        raise UserError(
            f"{folder} has {state.step:,} steps behind it, and with these settings it would have ended after"
            f" {run.total_steps:,}: {another}"
        )
    if state.method.whole and state.epoch and not is_unchanged:
        what = f"method {type(state.method).__name__} has set the weights of {folder} in one step"
        raise UserError(f"{what}, so nothing is left to go on with: {another}")


def hold_against_first_batch(run: Assembly, is_unchanged: bool) -> None:
    """Raises UserError where the data does not give again the samples that this epoch, or the last, began with."""
    state = run.state
    repeats = all(each.repeats for each in (run.train, run.val, run.test) if each is not None)
    if repeats and is_unchanged and run.train.stored and state.first_batch:
        repeats = run.train.begins_with(state.epoch if state.batch else state.epoch - 1, state.first_batch)
    if not repeats:
        raise UserError(
            f"the data does not give again the samples that epoch {state.epochs_begun} began with, so no resume would"
            " be exact: what it draws at random has to come from the default generators; init_from= starts another"
            " run from its weights"
        )


def change_of_data(before: Any, now: dict[str, Any], folder: Path) -> str | None:
    """Returns how the content of the data is not known to be that which a state was trained on, and what that does."""
    before = before if isinstance(before, dict) and isinstance(before.get("fingerprint"), str) else {}
    if before.get("fingerprint") == now["fingerprint"]:
        return None
    effect = (
        "what was trained on may now be in its validation or test set, whose figures would be too good"
        " (files and rows are split anew)"
    )
    names, others = before.get("class_names"), now["class_names"]
    if isinstance(names, list) and names != others:
        effect = (
            f"its classes were {listed(names)} and are {listed(others or ['none'])}, so its class numbers mean others;"
            f" {effect}"
        )
    if before:
        what = f"the data of {folder} changed since it was trained ({before['fingerprint']} → {now['fingerprint']})"
    else:
        what = f"the state of {folder} does not say what data it was trained on, so it may have changed"
    return f"{what}: {effect}"
