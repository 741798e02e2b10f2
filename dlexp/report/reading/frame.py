"""Runs as rows for a person's own analysis: `dlexp.runs`, `dlexp.runs_frame`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlexp.errors import UserError
from dlexp.report.reading.runs import read_runs

if TYPE_CHECKING:
    import pandas


def runs(folder: Path | str | Sequence[Path | str]) -> list[dict[str, Any]]:
    """Returns the runs in a folder, or in several, a dict a run: what was chosen, what came out, and every setting.

    Keys: `folder`, `name`, `status` (as `run.json` says it; `died`: its process was killed), `diverged`, `started`,
    `seconds`, `parameters`, `chosen_epoch`, `error`, the final metrics (`test/accuracy`: a share between 0 and 1; None:
    no number), the option of each group (`optimizer`), and all settings (`optimizer.lr`, `seed`). All dicts have the
    same keys; what a run has not is None. Folders that can't be read are left out with a warning.

    Raises:
        UserError: a folder is not there, or no run lies in it.
    """
    import warnings

    folders = [folder] if isinstance(folder, Path | str) else folder
    found, troubles = read_runs([Path(each).expanduser() for each in folders])
    there = {run.folder for run in found}
    for trouble in troubles:
        if trouble.folder not in there:
            warnings.warn(f"{trouble.folder} {trouble.reason}", stacklevel=2)
    metrics = sorted({name for run in found for name in run.metrics})
    settings = dict.fromkeys(key for run in found for key in run.settings)
    rows = [
        {
            "folder": str(run.folder),
            "name": run.name,
            "status": run.status,
            "diverged": run.is_diverged,
            "started": run.started,
            "seconds": run.seconds,
            "parameters": run.parameters,
            "chosen_epoch": run.chosen_epoch,
            "error": run.error,
            **{name: run.metrics.get(name) for name in metrics},
        }
        for run in found
    ]
    # A setting of a stranger's that is called like what came out does not stand in its place.
    return [
        row | {key: run.settings.get(key) for key in settings if key not in row}
        for run, row in zip(found, rows, strict=True)
    ]


def runs_frame(folder: Path | str | Sequence[Path | str]) -> "pandas.DataFrame":
    """Returns the same as `dlexp.runs` in a pandas frame, a row a run.

    Raises:
        UserError: as `dlexp.runs` does; or there is no pandas.
    """
    try:
        import pandas
    except ImportError:
        raise UserError("runs_frame needs pandas: pip install 'dlexp[frame]'") from None
    return pandas.DataFrame(runs(folder))
