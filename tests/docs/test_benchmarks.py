"""The command lines that benchmarks compare are ones that run; pages name measured figures, of presets as they are."""

import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from conftest import ROOT, Ended

from dlexp.config.compose import compose
from dlexp.config.problems import config_problems


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Returns a script of benchmarks/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # its dataclasses look there
    monkeypatch.syspath_prepend(ROOT / "benchmarks")  # and scripts import each other
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["NETWORK", "CNN", "VGG", "ORIGINAL", "SPIRAL", "PLAIN"])
def test_the_words_compose_to_a_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_problems(compose(getattr(script("compare", monkeypatch), name)).config) == []


def test_the_tables_are_what_the_command_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = script("measure", monkeypatch)
    for page, lines in ((measure.RESULTS, measure.results_table()), (measure.COURSE, measure.course_table())):
        assert "\n".join([measure.BEGIN, *lines, measure.END]) in page.read_text(encoding="utf-8"), page


def run(split: str, value: float, seconds: float, **device: Any) -> dict[str, Any]:
    """Returns as much of a record as a row of the tables shows."""
    machine = {"device": {"gpu": None, "threads": 1, "precision": "float32", **device}, "cpu": {"name": "CPU"}}
    return {
        "metrics": {f"{split}/loss": value},
        "choices": {"criterion": "huber"},
        "seconds": seconds,
        "ended": "2026-11-29T01:02:03",
        "environment": {**machine, "packages": {"torch": "2.11.0+cpu"}},
        "results": {"coefficients": {"w": [1.0], "b": 2.0, "margin": 1.25}},
    }


def test_a_row_names_its_loss_its_margin_its_time_and_its_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = script("measure", monkeypatch)
    learnt, torch = "seed 0: w = [1.0000], b = 2.0000, margin 1.25", "float32, torch 2.11.0"
    assert measure.figures([run("test", 0.25, 2.04), run("test", 0.75, 2.06, gpu="GPU")]) == [
        f"loss (huber) 0.5000 (0.2500 – 0.7500); {learnt}", "2", "2 s", f"CPU, 1 thread, {torch} and GPU, {torch}",
        "2026-11-29",
    ]  # fmt: skip
    squared = run("trained_on", 0.5, 90.0, threads=2) | {"choices": {"criterion": "mse"}}
    assert measure.figures([squared, squared]) == [
        f"mean squared error 0.5000 of the points trained on; {learnt}", "2", "1.5 min", f"CPU, 2 threads, {torch}",
        "2026-11-29",
    ]  # fmt: skip


def leaves(part: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every value of nested settings with its dotted name."""
    for key, value in part.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{key}.")
        else:
            yield above + key, value


@pytest.mark.slow
def test_a_figure_is_of_the_preset_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record whose settings are others now is none of this preset: it is measured again, or goes."""
    measure = script("measure", monkeypatch)
    for record in sorted(measure.RECORDS.iterdir()):
        if (sweep := record / measure.sweep_records.FILE).exists():
            found = json.loads(sweep.read_text(encoding="utf-8"))
            assert found["typed"] == measure.exercise_of(record.name)["type"]
            stored = found["config"]
        else:
            stored = yaml.safe_load((record / "seed-0" / "config.yaml").read_text(encoding="utf-8"))
        words = [word for word in measure.typed(record.name) if not word.startswith("init_from=")]  # it is not there
        then, now = dict(leaves(stored)), dict(leaves(compose([*words, "seed=0"]).config))
        ignored = {"threads", "init_from", "data.root", "data.class_names", "task.class_names"}
        if now["precision"] == "auto":  # the column of the machine tells which it was
            ignored.add("precision")
        assert len(then.keys() & now.keys()) > 30
        assert [key for key in then.keys() & now.keys() - ignored if then[key] != now[key]] == [], record.name


@pytest.mark.parametrize("preset", sorted((ROOT / "conf" / "experiment").glob("*.yaml")), ids=lambda file: file.stem)
def test_a_preset_tells_its_command_and_what_it_gives(preset: Path) -> None:
    """The result, how long it takes, where and when, or that nobody ran it in full."""
    head = preset.read_text(encoding="utf-8").partition("defaults:")[0]
    assert f"\n# python -m dlexp experiment={preset.stem}\n" in head
    measured = r"\n# measured: .+, [\d.]+ (s|min) (a run|a seed with all its runs), .+, \d{4}-\d\d-\d\d\n"
    assert re.search(measured, head) or "\n# not measured in full" in head


def test_the_figures_in_readme_are_those_of_the_table() -> None:
    section = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("## Results and speed")[2].partition("\n## ")[0]
    )
    figures = re.findall(r"\d+\.\d+", section)
    assert len(figures) >= 3
    table = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert [figure for figure in figures if f"| {figure} " not in table] == []


GENERATED = r"^experiment=(spiral|curve|gates|linear_|logistic|perceptron|svm\b(?!_))"
FEW = ["data.limit=200", "data.val_size=40", "batch_size=40"]


def drawn_exercises() -> list[Any]:
    """Returns the words of the exercises that begin from nothing, and the picture that each names; all but one are
    slow.
    """
    chapters = yaml.safe_load((ROOT / "benchmarks" / "course.yaml").read_text(encoding="utf-8"))
    found = [(each["type"], each.get("picture", "")) for chapter in chapters.values() for each in chapter]
    return [
        pytest.param(words.split(), name[1], id=words, marks=[] if "gate=not" in words else [pytest.mark.slow])
        for words, picture in found
        if (name := re.fullmatch(r"`(\w+\.png)`", picture)) and "outputs/" not in words
    ]


@pytest.mark.parametrize(("words", "picture"), drawn_exercises())
def test_the_picture_that_an_exercise_names_is_drawn(
    words: list[str], picture: str, cli: Callable[..., Ended], workdir: Path, request: pytest.FixtureRequest
) -> None:
    if "method=support_vectors" in words:
        pytest.importorskip("sklearn")
    few = [f"data.root={request.getfixturevalue('data_root')}", *FEW] if not re.search(GENERATED, words[0]) else []
    ended = cli(*words, *few, "epochs=1", "max_steps=2", "threads=1", "hydra.run.dir=run")
    assert ended.code == 0 and list((workdir / "run").rglob(f"plots/{picture}")), ended


def test_no_exercise_with_a_picture_is_left_out() -> None:
    assert len(drawn_exercises()) >= 50
