"""The command lines that benchmarks compare are ones that run; README names measured figures."""

import importlib.util
import re
import sys

import pytest
from conftest import ROOT

from dlexp.config.check import config_problems
from dlexp.config.compose import compose


@pytest.mark.parametrize("name", ["NETWORK", "CNN", "VGG", "ORIGINAL"])
def test_the_words_compose_to_a_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("compare", ROOT / "benchmarks" / "compare.py")
    assert spec is not None and spec.loader is not None
    compare = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "compare", compare)  # its dataclasses look there
    spec.loader.exec_module(compare)
    assert config_problems(compose(getattr(compare, name)).config) == []


def test_the_figures_in_readme_are_those_of_the_table() -> None:
    section = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("## Results and speed")[2].partition("\n## ")[0]
    )
    figures = re.findall(r"\d+\.\d+", section)
    assert len(figures) >= 3
    table = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert [figure for figure in figures if f"| {figure} " not in table] == []
