"""How to do it again: the command, on what it ran, where it lies, every run, what was left out, and all numbers."""

import json
from collections.abc import Iterator

from dlexp.report.answer import Answer
from dlexp.report.figures.picture import who
from dlexp.report.page.data import page_data
from dlexp.report.page.markup import Cell, Column, Markup, Row, joined, table, tag
from dlexp.report.reading.runs import Run
from dlexp.report.shown import SPLITS, facts_of, grouped, setting, shown, shown_metric
from dlexp.report.tree import branches

MOST_METRICS = 4  # columns of a run
DEEPEST = 6  # level that is set in farther than the one above
MOST_TROUBLES = 20  # in the open


def again(answer: Answer) -> Markup:
    """Returns the last part of a page."""
    parts = [tag("h2", "How to do it again")]
    if answer.command:
        parts.append(
            tag(
                "p",
                "The whole comparison. It trains only what is missing and ends in this report."
                if answer.plan
                else "This report.",
            )
        )
        code = tag("dd", tag("code", answer.command, id="whole"))
        parts.append(tag("dl", code, tag("dd", class_="b", data_from="whole"), class_="commands one"))
    facts = [part for name, value in _facts(answer) for part in (tag("dt", name), tag("dd", value))]
    parts.append(tag("dl", *facts, class_="facts"))
    parts += [
        each for each in (_tree(answer), _left_out(answer), _every_run(answer), _numbers(answer)) if each is not None
    ]
    return joined(parts)


def _facts(answer: Answer) -> Iterator[tuple[str, Markup]]:
    runs = [run for arm in answer.arms for run in arm.runs]
    trials = [run for each in answer.trials.values() for run in each]
    minutes = sum(run.seconds or 0.0 for run in [*runs, *trials]) / 60
    count = f"{len(trials)} tuning trials and {len(runs)} final runs" if trials else f"{len(runs)} runs"
    yield "how much", joined([count, tag("span", f", {minutes:.1f} minutes of runs added up", class_="time")])
    if answer.constant:
        yield "shared", tag("code", " ".join(f"{key}={setting(value)}" for key, value in answer.constant.items()))
    sizes = {name: value for name, value in answer.machine.items() if name.endswith(" samples")}
    if sizes:
        samples = (f"{grouped(value)} {SPLITS.get(name.split()[0], name.split()[0])}" for name, value in sizes.items())
        yield "data", joined([f"samples: {', '.join(samples)}"])
    rest = {name: value for name, value in answer.machine.items() if name not in sizes}
    if rest:
        yield "on what", joined([", ".join(f"{name} {setting(value)}" for name, value in rest.items())])
    folders = sorted({str(run.folder.parent) for run in [*runs, *trials]})
    told = ", ".join(folders[:12]) + (f" and {len(folders) - 12} more" if len(folders) > 12 else "")
    yield "folders", tag("code", told)


def _left_out(answer: Answer) -> Markup | None:
    if not answer.troubles:
        return None
    lines = [tag("li", tag("code", str(each.folder)), f" {each.reason}") for each in answer.troubles]
    if len(lines) > MOST_TROUBLES:
        return tag("details", tag("summary", f"Left out ({len(lines)})"), tag("ul", *lines))
    return joined([tag("h3", "Left out"), tag("ul", *lines)])


def _tree(answer: Answer) -> Markup | None:
    """Returns what began from what, a list within its parent's."""
    found = branches(answer)
    if not found:
        return None
    words = shown(answer)
    lines = []
    for each in found:
        value = None if each.value is None else f" {words.told(each.value)}"
        changes = tag("code", f" {' '.join(each.changes)}") if each.changes else None
        note = f" “{each.note}”" if each.note else None
        lines.append(
            tag("li", tag("code", each.folder), value, changes, note, class_=f"depth-{min(each.depth, DEEPEST)}")
        )
    return joined([tag("h3", "What began from what"), tag("ul", *lines, class_="tree")])


def _every_run(answer: Answer) -> Markup:
    runs = [(arm, run) for arm in answer.arms for run in arm.runs]
    names = _names(answer)
    metrics = [shown_metric(name, facts_of(answer, name)) for name in names]
    columns = [Column("arm"), Column("seed"), Column("state", left=True), *(Column(words.axis) for words in metrics)]
    columns += [Column("epoch chosen"), Column("seconds", time=True), Column("folder", left=True)]
    looks = who(answer)
    rows: list[Row] = []
    for arm, run in runs:
        values: list[str | Cell | None] = [
            None if (value := run.metrics.get(name)) is None else Cell(words.value(value), value)
            for name, words in zip(names, metrics, strict=True)
        ]
        seconds = None if run.seconds is None else Cell(f"{run.seconds:.1f}", run.seconds)
        epoch = None if run.chosen_epoch is None else str(run.chosen_epoch)
        cells = [arm.name, str(run.seed), _state(run), *values, epoch, seconds, tag("code", str(run.folder))]
        rows.append(({"class": f"c{looks[arm.name].colour}"}, cells))
    found = tag("div", table(columns, rows, "runs sortable"), class_="scroll")
    return tag("details", tag("summary", f"Every run ({len(runs)})"), found, class_="wide")


def _names(answer: Answer) -> list[str]:
    """Returns the metrics of a run that are worth a column: the compared one first."""
    there = dict.fromkeys(name for arm in answer.arms for run in arm.runs for name in run.metrics)
    name = answer.metric.partition("/")[2]
    wanted = [answer.metric, f"test/{name}", f"val/{name}", "test/loss", "val/loss"]
    return list(dict.fromkeys(each for each in wanted if each in there))[:MOST_METRICS]


def _state(run: Run) -> str:
    return "diverged" if run.is_diverged else run.status


def _numbers(answer: Answer) -> Markup:
    text = json.dumps(page_data(answer), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return tag(
        "details",
        tag("summary", "All numbers as JSON"),
        tag("pre", text, id="data"),
        class_="wide noprint",
    )
