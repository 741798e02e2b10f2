"""Some steps of a training with one batch size, in a process of its own: a failure there hurts nothing here."""

import contextlib
import os
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from statistics import median
from typing import Any

import psutil
import torch

from dlexp.errors import UserError
from dlexp.machine.cores import SHARERS
from dlexp.machine.processes import children_context, live_with_parent, take_environment, told

# Steps before the clock starts, in which torch tries algorithms and makes the optimizer's state; one long one will do.
WARMUP_STEPS, WARMUP_SECONDS = 3, 1.0
# The speed is the median of so many parts of the time, so that a moment in which the machine does something else does
# not decide; very long steps are timed no longer than that.
PARTS, PART_SECONDS, MOST_SECONDS = 5, 0.2, 5.0
NEVER = 10**9
# Parts of the free memory that a trial may take. What the machine does besides changes while it trains.
SHARE_OF_CPU, SHARE_OF_GPU = 0.8, 0.9


@dataclass(frozen=True)
class Trial:
    """A batch size that fits. num_samples: those of the training split. memory: the most bytes that were taken."""

    batch_size: int
    num_samples: int
    memory: int
    samples_per_second: float


def attempt(config: dict[str, Any], batch_size: int, room: int | None, sharers: int = 1) -> Trial | None:
    """Trains the resolved config for a second with that batch size; returns None when memory does not suffice.

    room: bytes that a training on the CPU may take. sharers: trainings that divide the cores, this one among them.

    Raises:
        UserError: something other than memory is wrong.
    """
    context: Any = children_context("dlexp.experiment.preload")
    receiver, sender = context.Pipe(duplex=False)
    variables = os.environ | {SHARERS: str(sharers)}
    process = context.Process(target=_in_child, args=(sender, config, batch_size, room, variables))
    process.start()
    sender.close()
    try:
        wait([receiver, process.sentinel])
        answer = told(receiver)
        process.join()
    finally:
        process.terminate()
    if isinstance(answer, str):
        raise UserError(answer)
    if answer is None and process.exitcode is not None and process.exitcode > 0:
        raise UserError(f"the trial of batch_size={batch_size} failed; its error stands above")
    # Without an answer it was ended by a signal: for its memory, or an allocation failed where nothing could catch it.
    return answer if isinstance(answer, Trial) and (room is None or answer.memory <= room) else None


def _in_child(sender: Connection, config: Any, batch_size: int, room: int | None, variables: dict[str, str]) -> None:
    take_environment(variables)
    live_with_parent()
    from dlexp.data.stream.kept_figures import keeping_nothing
    from dlexp.experiment.assemble import assemble
    from dlexp.machine.device import select_device
    from dlexp.machine.shortage import is_out_of_memory
    from dlexp.train.losses import NonFiniteLoss

    changes = {"batch_size": batch_size, "max_steps": None, "epochs": NEVER, "log_steps": NEVER}
    try:
        limit_memory(select_device(config["device"]), room)
        with keeping_nothing() if config["dry_run"] else contextlib.nullcontext():
            run = assemble(config | changes)
        run.state.epoch = config["epochs"] - 1  # augment=growing begins with small images, which take less memory
        sender.send(measured(run))
    except UserError as error:
        sender.send(str(error))
    except NonFiniteLoss as error:
        sender.send(f"{error}; a lower optimizer.lr lets the trials run")
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        sender.send(None)


def measured(run: Any) -> Trial:
    """Trains an assembled run until its speed is known."""
    from dlexp.train.fit import fit

    if run.state.method.whole:
        raise UserError("the method sets the weights in one step of all samples: there are no steps to time")
    state, began, timed_from = run.state, time.perf_counter(), None
    device, speeds, start = run.plan.device, [], 0.0

    def is_due(state: Any) -> bool:
        now = time.perf_counter()
        if timed_from is None:
            return state.step >= WARMUP_STEPS or now - began > WARMUP_SECONDS
        return now - timed_from[0] > PART_SECONDS

    for event in fit(state, run.train, run.plan, is_due):
        # At a save `fit` has read the losses, so a GPU has done all that came before.
        if event["kind"] != "save" or not is_due(state):
            continue
        now, done = time.perf_counter(), state.epoch * len(run.train) + state.batch
        if timed_from is None:
            start = now
        elif done > timed_from[1]:
            speeds.append((done - timed_from[1]) * run.train.batch_size / (now - timed_from[0]))
            if len(speeds) == PARTS or now - start > MOST_SECONDS:
                sizes = run.data_facts["sizes"]
                return Trial(run.train.batch_size, sizes["train"], peak_memory(device), median(speeds))
        timed_from = time.perf_counter(), done
    raise AssertionError("a training of that many epochs does not end")


def limit_memory(device: torch.device, room: int | None) -> None:
    """Makes allocations of this process fail beyond its share: `room` bytes more on a CPU, 90 % of the GPU's free ones.

    Where a system can't do that (macOS, Windows), only the measured peak tells what is too much.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        torch.cuda.set_per_process_memory_fraction(SHARE_OF_GPU * free / total, device)
    elif device.type == "mps":
        torch.mps.set_per_process_memory_fraction(SHARE_OF_GPU)
    elif sys.platform == "linux" and room is not None:
        import resource

        # Private writable memory, so neither the libraries nor files that are mapped.
        with contextlib.suppress(ValueError):  # a lower limit is set already
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (psutil.Process().memory_info().data + room, hard))


def peak_memory(device: torch.device) -> int:
    """Returns the most bytes that this process has held: of the GPU's memory when it trains there, else of its own.

    Raises:
        UserError: the device's part of torch does not say.
    """
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    if device.type != "cpu":
        asked: Any = getattr(torch.get_device_module(device), "max_memory_allocated", None)
        if asked is None:
            raise UserError(f"torch can't tell how much memory device={device.type} has held")
        return int(asked(device))
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # psutil tells the peak on Windows alone

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
