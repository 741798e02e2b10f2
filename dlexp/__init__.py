"""dlexp: a config-driven experiment runner for PyTorch.

In a notebook: `from dlexp import run; result = run(["model=cnn", "data=mnist"])`.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["load", "run", "run_sweep", "runs", "runs_frame"]

if TYPE_CHECKING:
    from dlexp.api import load, run, run_sweep
    from dlexp.report.reading.frame import runs, runs_frame


def __getattr__(name: str) -> Any:
    """Imports the interface when it is used: `python -m dlexp --help` must not wait for hydra and torch."""
    if name in ("runs", "runs_frame"):
        from dlexp.report.reading import frame

        return getattr(frame, name)
    if name in __all__:
        from dlexp import api

        return getattr(api, name)
    raise AttributeError(f"module 'dlexp' has no attribute '{name}'")
