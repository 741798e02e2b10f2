"""The machine: which device and precision, how many threads, the allocator, seeds and determinism."""

import ctypes
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from dlexp.errors import UserError
from dlexp.machine import generators
from dlexp.machine.cores import share
from dlexp.machine.openmp import in_all_threads

# Below this many floating-point operations a batch, one thread is as fast as two, and beside a busy process
# two were 2 to 50 times slower (500 full-batch spiral steps: 1.3 s with one thread, 3 to 73 s with two).
ONE_THREAD_FLOPS = 10e6

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def select_device(name: str) -> torch.device:
    """Returns the device that `name` (auto, cpu, cuda, cuda:N, mps, or another that torch has) means on this machine.

    Raises:
        UserError: the device is not there; the sentence says what is missing.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        return _another_device(name)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name.startswith("cuda"):
        if not torch.cuda.is_available():
            raise UserError(f"device={name}, but {why_no_cuda()}; device=cpu works")
        index, count = int(name.partition(":")[2] or 0), torch.cuda.device_count()
        if index >= count:
            raise UserError(f"device={name}, but this machine's CUDA devices end at cuda:{count - 1}")
        return torch.device("cuda", index)
    if name == "mps" and not torch.backends.mps.is_available():
        raise UserError("device=mps, but this torch finds no Apple GPU here; device=cpu works")
    return torch.device(name)


def _another_device(name: str) -> torch.device:
    """Returns a device that torch knows besides (such as xpu), or that a library adds to it, where there is one."""
    kind, _, index = name.partition(":")
    module: Any = getattr(torch, kind, None)
    is_known = re.fullmatch(r"[a-z]\w*(:\d+)?", name) and kind not in ("cpu", "cuda", "mps")
    if not is_known or not all(hasattr(module, each) for each in ("is_available", "device_count", "get_rng_state")):
        raise UserError(
            f"device={name} must be one of auto, cpu, cuda, cuda:N, mps, or another kind of device that torch has here"
        )
    if not module.is_available() or int(index or 0) >= module.device_count():
        raise UserError(f"device={name}, but this torch finds no such device here; device=cpu works")
    return torch.device(kind, int(index or 0))


def why_no_cuda() -> str:
    """Returns why torch finds no CUDA device: a CPU-only build, no driver, or a driver that shows no GPU."""
    driver = has_nvidia_driver()
    if torch.version.cuda is None:
        there = "there is an NVIDIA driver, but " if driver else ""
        torch_is = f"this torch ({torch.__version__}) is a CPU-only build"
        return f"{there}{torch_is}; docs/installation.md tells how to get one with CUDA"
    if driver:
        build = f"{torch.__version__}, CUDA {torch.version.cuda}"
        return f"torch ({build}) can't use the NVIDIA driver here; try nvidia-smi, or a newer driver"
    return "no NVIDIA driver is installed here (nvidia-smi is not found)"


def has_nvidia_driver() -> bool:
    """Returns whether an NVIDIA driver is installed, whatever torch can do with it."""
    return shutil.which("nvidia-smi") is not None or os.path.exists("/proc/driver/nvidia/version")


def device_advice(name: str, device: torch.device) -> str | None:
    """Returns a sentence when `device=auto` fell back to the CPU although there is an NVIDIA driver."""
    if name == "auto" and device.type == "cpu" and has_nvidia_driver():
        return f"training on the CPU: {why_no_cuda()}"
    return None


def select_precision(name: str, device: torch.device, convolutional: bool) -> torch.dtype:
    """Returns the dtype of autocast: float32 means none.

    `auto` is bfloat16 for convolutional models where the hardware multiplies it natively, else float32.

    Raises:
        UserError: the device can't train in that precision.
    """
    if name == "auto":
        return torch.bfloat16 if convolutional and native_bfloat16(device) else torch.float32
    if name == "float16" and device.type != "cuda":
        raise UserError(
            f"precision=float16 needs CUDA, and this run is on {device}; precision=bfloat16 or float32 works"
        )
    return DTYPES[name]


def native_bfloat16(device: torch.device) -> bool:
    """Returns whether the hardware multiplies bfloat16 itself (CUDA ≥ 8.0, a CPU with AMX or AVX512-BF16)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    has = torch.cpu.get_capabilities()
    return bool(has.get("amx_bf16") or has.get("avx512_bf16"))


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Returns autocast to `dtype`; for float32 it changes nothing."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)


