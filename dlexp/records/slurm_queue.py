"""Which jobs of a sweep a Slurm cluster knows: their numbers, kept in the sweep's folder, and what squeue says of them.

squeue and not sacct, which many clusters do not have: a job that it does not list has ended, or never was.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from dlexp.errors import UserError
from dlexp.records import run_json

FOLDER = "slurm"
FILE = "jobs.json"
NUMBER = re.compile(r"\d+(_\d+)?")
ANSWER_SECONDS = 60
# Slurm's words for what is over, and for what waits; a job with any other word is taken to run, so that the word of
# another version of Slurm submits nothing twice.
ENDED = set("BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED TIMEOUT".split())
PENDING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}


@dataclass(frozen=True)
class Submitted:
    """A job as it was submitted. number: Slurm's, `17` or `17_3` in an array. output: the file of what it prints."""

    number: str
    output: str

    @property
    def array(self) -> str:
        """The number that squeue and scancel take for the whole array."""
        return self.number.partition("_")[0]


def read(sweep: Path) -> dict[str, Submitted]:
    """Returns the jobs that were submitted for a sweep, by the name of their folder, the last one for each.

    Raises:
        UserError: the file is damaged; without it jobs might be submitted twice.
    """
    path = sweep / FOLDER / FILE
    try:
        found = {name: Submitted(**job) for name, job in run_json.read_json(path)["jobs"].items()}
        if not all(NUMBER.fullmatch(job.number) for job in found.values()):
            raise ValueError("a job's number is none of Slurm's")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path}, which holds the numbers of this sweep's jobs, can't be read ({' '.join(str(error).split())});"
            " once squeue shows none of them any more, remove it"
        ) from error
    return found


def write(sweep: Path, jobs: Mapping[str, Submitted]) -> None:
    """Writes down which jobs were submitted, by the name of their folder."""
    content = {name: asdict(job) for name, job in jobs.items()}
    run_json.write_json(sweep / FOLDER / FILE, {"format_version": run_json.FORMAT_VERSION, "jobs": content})


def words(jobs: Iterable[Submitted]) -> dict[str, str]:
    """Returns Slurm's word for the state of each job that it still knows, by number.

    Raises:
        UserError: squeue does not answer.
    """
    arrays = sorted({job.array for job in jobs})
    if not arrays:
        return {}
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %T", f"--jobs={','.join(arrays)}"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unanswered(str(error)) from error
    # It says so only of a single number, and leaves one of several out.
    if done.returncode and "Invalid job id" not in done.stderr:
        raise _unanswered(done.stderr or f"exit code {done.returncode}")
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2}


def _unanswered(why: str) -> UserError:
    return UserError(
        f"squeue does not answer ({' '.join(why.split())}), so nobody knows which jobs still wait or run;"
        " nothing was submitted"
    )


def state_of(word: str | None) -> str | None:
    """Returns `pending`, `running`, or None for a job that is over or that Slurm does not know."""
    if word is None or word.rstrip("+") in ENDED:
        return None
    return "pending" if word in PENDING else "running"
