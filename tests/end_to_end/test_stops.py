"""SIGTERM in every phase of a run: it ends with 143 and nothing half-written, and the same command completes it."""

import os
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from conftest import start

from dlexp.records import checkpoints, run_json
from dlexp.records.folder import saved_states

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals are sent as on Linux and macOS"),
]

WORDS = ["--config-dir", "conf", "allow=phases", "model=phases", "data.points_per_class=200", "epochs=3",
         "batch_size=16", "optimizer=adam", "checkpoint.every_epochs=1", "threads=1", "resume=auto"]  # fmt: skip

# A person's model, whose module also watches the phases it has no part in; it waits where the test wants the signal.
PHASES = """
import time
from pathlib import Path

import torch
from torch import nn

import dlexp.records.checkpoints
import dlexp.pictures


def here(phase):
    if Path("wanted").read_text(encoding="utf-8") == phase and not Path("sent").exists():
        Path("here").touch()
        while not Path("sent").exists():
            time.sleep(0.01)


def watched(module, name, phase_of):
    function = getattr(module, name)

    def wrapper(*args, **kwargs):
        here(phase_of(*args))
        return function(*args, **kwargs)

    setattr(module, name, wrapper)


saving = lambda path, content: "saving" if "step" in path.name else f"saving {path.stem}"
watched(dlexp.records.checkpoints, "_write", saving)
watched(dlexp.pictures, "curves", lambda *history_and_chosen: "pictures")


class Phases(nn.Module):
    def __init__(self, num_outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 16), nn.Dropout(0.1), nn.ReLU(), nn.Linear(16, num_outputs))
        self.steps = 0

    def forward(self, x):
        if self.training and torch.is_grad_enabled():  # not in the rehearsal
            self.steps += 1
            here({1: "first step", 40: "mid-epoch"}.get(self.steps, "another step"))
        elif x.device.type == "cpu" and self.steps:
            here("evaluation")
        return self.layers(x)


def phases(*, num_outputs: int) -> nn.Module:
    if torch.get_default_device().type == "cpu":
        here("building")
    return Phases(num_outputs)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's folder, with the undisturbed run in it."""
    folder = tmp_path_factory.mktemp("stops")
    (folder / "phases.py").write_text(PHASES, encoding="utf-8")
    (folder / "conf" / "model").mkdir(parents=True)
    node = "_target_: phases.phases\nnum_outputs: ${data.num_outputs}\n"
    (folder / "conf" / "model" / "phases.yaml").write_text(node, encoding="utf-8")
    (folder / "wanted").write_text("none", encoding="utf-8")
    process = start([*WORDS, "hydra.run.dir=whole"], folder)
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0, out
    return folder


@pytest.mark.parametrize(
    "phase",
    ["building", "first step", "mid-epoch", "evaluation", "saving", "saving best", "saving last", "pictures"],
)
def test_sigterm(folder: Path, phase: str) -> None:
    name = phase.replace(" ", "-")
    for file in ("here", "sent"):
        (folder / file).unlink(missing_ok=True)
    (folder / "wanted").write_text(phase, encoding="utf-8")
    process = start([*WORDS, f"hydra.run.dir={name}"], folder)
    wait_for(folder / "here", process)
    process.send_signal(signal.SIGTERM)
    (folder / "sent").touch()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM and "Traceback" not in out, out
    assert run_json.read_json(folder / name / "run.json")["status"] == "stopped"
    assert not list((folder / name).rglob("*.tmp"))
    states = saved_states(folder / name)
    assert bool(states) == (phase != "building")
    for path in (folder / name).rglob("*.pt"):
        checkpoints.load(path)

    again = start([*WORDS, f"hydra.run.dir={name}"], folder)
    out, _ = again.communicate(timeout=240)
    assert again.returncode == 0 and "Traceback" not in out, out
    runs = [folder / "whole", folder / name]
    first, second = (checkpoints.load(run / "weights" / "last.pt")["model"] for run in runs)
    assert all(torch.equal(first[key], second[key]) for key in first)
    results = [run_json.read_json(run / "run.json")["metrics"] for run in runs]
    assert results[0] == results[1]
    assert (folder / name / "plots" / "loss.png").exists()


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not file.exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)


def test_sigterm_while_downloading(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    sending, end = threading.Event(), threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(bytes(200_000))
            self.wfile.flush()
            sending.set()
            end.wait(60)

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        process = start(["model=mlp", "data=mnist", "data.root=data", f"data.url={url}", "hydra.run.dir=run"], workdir)
        assert sending.wait(120)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
        end.set()
        server.shutdown()
    assert process.returncode == 128 + signal.SIGTERM and "Traceback" not in out, out
    assert run_json.read_json(workdir / "run" / "run.json")["status"] == "stopped"
    files = [path for path in (workdir / "data").rglob("*") if path.is_file() and path.stat().st_size]
    assert [path.suffix for path in files] == [".part"], files
