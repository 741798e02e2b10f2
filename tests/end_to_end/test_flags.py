"""`--help` and `--version`, at once and wherever they stand, and what Hydra's own flags still do."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import child_environment

import dlexp
from dlexp.__main__ import main
from dlexp.config import compose, registry
from dlexp.config.help import page

GUARD = """
import runpy, sys

class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "hydra", "omegaconf", "numpy", "yaml", "matplotlib", "rich"}:
            raise SystemExit(f"--help imports {name}")

sys.meta_path.insert(0, Guard())
sys.argv = ["dlexp", *sys.argv[1:]]
runpy.run_module("dlexp", run_name="__main__")
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], capture_output=True, encoding="utf-8", env=child_environment())


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["model=vgg16", "--help"]], ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    done = run("-c", GUARD, *words)
    assert done.returncode == 0 and done.stdout.strip() == page().strip(), done.stderr


def test_a_wrong_command_imports_nothing_heavy() -> None:
    done = run("-c", GUARD, "trainn")
    assert done.returncode == 1 and "no command 'trainn'" in done.stderr


def test_every_command_tells_what_it_is_for() -> None:
    """Each answers --help, wherever it stands, without anything heavy."""
    names = [name for name in registry.commands() if name != "train"]  # whose page is that of the whole
    assert len(names) >= 4
    lines = [[name, *words] for name in names for words in (["--help"], ["-h"], ["RUN", "--help"])]
    lines = [["find", "lr", "--help"] if words[:2] == ["find", "RUN"] else words for words in lines]
    code = f"""{GUARD.partition("sys.argv")[0]}
from dlexp.__main__ import main
for words in {lines}:
    print("#", *words)
    try:
        code = main(words)
    except SystemExit as end:
        code = end.code
    assert code in (0, None), (words, code)
"""
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    answers = done.stdout.split("# ")[1:]
    assert len(answers) == len(lines)
    for answer in answers:
        words, _, text = answer.partition("\n")
        name = words.split()[0]
        assert text.startswith(f"usage: dlexp {name}"), answer
        what = registry.commands()[name].partition(":")[0]
        assert name == "find" or f"\n\n{what[0].upper()}{what[1:]}.\n" in text, answer


@pytest.mark.parametrize("words", [["--version"], ["model=cnn", "--version"]], ids=" ".join)
def test_the_version_is_ours(words: list[str]) -> None:
    done = run("-c", GUARD, *words)
    assert done.returncode == 0 and done.stdout == f"dlexp {dlexp.__version__}\n", done


@pytest.mark.parametrize(
    "words, pieces",
    [
        (["diff", "one"], ["error: diff wants more words", "python -m dlexp diff RUN RUN", "dlexp diff --help"]),
        (["diff", "a", "b", "c"], ["error: c is too much: diff is typed python -m dlexp diff RUN RUN"]),
        (["verify"], ["error: verify wants more words", "python -m dlexp verify RUN"]),
        (["verify", "--fast", "run"], ["error: verify: ", "--fast"]),
        (["download"], ["error: download wants more words", "python -m dlexp download NAME"]),
        (["download", "mnits"], ["no data set 'mnits'", "Did you mean 'mnist'?"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_words_that_a_command_cannot_use(cli, words: list[str], pieces: list[str]) -> None:
    ended = cli(*words)
    assert ended.code == 1 and ended.err.startswith("error: ") and len(ended.err.splitlines()) == 1, ended
    assert all(piece in ended.err for piece in pieces), ended.err


def test_help_is_fast() -> None:
    """Counted is what it computes, which another process does not lengthen: 0.1 s (Windows tells none)."""

    def seconds(*command: str) -> float:
        before = os.times()
        assert run(*command).returncode == 0
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(seconds("-m", "dlexp", "--help") for _ in range(3)) < 0.3


def test_cfg_job_prints_what_would_run(cli, workdir: Path) -> None:
    ended = cli("--cfg", "job", "model=cnn", "data=mnist", "optimizer.lr=0.5")
    found = yaml.safe_load(ended.out)
    assert ended.code == 0 and found["optimizer"]["lr"] == 0.5 and found["model"]["_target_"] == "dlexp.models.cnn.cnn"
    assert "hydra" not in found
    ended = cli("--cfg", "job", "--resolve", "model=cnn", "data=mnist")
    assert yaml.safe_load(ended.out)["model"]["num_outputs"] == 10
    assert not list(workdir.iterdir())


@pytest.mark.parametrize("words", [["--info", "defaults"], ["--info", "searchpath"], ["--cfg", "hydra"]], ids=" ".join)
def test_hydras_own_flags_work(cli, workdir: Path, words: list[str]) -> None:
    ended = cli(*words)
    assert ended.code == 0 and len(ended.out.splitlines()) > 5, ended
    assert not list(workdir.iterdir())


def test_tab_completion(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "complete" in cli("--shell-completion", "install=bash").out
    monkeypatch.setenv("COMP_LINE", "dlexp model=vgg")
    monkeypatch.setenv("COMP_POINT", str(len("dlexp model=vgg")))
    assert cli("--shell-completion", "query=bash").out.split() == [
        "model=vgg11",
        "model=vgg13",
        "model=vgg16",
        "model=vgg19",
    ]


@pytest.mark.skipif(not compose.BASE, reason="later versions of Hydra know Python 3.14")
def test_hydra_starts_on_python_3_14(workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """There argparse expands every help text when it is declared, and one of Hydra 1.3's is no text."""
    add_argument = argparse._ActionsContainer.add_argument
    reached = []

    def checked(self, *args, **kwargs):
        action = add_argument(self, *args, **kwargs)
        reached.append(action)
        self._check_help(action)
        return action

    def check_help(self, action) -> None:
        if action.help and hasattr(self, "_get_formatter"):
            try:
                self._get_formatter()._expand_help(action)
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError("badly formed help string") from error

    monkeypatch.setattr(argparse._ActionsContainer, "_check_help", check_help, raising=False)
    monkeypatch.setattr(argparse.ArgumentParser, "_check_help", check_help, raising=False)
    monkeypatch.setattr(argparse._ActionsContainer, "add_argument", checked)
    from hydra._internal.utils import get_args_parser

    with pytest.raises((ValueError, AttributeError)):
        get_args_parser()
    version = sys.version_info
    monkeypatch.setattr(sys, "version_info", (3, 14, 0, "final", 0))
    try:
        assert main(["--cfg", "job"]) == 0
    finally:
        monkeypatch.setattr(sys, "version_info", version)
    assert "_target_" in capsys.readouterr().out and reached
