"""A stand-in for a Slurm cluster: sbatch, srun, squeue and scancel as small programs over a folder of files."""

import contextlib
import signal
import sys
from pathlib import Path

from conftest import a_process_of_its_own

COMMANDS = ("sbatch", "srun", "squeue", "scancel")
PROGRAM = """#!PYTHON -IS
import os, re, signal, subprocess, sys
from pathlib import Path

home = Path(os.environ["FAKE_SLURM"])
me, words = Path(sys.argv[0]).name, sys.argv[1:]


def jobs():
    return sorted((path.name for path in (home / "queue").iterdir()), key=lambda n: [int(i) for i in n.split("_")])


def state(name, word=None):
    path = home / "queue" / name
    if word is None:
        return path.read_text()
    path.with_suffix(".new").write_text(word)
    path.with_suffix(".new").rename(path)


def sbatch(file):
    array = re.search(r"--array=0-(\\d+)", Path(file).read_text())
    number = int((home / "next").read_text()) if (home / "next").exists() else 17
    (home / "next").write_text(str(number + 1))
    names = [f"{number}_{i}" for i in range(int(array[1]) + 1)] if array else [str(number)]
    for name in names:
        (home / "queue" / name).write_text("PENDING")
    if (home / "works").exists():
        quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        subprocess.Popen([sys.executable, "-IS", __file__, "node", file, *names], start_new_session=True, **quiet)
    print(f"Submitted batch job {number}")


def node(file, *names):
    for name in names:
        if state(name) != "PENDING":
            continue
        state(name, "RUNNING")
        number, _, index = name.partition("_")
        variables = {"SLURM_JOB_ID": f"9{number}{index}"} if index else {"SLURM_JOB_ID": number}
        if index:
            variables |= {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": index}
        code = subprocess.run(["bash", file], env=os.environ | variables | {"FAKE_JOB": name}).returncode
        if state(name) == "RUNNING":
            state(name, "COMPLETED" if code == 0 else "FAILED")


def srun(*words):
    words = list(words)
    output = words.pop(words.index("--output") + 1)
    words.remove("--output")
    while words[0].startswith("--"):
        words.pop(0)
    number, _, index = os.environ["FAKE_JOB"].partition("_")
    for mark, text in {"%A": number, "%a": index, "%j": number, "%t": "0"}.items():
        output = output.replace(mark, text)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    (home / "processes" / os.environ["FAKE_JOB"]).write_text(str(os.getpid()))
    os.execvp(words[0], words)


def squeue(*words):
    (asked,) = [word.partition("=")[2].split(",") for word in words if word.startswith("--jobs=")]
    found = [name for name in jobs() if name.partition("_")[0] in asked]
    if len(asked) == 1 and not found:
        sys.exit("slurm_load_jobs error: Invalid job id specified")
    print("".join(f"{name} {state(name)}\\n" for name in found), end="")


def scancel(*names):
    for name in [job for job in jobs() if job in names or job.partition("_")[0] in names]:
        before = state(name)
        state(name, "CANCELLED")
        if before == "RUNNING":
            os.kill(int((home / "processes" / name).read_text()), signal.SIGTERM)


with (home / "calls").open("a") as file:
    file.write(" ".join([me, *words]) + "\\n")
refusal = home / f"{me}.refuses"
if refusal.exists():
    sys.exit(refusal.read_text())
if words[:1] == ["node"]:
    node(*words[1:])
else:
    globals()[me](*words)
"""


class Cluster:
    """The cluster's files. Jobs stay pending until a test runs one here (`run`), or all of them `work`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        for name in ("bin", "queue", "processes"):
            (home / name).mkdir(parents=True)
        program = home / "bin" / "slurm"
        program.write_text(PROGRAM.replace("PYTHON", sys.executable), encoding="utf-8")
        program.chmod(0o755)
        for name in COMMANDS:
            (home / "bin" / name).symlink_to(program)

    def work(self) -> None:
        """From now on jobs run, those of an array one after the other."""
        (self.home / "works").touch()

    def refuse(self, command: str, sentence: str) -> None:
        """From now on a command fails."""
        (self.home / f"{command}.refuses").write_text(sentence, encoding="utf-8")

    def calls(self, command: str) -> list[str]:
        """Returns what a command was called with."""
        path = self.home / "calls"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [line.partition(" ")[2] for line in lines if line.split()[0] == command]

    def states(self) -> dict[str, str]:
        """Returns the state of every job."""
        return {path.name: path.read_text(encoding="utf-8") for path in sorted((self.home / "queue").glob("*[0-9]"))}

    def become(self, number: str, state: str | None) -> None:
        """Gives a job another state; None: the cluster forgets it."""
        path = self.home / "queue" / number
        path.write_text(state, encoding="utf-8") if state else path.unlink()

    def run(self, number: str) -> int:
        """Does a job's work in this process; returns its exit code."""
        from submitit.core.utils import DelayedSubmission

        (pickled,) = Path.cwd().glob(f"**/slurm/*/{number}_submitted.pkl")
        self.become(number, "RUNNING")
        before, code = signal.getsignal(signal.SIGTERM), 0
        with a_process_of_its_own(), contextlib.suppress(Exception):
            try:
                DelayedSubmission.load(pickled).result()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            finally:
                signal.signal(signal.SIGTERM, before)
        self.become(number, "FAILED" if code else "COMPLETED")
        return code
