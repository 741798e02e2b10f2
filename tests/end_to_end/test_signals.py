"""A signal that comes while something is imported waits until the import is done, and is obeyed then."""

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import child_environment

from dlexp.machine.signals import StopRequested, listening

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on Linux and macOS")

# What comes up while it is imported is lost in it, as in parts of torch.
SWALLOWS = """
import signal, sys

try:
    signal.raise_signal({number})
    sum(range(1000))
except BaseException as error:
    print("swallowed", repr(error))
done = True
"""

# Does the same to the first import of torch in a process that is not told to leave signals alone. As on a busy machine
# it may take long until a stop that was put off comes again.
AT_TORCH = """
import signal, sys

class At:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            sys.meta_path.remove(self)
            sys.modules["dlexp.machine.signals"].IMPORT_SECONDS = {seconds}
            try:
                signal.raise_signal(signal.SIGINT)
                sum(range(1000))
            except BaseException:
                pass

sys.meta_path.insert(0, At())
"""


@pytest.fixture
def module(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that can be imported anew, from the current folder."""
    monkeypatch.syspath_prepend(str(workdir))
    yield "swallows"
    sys.modules.pop("swallows", None)


def wait_for_the_signal() -> None:
    for _ in range(100):
        time.sleep(0.02)
    raise AssertionError("the signal was lost")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_import_is_not_cut(workdir: Path, module: str, number: int) -> None:
    (workdir / f"{module}.py").write_text(SWALLOWS.format(number=int(number)), encoding="utf-8")
    kind = KeyboardInterrupt if number == signal.SIGINT else StopRequested
    before = signal.getsignal(number)
    with pytest.raises(kind), listening() as stops:
        importlib.import_module(module)
        assert stops.requested == number and sys.modules[module].done
        wait_for_the_signal()
    assert signal.getsignal(number) is before


def test_it_is_obeyed_within_the_import_that_listens(workdir: Path, module: str) -> None:
    """A program may be one import as a whole: only those that began within the block count."""
    text = "from dlexp.machine.signals import listening\nimport signal\n"
    text += "with listening():\n    signal.raise_signal(signal.SIGINT)\n"
    (workdir / f"{module}.py").write_text(text + "    raise AssertionError\n", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        importlib.import_module(module)


def test_patient_blocks_note_it_as_ever(workdir: Path, module: str, capfd: pytest.CaptureFixture[str]) -> None:
    (workdir / f"{module}.py").write_text(SWALLOWS.format(number=int(signal.SIGINT)), encoding="utf-8")
    with listening() as stops, stops.patient():
        importlib.import_module(module)
        time.sleep(0.1)
        assert stops.requested == signal.SIGINT
    assert "once more ends the run at once" in capfd.readouterr().err


def test_a_second_signal_ends_a_long_import(workdir: Path, module: str) -> None:
    text = "import os, signal, time\nsignal.raise_signal(2)\ntime.sleep(0.1)\nos.kill(os.getpid(), 2)\ntime.sleep(60)\n"
    (workdir / f"{module}.py").write_text(text, encoding="utf-8")
    code = f"from dlexp.machine.signals import listening\nwith listening():\n    import {module}"
    done = subprocess.run([sys.executable, "-c", code], cwd=workdir, env=child_environment(), timeout=30)
    assert done.returncode == -signal.SIGINT


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        pytest.param(["-m", "seed=1,2"], 3.0, marks=pytest.mark.slow),
        (["seed=1"], 3.0),
        pytest.param(["find", "lr"], 0.02, marks=pytest.mark.slow),
        pytest.param(["download", "fake"], 0.02, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_while_torch_is_imported(workdir: Path, words: list[str], seconds: float) -> None:
    hooks = workdir / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(AT_TORCH.format(seconds=seconds), encoding="utf-8")
    variables = child_environment()
    variables["PYTHONPATH"] = os.pathsep.join([str(hooks), variables["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "dlexp", *words],
        capture_output=True,
        encoding="utf-8",
        cwd=workdir,
        env=variables,
        timeout=120,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # not ignored, as in a background
    )
    assert done.returncode == 130 and done.stderr.splitlines()[-1] == "interrupted", done
    assert "Traceback" not in done.stderr and not (workdir / "outputs").exists()
