"""replay an epoch of a run and compare it with its record, bit for bit: verify RUN"""

from pathlib import Path
from typing import Any

from dlexp.commands import CommandParser
from dlexp.errors import UserError
from dlexp.records.folder import runs_in


def parser() -> CommandParser:
    """Returns what reads the command's words."""
    parser = CommandParser("verify", __doc__)
    told = "the folder of the run, or of a sweep for each of its runs; nothing in it is changed"
    parser.add_argument("run", metavar="RUN", type=Path, help=told)
    return parser


def main(words: list[str]) -> int:
    """Returns 0 when the replayed epoch is bit-identical to the recorded one, in each run of a sweep, else 1."""
    folder = parser().parse_args(words).run.expanduser()
    runs = runs_in(folder)
    if not runs:
        return verify(folder)
    codes = []
    for run in runs:
        print(f"{run.name}: ", end="", flush=True)
        try:
            codes.append(verify(run))
        except UserError as error:
            print(f"not replayed: {error}")
            codes.append(1)
    print(f"{codes.count(0)} of {len(runs)} runs are as their records say")
    return max(codes)


def verify(folder: Path) -> int:
    """Prints whether an epoch of a run, replayed, is as its record says; returns 0 when it is, else 1.

    Raises:
        UserError: the folder is none of a run, or nothing of it can be replayed.
    """
    from dlexp.config.check import check
    from dlexp.config.stored import hold_to_division, stored_run
    from dlexp.records.metrics import read_epochs
    from dlexp.records.run_json import recorded_threads

    config, _ = stored_run(folder)
    hold_to_division(folder, config)
    check(config)
    config["threads"] = config["threads"] or recorded_threads(folder)
    recorded = {row["epoch"]: row for row in read_epochs(folder)}
    place, found = replay(config, folder, recorded)
    expected = recorded[found["epoch"]]
    differing = [key for key in found if found[key] != expected.get(key)]
    for key in differing:
        print(f"{key}: recorded {expected.get(key)}, replayed {found[key]}")
    verdict = "differs from its record" if differing else "is bit-identical to its record"
    print(f"epoch {found['epoch']}, replayed from {place}, {verdict}: first batch, weights and training loss")
    return 1 if differing else 0


def replay(config: dict[str, Any], folder: Path, recorded: dict[int, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Trains one recorded epoch again, from the newest state that has one after it, else from the beginning.

    Not by way of a `TrainedModel`: that holds what a run ended with, and this is how it came there.

    Returns where from, and what the record of that epoch should say.
    """
    from dlexp.config.cell import cell
    from dlexp.experiment.assemble import assemble
    from dlexp.experiment.identity import Identity
    from dlexp.experiment.saved_state import load_state, read_state
    from dlexp.records.folder import saved_states
    from dlexp.records.run_json import read_entry
    from dlexp.train.fit import fit

    states = ((path, read_state(path)) for path in saved_states(folder))
    path, saved = next((each for each in states if each[1]["epoch"] + 1 in recorded), (None, None))
    run = assemble(config, is_resumed=saved is not None)
    now = Identity(cell(config), run.state.data["fingerprint"], run.state.initial_weights)
    if change := now.change_since(read_entry(folder) or {}):
        raise UserError(f"{change} since {folder} was trained: no epoch of it can be replayed")
    if saved is not None:  # the run may have been made longer since: the schedule is that of the config as it is now
        load_state(run, saved, keep_settings=True)
    place = "the beginning" if path is None else path.name
    if run.state.epoch + 1 not in recorded:
        raise UserError(f"{folder} has no record of an epoch that could be replayed")
    training = fit(run.state, run.train, run.plan)
    event = next((event for event in training if event["kind"] == "epoch"), None)
    if event is None:
        raise UserError(f"the config of {folder} ends before the epoch that {place} should be followed by")
    return place, {
        "epoch": event["epoch"],
        "fingerprint/batch": run.state.first_batch,
        "fingerprint/weights": run.state.fingerprint(),
        "train/loss": event["train/loss"],
    }
