"""README and docs/ are run: every command, the examples as printed; what they list is compared with what there is."""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from conftest import ROOT, Ended, child_environment
from PIL import Image

from dlexp.config import registry

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README, *_ = TEXTS = [page.read_text(encoding="utf-8") for page in PAGES]
COURSE = (ROOT / "docs" / "course.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
RUN = ["python", "-m", "dlexp"]
SHORT = ["epochs=1", "max_steps=3", "data.limit=200", "pictures=false", "data.download=false"]
MOST_LINES = 15

RunCli = Callable[..., Ended]


class Block(NamedTuple):
    """A fenced block: its language, the word after it ("" for commands that are simply run), its text."""

    language: str
    kind: str
    text: str


BLOCKS = [
    Block(*found)
    for text in TEXTS
    for found in re.findall(r"^```(\w*) ?(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
]
# The kind of the blocks that a command of README's first table is tried with, by a word of it.
NEEDS = {
    "data.folder=": "files",
    "data.file=": "files",
    "resume=": "again",
    "report ": "again",
    "list": "again",
    "init_from=outputs": "again",
    "beside=[outputs": "again",
    "find ": "find",
    "compare ": "compare",
    "allow=": "own",
}


def wishes(kind: str) -> list[str]:
    """Returns the commands of README's first table and of the course's that are tried as the blocks of a kind are."""
    section = README.partition("## What do you want to do?")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| [^|]+ \| (`[^|]+) \|", section + COURSE, re.MULTILINE)
    typed = [words for cell in cells for words in re.findall(r"`([^`]+)`", cell)]
    kinds = [next((kind for word, kind in NEEDS.items() if word in words), "") for words in typed]
    return [f"python -m dlexp {words}" for words, each in zip(typed, kinds, strict=True) if each == kind]


def commands(kind: str) -> list[list[str]]:
    """Returns the commands of a kind, of these tables and of all shell blocks, as words, each once."""
    blocks = [block.text for block in BLOCKS if (block.language, block.kind) == ("bash", kind)]
    lines = [*wishes(kind), *(line for text in blocks for line in text.splitlines())]
    found = [words for line in lines if (words := shlex.split(line, comments=True))]
    return [words for i, words in enumerate(found) if words not in found[:i]]


def cases(kind: str, is_quick: Callable[[list[str]], Any]) -> list[Any]:
    """Returns the commands as test cases; those that are not quick are for `-m slow`."""
    return [
        pytest.param(words, id=" ".join(words), marks=[] if is_quick(words) else [pytest.mark.slow])
        for words in commands(kind)
        if words[:3] == RUN
    ]


def files() -> dict[str, str]:
    """Returns the files the pages show: blocks whose first line, of presets the second, is a comment with a path."""
    found = {}
    for block in BLOCKS:
        name = re.match(r"(?:# @package _global_\n)?# (\S+\.(?:py|yaml))\n", block.text)
        if name and block.language in ("python", "yaml"):
            found[name[1]] = block.text
    return found


@pytest.fixture
def own_files(workdir: Path) -> Path:
    """The pages' files, in an empty folder."""
    for name, text in files().items():
        path = workdir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return workdir


def has_succeeded(ended: Ended) -> None:
    """Fails unless the command did; skips where the real data is not on this machine."""
    if ended.code and "data.download=false" in ended.err + ended.out:
        pytest.skip("needs the real data sets: set DLEXP_DATA to their folder")
    assert ended.code == 0, f"{ended.out}\n{ended.err}"
    assert "Traceback" not in ended.err


def trains(words: list[str]) -> bool:
    """Says whether a command starts a training."""
    return not {"download", "show", "--help", "--cfg", "dry_run=true"} & set(words)


def test_every_command_is_collected() -> None:
    """A change of the pages' form must not empty the lists below."""
    assert len(wishes("")) >= 60 and all(wishes(kind) for kind in NEEDS.values())
    assert len(commands("")) >= 22
    assert len(commands("own")) >= 4
    assert len(commands("files")) >= 4
    assert [words for words in commands("") if words[:3] != RUN] == []
    kinds = {block.kind for block in BLOCKS if block.language == "bash"}
    assert kinds == {"", "own", "files", "again", "find", "install", "launchers", "compare", "search"}


@pytest.mark.parametrize("words", cases("", lambda words: {"--help", "--cfg"} & set(words)))
def test_command(words: list[str], run_cli: RunCli) -> None:
    """Each command runs, shortened where it trains."""
    shortened = SHORT if trains(words) else ["data.download=false"] if {"download", "show"} & set(words) else []
    ended = run_cli([word.replace("range(100)", "range(2)") for word in [*words[3:], *shortened]])
    has_succeeded(ended)
    # A run, one that holds nothing out, two of values, a sweep, one of values, one that tests nothing, its metric, a
    # trial, a search.
    said = (
        "test accuracy",
        "on the training samples",
        "test mae",
        "test mse",
        "trained_on/",
        "test/accuracy",
        "test/loss",
        "test macro_f1",
        "learnt by heart",
        "trials: val/accuracy",
    )
    assert not trains(words) or any(text in ended.out for text in said)


@pytest.mark.slow
def test_tensorboard_starts(workdir: Path) -> None:
    """The command for looking at the runs serves a page (at any free port here)."""
    assert "tensorboard --logdir outputs\n" in README
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "outputs", "--port=0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8", env=child_environment()) as server:
        too_late = threading.Timer(120, server.kill)
        too_late.start()
        try:
            assert server.stderr is not None
            assert any("http://" in line for line in server.stderr)
        finally:
            too_late.cancel()
            server.kill()


@pytest.mark.slow
def test_going_on_with_runs(workdir: Path, run_cli: RunCli) -> None:
    """The commands about earlier runs, one after the other."""
    short = ["data.limit=200", "pictures=false", "data.download=false"]
    for _ in range(2):
        has_succeeded(run_cli(["model=cnn", "data=mnist", "epochs=2", *short]))
    has_succeeded(run_cli(["-m", "model=mlp", "data=mnist", "optimizer=sgd,adam", "epochs=2", *short]))
    for name in ("batch", "single"):
        has_succeeded(run_cli(["experiment=linear_regression", "epochs=1", f"hydra.run.dir=outputs/{name}"]))
    assert len(commands("again")) >= 7
    for words in commands("again"):
        has_succeeded(run_cli([*words[3:], *(short + ["epochs=2"] if any("data=" in word for word in words) else [])]))


@pytest.mark.slow
@pytest.mark.parametrize("words", cases("find", lambda words: True))
def test_before_a_long_run(words: list[str], run_cli: RunCli) -> None:
    """What is found by trying is found, on a little data."""
    ended = run_cli([*words[3:], "data.limit=300", "data.download=false"])
    has_succeeded(ended)
    assert any(text in ended.out for text in ("optimizer.lr=", "batch_size=", "GFLOP/s")), ended


@pytest.mark.slow
@pytest.mark.parametrize("words", cases("compare", lambda words: "tune=optimizer.lr" in words))
def test_comparisons(words: list[str], cli: RunCli, known_pace: None) -> None:
    """Each tells what it would take; without a question those that are stored are listed."""
    ended = cli(*words[3:], *(["dry_run=true", "data.download=false"] if words[4:] else []))
    has_succeeded(ended)
    assert ("trainings" in ended.out and "8 times in 10" in ended.out) or "sgd_vs_adam" in ended.out


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, id=" ".join(words))
        for words in commands("compare")
        if " ".join(words[3:]) in COURSE and words[4:]
    ],
)
def test_comparisons_of_the_course(words: list[str], cli: RunCli, known_pace: None) -> None:
    """Each is answered, on a little data."""
    short = [*SHORT, "threads=1", "seeds=2", *(["trials=2"] if words[4] == "sgd_vs_adam" else [])]
    keys = {word.partition("=")[0] for word in short}
    ended = cli(*(word for word in words[3:] if word.partition("=")[0] not in keys), *short)
    has_succeeded(ended)
    assert "report.html" in ended.out


@pytest.mark.parametrize(
    "words", cases("own", lambda words: "-m" not in words[3:] and "experiment=two_steps" not in words)
)
def test_own_parts(words: list[str], own_files: Path, cli: RunCli) -> None:
    """The examples of own parts work exactly as printed."""
    ended = cli(*words[3:])
    has_succeeded(ended)
    metric = "sureness" if "task=sureness" in words else "accuracy"
    # Of a sweep the table is seen, of stages no more than that they ran: what a job says itself is not seen here.
    stages = "stage 2 of 2" in ended.out
    assert stages or (f"test/{metric}" if "-m" in words[3:] else f"test {metric}") in ended.out


def test_own_examples_are_short() -> None:
    """A module and its YAML together stay within what the pages promise to be small."""
    shown = files()
    pairs = {
        "my_models.py": "my_conf/model/tanh_net.yaml",
        "my_data.py": "my_conf/data/circle.yaml",
        "my_loss.py": "my_conf/criterion/softened.yaml",
        "my_metric.py": "my_conf/task/sureness.yaml",
        "my_augment.py": "my_conf/augment/jitter.yaml",
    }
    assert set(shown) >= {*pairs, *pairs.values()}
    for module, config in pairs.items():
        lines = [line for name in (module, config) for line in shown[name].splitlines()[1:] if line.strip()]
        assert len(lines) <= MOST_LINES


@pytest.mark.slow
@pytest.mark.parametrize("words", cases("files", lambda words: True))
def test_own_files(words: list[str], workdir: Path, run_cli: RunCli) -> None:
    """The commands for one's own images and tables find such files where README says."""
    for number in range(40):
        image = Image.new("RGB", (40, 30), color=(number * 6, 0, 255 * (number % 2)))
        folder = workdir / "photos" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{number}.jpg")
    rows = [(x, x * x % 7, 2.5 * x) for x in range(60)]
    for name, label in (("table", lambda x: "big" if x > 30 else "small"), ("prices", lambda x: 1.5 * x)):
        text = "\n".join(["a,b,c,label", *(f"{x},{y},{z},{label(x)}" for x, y, z in rows)])
        (workdir / f"{name}.csv").write_text(text, encoding="utf-8")
    ended = run_cli([*words[3:], *SHORT], HOME=str(workdir), USERPROFILE=str(workdir))
    has_succeeded(ended)
    assert "test " in ended.out


@pytest.mark.slow
def test_from_python(workdir: Path) -> None:
    """The example for a notebook runs as it stands."""
    scripts = [block.text for block in BLOCKS if block.language == "python" and "from dlexp import" in block.text]
    assert len(scripts) == 1
    if not os.environ.get("DLEXP_DATA"):
        pytest.skip("needs the real data sets: set DLEXP_DATA to their folder")
    done = subprocess.run(
        [sys.executable, "-c", scripts[0]], capture_output=True, encoding="utf-8", env=child_environment(), timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "tensor([" in done.stdout


@pytest.mark.slow
def test_bias_and_variance(workdir: Path, cli: RunCli, capsys: pytest.CaptureFixture[str]) -> None:
    """The course's lines of Python add up, over the runs of the command beside them."""
    (command,) = [words for words in commands("") if "hydra.sweep.dir=outputs/draws" in words]
    shortened = [word.replace("range(100)", "range(3)") for word in command[3:]]
    assert cli(*shortened, "model.depth=0", "epochs=200", "optimizer.lr=0.1").code == 0
    (script,) = [block.text for block in BLOCKS if block.language == "python" and "bias²" in block.text]
    exec(script, {})
    bias, variance, noise, error = map(float, re.findall(r"\d\.\d{4}", capsys.readouterr().out))
    assert bias > 0.01 and 0 < variance < 0.01 and noise == 0.0075, "a line does not bend, and hardly moves"
    assert bias + variance + noise == pytest.approx(error, abs=2e-4)


def test_links_lead_somewhere() -> None:
    """Every relative link of README and of docs/ names a file, every # a heading."""
    assert len(PAGES) >= 11
    missing = []
    for page in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md"]:
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            name, _, heading = target.partition("#")
            file = page.parent / name if name else page
            if not file.exists() or (heading and heading not in headings_of(file)):
                missing.append(f"{page.name}: {target}")
    assert not missing


def headings_of(page: Path) -> set[str]:
    lines = page.read_text(encoding="utf-8").splitlines()
    return {re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in lines if line[:1] == "#"}


def defaults() -> dict[str, str]:
    """Returns the default option of each group."""
    config = yaml.safe_load((registry.CONF / "config.yaml").read_text(encoding="utf-8"))
    pairs = {key: value for entry in config["defaults"] if isinstance(entry, dict) for key, value in entry.items()}
    return {group: str(pairs[group]) for group in registry.groups() if pairs.get(group)}


def test_the_options_named_exist() -> None:
    """What the table of groups names is there, all of it unless a row says "…", and its defaults are the defaults."""
    section = CONFIGURATION.partition("\n## Groups")[2].partition("\n### ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE))
    assert rows.keys() == {*defaults(), "experiment"}
    for group, cell in rows.items():
        words = {word.strip(" *") for word in cell.split(",")}
        named, there = words - {"…"}, set(registry.groups()[group])
        assert named <= there if "…" in words else named == there, group
        bold = re.findall(r"\*\*(\w+)\*\*", cell)
        assert bold == [name for name in [defaults().get(group)] if name]


def test_the_settings_documented_are_the_settings() -> None:
    """docs/configuration.md names every setting of config.yaml, with its default."""
    settings = CONFIGURATION.partition("\n## Groups")[0]
    documented = dict(re.findall(r"^\| `([\w.]+)` \| `([^`]+)` \|", settings, re.MULTILINE))
    config = yaml.safe_load((registry.CONF / "config.yaml").read_text(encoding="utf-8"))
    parts = ("data", "task", "evaluation", "checkpoint")
    nested = {f"{part}.{key}": value for part in parts for key, value in config[part].items()}
    nested["data.root"] = None
    top = {key: value for key, value in config.items() if key not in ("defaults", "hydra", *parts)}
    assert documented == {key: json.dumps(value).strip('"') for key, value in (top | nested).items()}


@pytest.mark.slow
def test_a_run_folder_holds_what_is_documented(workdir: Path, run_cli: RunCli) -> None:
    """docs/records.md describes every file of a run and every key of its JSON."""
    has_succeeded(run_cli(["epochs=2", "log_steps=20", "hydra.run.dir=here"]))
    text = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    folder = workdir / "here"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for pattern, name in ((r"tfevents\..*", "tfevents.*"), (r"^plots/.*", "plots/*.png"), (r"step-\d+", "step-*")):
        names = {re.sub(pattern, name, each) for each in names}
    assert len(names) >= 12
    assert {name for name in names if f"`{name}`" not in text} == set()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    objects = [*lines, *(json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json"))]
    assert len(objects) >= 8
    assert {key for each in objects for key in each if f"`{key}`" not in text} == set()
