"""Fixtures shared by the tests of the command line: a folder of their own, the command here and in a process."""

import contextlib
import gc
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[1]
pytest.register_assert_rewrite("resuming", "small")
# Read when torch is imported. Workers of pytest and child processes share the cores, and two threads beside a busy
# process cost up to 50 times.
os.environ["OMP_NUM_THREADS"] = "1"

os.environ.pop("COLUMNS", None)  # some shells export how wide their terminal is, and lines would end there

# A shell starts background processes with SIGINT ignored, which what is tested would respect.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HAS_COMPILER = any(shutil.which(name) for name in ("g++", "clang++", "c++"))
COMPILES = pytest.mark.skipif(not HAS_COMPILER, reason="compile=true needs a C++ compiler on a CPU")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the simulated device first: torch counts devices at the first backward pass of a process, and no more."""
    items.sort(key=lambda item: "simulated" not in item.nodeid and "not_the_cpu" not in item.nodeid)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leaves what is there for good out of later garbage collections: 7 % of the time of tests that compose configs."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Parses a YAML text of options once a process, not at each of a thousand compositions: 9 % of the quick tests."""
    load, parsed = yaml.load, {}

    def load_once(stream: Any, Loader: Any) -> Any:  # noqa: N803, yaml's own name
        if "OmegaConf" not in Loader.__name__ or not hasattr(stream, "read"):
            return load(stream, Loader)
        start = stream.tell()
        if (text := stream.read()) not in parsed:
            stream.seek(start)  # an error names the file
            parsed[text] = load(stream, Loader)
        return parsed[text]  # which OmegaConf copies

    yaml.load = load_once


def pytest_unconfigure(config: pytest.Config) -> None:
    """Lets it be collected at the end: libraries that count their objects would report all of them as leaked."""
    gc.unfreeze()


class Ended(NamedTuple):
    """How a command ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def every_state_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saving removes no older state."""
    from dlexp.records import checkpoints

    monkeypatch.setattr(checkpoints, "KEPT", 10**6)


@pytest.fixture
def data_root() -> Path:
    """The folder that holds the real data sets, else the test is skipped."""
    root = os.environ.get("DLEXP_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("needs the real data sets: set DLEXP_DATA to their folder")
    return Path(root)


def child_environment() -> dict[str, str]:
    """Returns this process's variables, with which a child finds the package."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    variables = os.environ | {"PYTHONPATH": path, "PYTHONUTF8": "1"}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)  # else each child may compile all of torch's sources: 6 s
    return variables


def start(words: list[str], folder: Path, **options: Any) -> subprocess.Popen[str]:
    """Starts `python -m dlexp WORDS` in a folder; what it says comes out of one pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", "dlexp", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        cwd=folder,
        env=child_environment(),
        **options,
    )


def jobs_of(parent: int) -> list[int]:
    """Returns the jobs of a process that leads a session: each leads a group of its own in it."""
    listed = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, encoding="ascii", check=True).stdout
    found = []
    for number in map(int, listed.split()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(number) == parent and os.getpgid(number) == number != parent:
                found.append(number)
    return found


@pytest.fixture
def run_cli(workdir: Path) -> Callable[..., Ended]:
    """Runs `python -m dlexp ARGS` as a process of its own, in the empty folder."""

    def run(args: list[str], **variables: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "dlexp", *args],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd=workdir,
            env=child_environment() | variables,
            timeout=240,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@contextlib.contextmanager
def a_process_of_its_own() -> Iterator[None]:
    """Undoes what one command line leaves behind in a process: Hydra's state, log handlers, path, arguments."""
    from hydra.core.global_hydra import GlobalHydra

    loggers = [logging.getLogger(name) for name in (None, "dlexp")]
    kept = [(logger, list(logger.handlers), logger.level) for logger in loggers]
    argv, path, variables = list(sys.argv), list(sys.path), dict(os.environ)
    try:
        yield
    finally:
        GlobalHydra.instance().clear()
        for logger, handlers, level in kept:
            for handler in [each for each in logger.handlers if each not in handlers]:
                logger.removeHandler(handler)
                handler.close()
            logger.handlers[:], logger.level = handlers, level
        sys.argv[:], sys.path[:] = argv, path
        os.environ.clear()
        os.environ.update(variables)


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    """Every test leaves the process as it found it."""
    if "hydra" not in sys.modules:  # a test that never comes near Hydra need not wait for it
        yield
        return
    with a_process_of_its_own():
        yield


@pytest.fixture
def cli(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs one command line in this process; only `SystemExit` is caught, so a bug keeps its traceback."""
    from dlexp.__main__ import main

    def run(*args: str) -> Ended:
        capsys.readouterr()
        with a_process_of_its_own():
            try:
                code = main(list(args))
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
        written = capsys.readouterr()
        return Ended(code, written.out, written.err)

    return run


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have no pictures: each costs as much as a tiny run."""
    monkeypatch.setattr("dlexp.report.writing._pictures", lambda answer: {})


@pytest.fixture
def known_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """No comparison waits for some steps to be timed."""
    monkeypatch.setattr("dlexp.compare.duration._seconds_a_step", lambda run: 1e-5)
    monkeypatch.setattr("dlexp.compare.duration._besides", lambda run, num_steps, forecast: (0.1, 0.0))


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Serves other content for a source's files: returns the source with their checksums, and the server's address. The
    cache is an empty folder.
    """
    from dlexp.data.fetch.files import Source

    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "DLEXP_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *ignored: Any) -> None:
            pass

    folder = tmp_path / "server"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def serve(source: Source, files: dict[str, bytes]) -> tuple[Source, str]:
        sums = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in files.items()}
        assert sums.keys() == source.files.keys()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        own = Source(source.name, source.folder, sums, sums, (), source.words)
        return own, f"http://127.0.0.1:{httpd.server_port}/"

    yield serve
    httpd.shutdown()
    httpd.server_close()
    thread.join()
