"""What a system lacks is found by asking for it: the absences are simulated here."""

import ctypes
import multiprocessing
import os
import platform
import shutil

import pytest
import torch

from dlexp.errors import UserError
from dlexp.machine import device, environment, processes
from dlexp.records import run_json

POSIX = pytest.mark.skipif(os.name != "posix", reason="the locale of a POSIX system is simulated")


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_run_on_a_console_without_utf8(run_cli, workdir, encoding: str) -> None:
    """Files are UTF-8 whatever the console and the locale are."""
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "PYTHONIOENCODING": encoding}
    preset = workdir / "own" / "experiment" / "odd.yaml"
    preset.parent.mkdir(parents=True)
    text = "# @package _global_\ndata: {class_names: [café, 深, ü], points_per_class: 20}\n"
    preset.write_text(text, encoding="utf-8")
    ended = run_cli(["--config-dir", "own", "experiment=odd", "max_steps=1"], **plain)
    assert ended.code == 0, ended
    assert "UnicodeEncodeError" not in ended.out + ended.err and "->" in ended.out
    (folder,) = (workdir / "outputs").iterdir()
    assert "深" in (folder / "config.yaml").read_text(encoding="utf-8")
    assert run_json.read_json(folder / "data.json")["class_names"] == ["café", "深", "ü"]


@POSIX
@pytest.mark.slow
def test_a_mistake_on_a_console_without_utf8(run_cli) -> None:
    ended = run_cli(["epochs=0"], PYTHONIOENCODING="ascii")
    assert ended.code == 1 and ended.err == "error: epochs=0 must be >= 1\n"


@pytest.mark.parametrize("library", ["no libc.so.6", "no mallopt"])
def test_musl(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    def load(name: str) -> object:
        if library == "no libc.so.6":
            raise OSError(name)
        return object()

    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(ctypes, "CDLL", load)
    device.keep_freed_memory()


@pytest.mark.parametrize("system", ["Windows", "Darwin"])
def test_the_allocator_of_other_systems_is_left_alone(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("there is no glibc"))
    device.keep_freed_memory()


def test_a_processor_of_which_torch_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert not device.native_bfloat16(torch.device("cpu"))
    assert device.select_precision("auto", torch.device("cpu"), convolutional=True) == torch.float32
    assert device.select_precision("bfloat16", torch.device("cpu"), convolutional=False) == torch.bfloat16


@pytest.mark.parametrize(
    "flags, native", [("avx2 amx_bf16", True), ("avx512_bf16", True), ("avx2 avx512f", False), ("", False)]
)
def test_bfloat16_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch, flags: str, native: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(flags.split(), True))
    cpu = torch.device("cpu")
    assert device.native_bfloat16(cpu) is native
    expected = torch.bfloat16 if native else torch.float32
    assert device.select_precision("auto", cpu, convolutional=True) == expected
    assert device.select_precision("auto", cpu, convolutional=False) == torch.float32
    assert not device.native_bfloat16(torch.device("mps"))


def test_a_machine_without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device.select_device("auto") == torch.device("cpu")
    assert device.device_facts(torch.device("cpu"), torch.float32, 2)["gpu"] is None
    with pytest.raises(UserError, match="Apple"):
        device.select_device("mps")
    with pytest.raises(UserError, match="needs CUDA"):
        device.select_precision("float16", torch.device("cpu"), convolutional=True)


def test_an_apple_gpu_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device.select_device("auto") == torch.device("mps") == device.select_device("mps")


def test_the_driver_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "exists", lambda path: False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert not device.has_nvidia_driver()
    assert device.device_advice("auto", torch.device("cpu")) is None
    monkeypatch.setattr(shutil, "which", lambda name: "C:/Windows/System32/nvidia-smi.exe")
    assert device.has_nvidia_driver()
    assert device.device_advice("cpu", torch.device("cpu")) is None, "who types cpu wants the CPU"


def test_threads_follow_the_model_not_the_moment() -> None:
    before = torch.get_num_threads()
    try:
        assert device.set_threads(None, flops=1e3) == 1 == torch.get_num_threads()
        assert device.set_threads(None, flops=1e12) == device.physical_cores()
        assert device.set_threads(3, flops=1e3) == 3 == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def test_jobs_at_once_divide_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_DEFAULT_THREADS", 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert device.physical_cores() == 8
    for jobs, threads in ((2, 4), (3, 2), (16, 1)):
        monkeypatch.setenv("DLEXP_JOBS_AT_ONCE", str(jobs))
        assert device.physical_cores() == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert device.physical_cores() == 8, "who sets it knows why"


@pytest.mark.parametrize("methods, chosen", [(["spawn"], "spawn"), (["fork", "spawn", "forkserver"], "forkserver")])
def test_how_children_start(monkeypatch: pytest.MonkeyPatch, methods: list[str], chosen: str) -> None:
    if chosen not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {chosen}")
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: methods)
    assert processes.children_context("torch").get_start_method() == chosen


@pytest.mark.parametrize(
    "code, words",
    [
        (1, "exit code 1"),
        (-9, "killed by SIGKILL (often: out of memory)"),
        (-99, "killed by signal 99"),
        (3221225477, "exit code 3221225477"),
    ],
)
def test_why_a_process_ended(code: int, words: str) -> None:
    if code == -9 and os.name != "posix":
        pytest.skip("there are no signals")
    assert processes.reason(code) == words


def test_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert environment.environment({})["cpu"]["usable_cores"] == os.cpu_count()