def sum_dtype(device: torch.device) -> torch.dtype:
    """Returns the dtype of long sums: float64, which Apple's GPUs do not have."""
    return torch.float32 if device.type == "mps" else torch.float64


def set_threads(threads: int | None, flops: float) -> int:
    """Sets and returns the number of CPU threads.

    By default it follows the model's size (`flops` of one training batch), never the momentary load: sums depend
    on the number of threads, so the same command must always get the same number.
    """
    count = threads or (1 if flops < ONE_THREAD_FLOPS else physical_cores())
    torch.set_num_threads(count)
    return count


def physical_cores() -> int:
    """Returns torch's own default: the physical cores, or what OMP_NUM_THREADS and a container leave of them.

    Jobs of a sweep that run at once divide the cores: more threads than cores slow each other down many times.
    """
    return _DEFAULT_THREADS if "OMP_NUM_THREADS" in os.environ else share(_DEFAULT_THREADS)


_DEFAULT_THREADS = torch.get_num_threads()


def keep_freed_memory() -> None:
    """Tells glibc to keep large freed blocks, which it else returns to the kernel and faults in again at every step.

    Measured with a small convolutional network at batch 2000 on a CPU: 771 → 1249 images/s. Elsewhere it does nothing.
    """
    if platform.system() != "Linux":
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # musl has neither
        return
    m_trim_threshold, m_mmap_threshold = -1, -3
    # Some versions of glibc refuse more than 32 MB. Refused altogether, blocks are better left as they are.
    if mallopt(m_mmap_threshold, 1 << 30) or mallopt(m_mmap_threshold, 32 << 20):
        mallopt(m_trim_threshold, (2 << 30) - 1)


@contextmanager
def flushing_denormals() -> Iterator[None]:
    """Lets numbers below 1e-38 be zero, with which CPUs compute some 10 to 100 times slower.

    The moments of a dead ReLU's weights pass through there: with a multi-layer perceptron of MNIST's size, Adam's steps
    took three times as long after 800 steps. Afterwards all is as it was before: others may need such numbers.
    """
    before = bool((torch.tensor(1e-38) * 1e-3 == 0).item())
    _flush_denormals(True)
    try:
        yield
    finally:
        _flush_denormals(before)


def _flush_denormals(on: bool) -> None:
    # The mode is one of each thread, and torch changes that of the calling one: half of Adam's numbers kept their
    # denormals with two threads. New threads inherit it, but the others mostly are there already.
    torch.set_flush_denormal(on)
    if torch.get_num_threads() > 1:
        in_all_threads(lambda: torch.set_flush_denormal(on), torch.get_num_threads())


def seed_everything(seed: int) -> None:
    """Seeds the default generators, from which initial weights and dropout are drawn, and Python's and NumPy's."""
    generators.seed(seed)
    torch.manual_seed(seed)  # those of all devices


def set_speed(deterministic: bool) -> None:
    """Chooses CUDA's algorithms: the fastest ones, or those that give the same bits every time."""
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if deterministic != torch.are_deterministic_algorithms_enabled():  # even `False` imports torch's compiler, 1.2 s
        torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cuda.matmul.allow_tf32 = not deterministic
    torch.backends.cudnn.allow_tf32 = not deterministic


def device_facts(device: torch.device, dtype: torch.dtype, threads: int) -> dict[str, object]:
    """Returns what environment.json says of the device."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "device": str(device),
        "gpu": name,
        "precision": str(dtype).removeprefix("torch."),
        "threads": threads,
        "cuda": torch.version.cuda,
        "tf32": device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
