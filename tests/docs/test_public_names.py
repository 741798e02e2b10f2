"""The addresses that README and docs give people: what a person's own module imports goes on to be there."""

import ast
import importlib
import inspect
import pkgutil
import re
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT

import dlexp

# What may be imported, and nothing else is promised: a new name here is a word in README or docs/.
PUBLIC = {
    "dlexp.run",
    "dlexp.run_sweep",
    "dlexp.load",
    "dlexp.runs",
    "dlexp.runs_frame",
    "dlexp.errors.UserError",
    "dlexp.ranges.Range",
    "dlexp.ranges.Choice",
    "dlexp.metric.Metric",
    "dlexp.metrics.measure.Measure",
    "dlexp.methods.method.Method",
    "dlexp.models.auxiliary.Auxiliary",
    "dlexp.methods.method.Outcome",
    "dlexp.methods.solver.Solver",
    "dlexp.tasks.task.Task",
    "dlexp.tasks.classification.Classification",
    "dlexp.data.splits.Split",
    "dlexp.data.splits.Splits",
    "dlexp.data.stream.rows.Stream",
    "dlexp.optimizers.muon.Muon",
    "dlexp.watch.watcher.Watcher",
}
TEXTS = [(ROOT / "README.md"), *sorted((ROOT / "docs").glob("*.md"))]


def found(address: str) -> Any:
    module, _, name = address.rpartition(".")
    return getattr(importlib.import_module(module), name)


def told() -> set[str]:
    """Returns what README and docs/ name: `dlexp.a.b.C`, and what their examples import."""
    names: set[str] = set()
    for text in (page.read_text(encoding="utf-8") for page in TEXTS):
        names |= set(re.findall(r"(?<![\w/.-])dlexp(?:\.[A-Za-z_]+)+(?![\w(/])", text))
        for line in re.findall(r"^from dlexp.*$", text, re.MULTILINE):
            (node,) = ast.parse(line).body
            assert isinstance(node, ast.ImportFrom)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        names |= set(re.findall(r"\b(dlexp\.(?:run|load))\(", text))
    return names


@pytest.mark.parametrize("address", sorted(PUBLIC))
def test_a_public_name_is_found_and_explained(address: str) -> None:
    value = found(address)
    assert callable(value) and not isinstance(value, ModuleType)
    assert inspect.getdoc(value)


def test_what_the_documents_name_is_public() -> None:
    modules = {name.rpartition(".")[0] for name in PUBLIC} - {"dlexp"}
    assert told() <= PUBLIC | modules
    # A person's own code raises UserError as the package does; the examples do without it.
    assert {name for name in PUBLIC if name not in told() and name.rpartition(".")[0] not in told()} <= {
        "dlexp.errors.UserError"
    }


def test_no_module_hides_a_public_name() -> None:
    """Importing `dlexp.run` as a module would put that module where the function was."""
    names = {"run", "run_sweep", "load", "runs", "runs_frame"}
    assert not names & {module.name for module in pkgutil.iter_modules(dlexp.__path__)}
    assert set(dlexp.__all__) == names
    assert inspect.isfunction(dlexp.run) and inspect.isfunction(dlexp.load)
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        dlexp.runn  # noqa: B018
