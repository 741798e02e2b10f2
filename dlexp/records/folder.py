"""What the files of a run folder are called: nobody else knows. `folder / METRICS` is the file in a folder."""

from pathlib import Path

from dlexp.machine.whole_file import unfinished

RECORD = "run.json"
CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
DATA = "data.json"
ENVIRONMENT = "environment.json"
MODEL, MODEL_TABLE = "model.json", "model.txt"
RESULTS = "results.json"
LOG = "log.txt"
OUTPUT = "output.txt"  # of a sweep's job that shares its console with others
LOCK = ".lock"  # held while a process trains in the folder
WEIGHTS = "weights"
BEST, LAST = "weights/best.pt", "weights/last.pt"
STATES = "checkpoints"
PLOTS = "plots"
PROFILE = "profile"
TRACE, OPERATORS, PROFILE_SUMMARY = "profile/trace.json.gz", "profile/operators.txt", "profile/summary.json"
EVENTS = "events.out.tfevents"  # where such a name begins, TensorBoard reads
ALL = [RECORD, CONFIG, METRICS, DATA, ENVIRONMENT, MODEL, MODEL_TABLE, RESULTS, LOG, OUTPUT, LOCK]
ALL += [WEIGHTS, STATES, PLOTS, PROFILE, f"{EVENTS}*"]


def state_file(folder: Path, step: int) -> Path:
    """Returns where the state after so many optimizer steps is saved."""
    return folder / STATES / f"step-{step:08}.pt"


def saved_states(folder: Path) -> list[Path]:
    """Returns the saved states of a run, the newest first."""
    return sorted((folder / STATES).glob("step-*.pt"), reverse=True)


def unfinished_files(folder: Path) -> list[Path]:
    """Returns what a process that was killed has left of files it was writing."""
    places = [folder, *(folder / name for name in (WEIGHTS, STATES, PROFILE))]
    return [path for place in places for path in unfinished(place)]


def runs_in(folder: Path) -> list[Path]:
    """Returns the run folders that lie in a folder which is none itself, such as a sweep's, by name."""
    return [] if (folder / RECORD).exists() else sorted(path.parent for path in folder.glob(f"*/{RECORD}"))


def files_of_a_run(folder: Path) -> set[Path]:
    """Returns what a run writes in its folder and is there: files, and folders with all that lies in them."""
    return {path for name in ALL for path in folder.glob(name)}


def plot_file(folder: Path, name: str) -> Path:
    """Returns where the picture `name` stands."""
    return folder / PLOTS / f"{name}.png"
