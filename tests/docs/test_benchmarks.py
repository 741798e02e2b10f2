"""The command lines that benchmarks compare are ones that run."""

import importlib.util
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
