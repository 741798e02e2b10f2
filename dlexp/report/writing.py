"""The files of a report: all made before the first is written, each whole, over an older report and nothing else."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dlexp.errors import UserError, to_type
from dlexp.machine.whole_file import BEGIN, END
from dlexp.records.folder import RECORD
from dlexp.records.naming import refuse_files
from dlexp.records.run_json import recorded
from dlexp.report import texts
from dlexp.report.answer import Answer
from dlexp.report.data import as_data
from dlexp.report.page.layout import page
from dlexp.report.reading.runs import Trouble

FOLDER = "report"
DATA_FILE = "report.json"  # also says which files are the report's own
WRITER = "dlexp report"
OTHER_AXES = ("curves_steps", "curves_seconds")  # the same curves once more
SUFFIXES = (".html", ".md", ".csv", ".tex", ".png", ".svg", ".json")


def place_of(folders: Sequence[Path], out: Path | None) -> Path:
    """Returns where a report of these folders goes: `out`, else report/ in the folder that holds them all.

    Raises:
        UserError: it would lie in a run folder, or over what is no report; or it may not be looked into.
    """
    if out is None:
        parents = [folder.parent if (folder / RECORD).exists() else folder for folder in folders]
        out = _common(parents) / FOLDER
    with _told(out):
        _refuse(out)
    return out


def _refuse(out: Path) -> None:
    refuse_files(out)
    place = Path(os.path.realpath(out))  # a link may lead into one
    inside = next((each for each in (place, *place.parents) if (each / RECORD).exists()), None)
    if inside is not None:
        raise UserError(
            f"{inside} is the folder of a run, in which a report writes nothing; --out=FOLDER names another"
        )
    if out.is_dir() and any(out.iterdir()) and recorded(out / DATA_FILE, "written_by") != WRITER:
        raise UserError(f"{out} holds files that no report wrote; {to_type('--out=FOLDER')} names another place")


def _common(folders: Sequence[Path]) -> Path:
    """Returns the folder in which some lie; the current one where that would be the root, or a disk for each."""
    if len(set(folders)) == 1:
        return folders[0]
    try:
        common = Path(os.path.commonpath(map(os.path.abspath, folders)))
        if common == Path(common.anchor):
            return Path()
        return common if all(folder.is_absolute() for folder in folders) else Path(os.path.relpath(common))
    except ValueError:  # on Windows: on two disks
        return Path()


def with_curves_checked(answer: Answer) -> Answer:
    """Returns an answer that names the finished runs whose curves can't be read; their metrics count."""
    finished = [run for arm in answer.arms for run in arm.finished]
    reason = "counts, but has no curve, and reaches no value: {}"
    found = [Trouble(run.folder, reason.format(run.epochs_trouble)) for run in finished if run.epochs_trouble]
    new = [each for each in found if each not in answer.troubles]
    return replace(answer, troubles=sorted([*answer.troubles, *new], key=lambda each: each.folder))


def write(answer: Answer, folder: Path) -> list[Path]:
    """Writes the files of a report and returns where they stand; those of an older one that it has no more are removed.

    Raises:
        UserError: a file can't be written; what was there stays as it was.
    """
    answer = with_curves_checked(answer)
    content = files(answer)
    data = {"written_by": WRITER, "files": sorted([*content, DATA_FILE]), **as_data(answer)}
    content[DATA_FILE] = (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "backslashreplace")
    with _told(folder):
        _replace(folder, content)
    return [folder / name for name in content]


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Says of a folder that it can't be written."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the report can't be written to {folder} ({error.strerror or error}); --out=FOLDER names another place"
        ) from error


def _replace(folder: Path, content: Mapping[str, bytes]) -> None:
    """Writes the files of a report in place of those of an older one."""
    before = recorded(folder / DATA_FILE, "files")
    folder.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder, prefix=BEGIN, suffix=END))
    try:
        for name, each in content.items():
            (made / name).write_bytes(each)
        for name in content:
            os.replace(made / name, folder / name)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    for name in before if isinstance(before, list) else []:
        if isinstance(name, str) and name == Path(name).name and name not in content and name.endswith(SUFFIXES):
            (folder / name).unlink(missing_ok=True)


def files(answer: Answer) -> dict[str, bytes]:
    """Returns the content of each file but the data, by name."""
    drawn = _pictures(answer)
    shown = [name for name in drawn if name.endswith(".png") and not name.startswith(OTHER_AXES)]
    text = {
        "report.html": page(answer),
        "report.md": texts.markdown(answer, shown),
        "table.csv": texts.arms_csv(answer),
        "table.tex": texts.latex(answer),
        "runs.csv": texts.runs_csv(answer),
    }
    return {name: each.encode("utf-8", "backslashreplace") for name, each in text.items()} | drawn


def _pictures(answer: Answer) -> dict[str, bytes]:
    """Returns the pictures, as PNG and as SVG."""
    from dlexp.pictures.style import render
    from dlexp.report.figures.album import figures, vector_figures

    found = {f"{name}.png": render(figure)[0] for name, figure in figures(answer).items()}
    return found | {f"{name}.svg": svg.encode("utf-8") for name, svg in vector_figures(answer).items()}
