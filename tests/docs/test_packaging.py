"""The wheel: what travels in it, and that it runs from an empty folder without the checkout."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, Ended

pytestmark = pytest.mark.slow

FEWEST_OPTIONS = 50


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with what is installed: no network."""
    pytest.importorskip("hatchling", reason="needs hatchling, which builds the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, timeout=120)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel and, through a .pth file, what else is installed here."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True, timeout=120)
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    own = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    (Path(own) / "outer.pth").write_text("\n".join(sorted(places)) + "\n", encoding="utf-8")
    return programs


def ran(command: list[str], folder: Path) -> Ended:
    """Runs a program of that environment in an empty folder, without this process's way to the checkout."""
    own = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DLEXP_ALLOW", "VIRTUAL_ENV")}
    done = subprocess.run(
        command, cwd=folder, env={**own, "PYTHONUTF8": "1"}, capture_output=True, encoding="utf-8", timeout=240
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_conf_and_launchers_travel(wheel: Path) -> None:
    """Every YAML of conf/, every module and what a page is made of lie in the wheel, and nothing else does."""
    names = set(zipfile.ZipFile(wheel).namelist())
    options = {f"dlexp/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "dlexp").rglob("*.py")}
    page = {f"dlexp/report/page/page.{kind}" for kind in ("css", "js")}
    assert len(options) >= FEWEST_OPTIONS
    assert "dlexp/sweep/launchers/local.py" in modules
    assert options | modules | page <= names
    assert {name for name in names - options - modules - page if ".dist-info/" not in name} <= {"dlexp/py.typed"}
    assert any(name.endswith("LICENSE") for name in names)


def test_installed_package_is_the_one_that_runs(scripts: Path, tmp_path: Path) -> None:
    """The tests below would prove nothing if the checkout were imported."""
    where = "import dlexp.config.registry; print(dlexp.config.registry.CONF)"
    ended = ran([str(scripts / "python"), "-c", where], tmp_path)
    assert ended.code == 0, ended.err
    assert Path(ended.out.strip()).resolve().is_relative_to(scripts.parent.resolve())


def test_help(scripts: Path, tmp_path: Path) -> None:
    """The console script answers."""
    ended = ran([str(scripts / "dlexp"), "--help"], tmp_path)
    assert ended.code == 0, ended.err
    assert "vgg16" in ended.out


@pytest.mark.parametrize("words", [["epochs=1"], ["-m", "seed=0,1", "max_steps=3", "pictures=false"]])
def test_training(words: list[str], scripts: Path, tmp_path: Path) -> None:
    """A run and a sweep work from an empty folder."""
    ended = ran([str(scripts / "python"), "-m", "dlexp", *words], tmp_path)
    assert ended.code == 0, ended.out + ended.err
    assert "test accuracy" in ended.out
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
