"""What the server that forks a sweep's jobs does once: it holds signals back and loads what jobs would wait for."""

import signal
from importlib import import_module

from dlexp.config.cell import own_code
from dlexp.machine.environment import package_versions
from dlexp.machine.signals import SIGNALS

MODULES = (
    "torch",
    "torch.fx",
    "torch.utils.tensorboard",
    "rich.console",  # 0.2 s
    # Pictures and what most runs are made of: 0.5 s of each job, of which the last part is the list of fonts.
    *(f"dlexp.{name}" for name in ("pictures.classes", "pictures.lines", "pictures.planes", "records.event_file")),
    *(f"dlexp.{name}" for name in ("records.hparams", "tasks.classification", "criteria.cross_entropy")),
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "tensorboard.plugins.custom_scalar.layout_pb2",
    "tensorboard.plugins.hparams.plugin_data_pb2",
    "dlexp.sweep.launchers.job_process",
    "dlexp.experiment.run",
    "dlexp.profiling.profiler",
)

# Ctrl-C, `timeout` and clusters tell all processes at once; without the server nobody would learn how its jobs end.
# Blocked, not ignored: what is meant for a job that was just forked waits until the job can hear it.
signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

# Threads started before a fork do not exist in the child; these imports start none.
for name in MODULES:
    import_module(name)
package_versions()
own_code()
