"""docs/extending.md and docs/examples: what stands there trains, resumes to the bit, and is short."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from resuming import SHORT, resumes_exactly

from dlexp import api

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(?:python|yaml)\n# (my_\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = ROOT / "docs" / "examples"
SPIRAL = ["data.points_per_class=40", "batch_size=16", "epochs=3", *SHORT]
OWN = {
    "my_deep": ["model=deep"],
    "my_method": ["method=consistency"],
    "my_view": ["view=negative", "view.negative.strength=0.5"],
    "my_watch": ["watch=embeddings", "watch.embeddings.every=2"],
    "my_optimizer": ["optimizer=lion"],
    "my_schedule": ["scheduler=inverse_root"],
}


@pytest.fixture
def page(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, content in BLOCKS.items():
        (workdir / name).parent.mkdir(parents=True, exist_ok=True)
        (workdir / name).write_text(content, encoding="utf-8")
    monkeypatch.syspath_prepend(workdir)
    yield workdir
    for name in BLOCKS:
        sys.modules.pop(Path(name).stem, None)


@pytest.mark.parametrize("module", OWN)
def test_each_resumes_to_the_bit(
    module: str, page: Path, monkeypatch: pytest.MonkeyPatch, every_state_is_kept: None
) -> None:
    monkeypatch.setenv("DLEXP_ALLOW", module)
    words = ["--config-dir", "my_conf", *OWN[module], *SPIRAL]
    resumes_exactly(words, page, (1, 9, 14))


def test_each_is_short() -> None:
    modules = {name: text for name, text in BLOCKS.items() if name.endswith(".py")}
    assert len(modules) >= 8 and modules.keys() >= {f"{name}.py" for name in OWN}
    long = {name: len(lines) for name, text in modules.items() if len(lines := _lines(text)) > 20}
    assert not long


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.startswith(("import", "from"))]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "metric", "most"), [("gan", "val/apart", 0.25), ("pinn", "val/mae", 0.01)])
def test_examples_learn_what_they_are_about(
    name: str, metric: str, most: float, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(EXAMPLES / name)
    monkeypatch.syspath_prepend(EXAMPLES / name)
    monkeypatch.setenv("DLEXP_ALLOW", name)
    try:
        result = api.run(["--config-dir", "conf", f"experiment={name}", *SHORT], folder=workdir / "run")
    finally:
        sys.modules.pop(name, None)
    assert result.metrics[metric] < most
