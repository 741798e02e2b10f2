"""Who may import whom, read from the source: the data flow points in one direction."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, child_environment

PACKAGE = ROOT / "dlexp"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 260

# Everything that sees a config or Hydra. What is below the line of `assemble` takes plain values.
SEES_CONFIGS = {
    "__main__",
    "api",
    "assemble",
    "build",
    "check",
    "child",
    "compose",
    "config",
    "experiment",
    "find.lr",
    "find.trial",
    "job",
    "launch",
    "mistakes",
    "prepare",
    "rehearsal",
    "resume",
    "sweep",
    "plugins.hydra_plugins.dlexp_plugins.launcher",
    "plugins.hydra_plugins.dlexp_plugins.sweeper",
}
SEES_HYDRA = SEES_CONFIGS - {"assemble", "experiment", "find.lr", "find.trial", "rehearsal"}

# What a part may import of this package besides itself; a new file of a folder is held to its folder's line.
SMALL = {"errors", "ranges"}
MAY_IMPORT = {
    "data": SMALL | {"cores", "fetch.download", "fetch.files", "waiting"},
    "find.curve": set(),
    "find.memory": set(),
    "find.batch_size": {"errors", "find.trial"},
    "fetch": {"errors", "lock", "waiting"},
    "lock": {"errors"},
    "waiting": set(),
    "models": SMALL | {"vision"},
    "optimizers": SMALL | {"eager"},
    "schedules": SMALL,
    "tasks": SMALL | {"pictures", "data.splits"},
    "pictures": SMALL,
    "criteria": SMALL,
    "evaluation": SMALL,
    "train": SMALL | {"data.batches", "device", "eager"},
    "tracking": {"appending", "events", "record", "pictures.style"},
    "events": {"appending"},
    "appending": set(),
    "record": {"atomic", "errors"},
    "shortage": {"errors"},
    "cores": set(),
    "environment": {"cores"},
    "atomic": {"stops"},
    "checkpoint": {"atomic", "errors"},
    "profiling": {"atomic", "operators", "ranges", "record", "summary", "throughput"},
    "operators": set(),
    "throughput": {"shortage"},
    "stops": set(),
    "progress": set(),
    "diagnosis": set(),
    "device": {"cores", "errors"},
    "initial": {"errors"},
    "ledger": {"config", "lock", "record"},
    "result": {"record"},
    "table": {"progress", "result"},
    "summary": {"eager", "errors"},
    "eager": set(),
    "vision": {"errors"},
    "errors": set(),
    "ranges": set(),
    "console": set(),
    "registry": {"errors"},
    "help": {"registry"},
}


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def imports(file: Path, at_top: bool = False) -> set[str]:
    """Returns the full names a file imports; with `at_top` only those that importing it imports."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found: set[str] = set()
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif at_top and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        elif at_top and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo += node.orelse
        else:
            todo += list(ast.iter_child_nodes(node))
    return found


def users_of(library: str) -> set[str]:
    return {name_of(file) for file in FILES if any(name.split(".")[0] == library for name in imports(file))}


def own_imports(file: Path) -> set[str]:
    """Returns the modules of this package that a file imports, without the leading `dlexp.`."""
    modules = {name_of(each) for each in FILES} - {""}
    found = set()
    for name in imports(file):
        if name == "dlexp" or name.startswith("dlexp."):
            short = name.removeprefix("dlexp").strip(".")
            while short and short not in modules:  # the last word is a class or a function
                short = short.rpartition(".")[0]
            found.add(short)
    return found - {""}


def test_the_files_are_found() -> None:
    assert len(FILES) >= 70
    assert {"check", "data.batches", "models.vgg", "train.fit", "commands.download"} <= {name_of(f) for f in FILES}


def test_configs_stop_at_the_door() -> None:
    assert users_of("omegaconf") <= SEES_CONFIGS
    assert users_of("hydra") <= SEES_HYDRA
    assert users_of("hydra_plugins") == set()


def test_one_place_builds_from_configs() -> None:
    found = {name_of(file) for file in FILES for name in imports(file) if name.startswith("hydra.utils")}
    assert found == {"build"}


def test_torchvision_has_one_door() -> None:
    assert users_of("torchvision") == set(), "vision.py imports it by name, when it is needed"
    mentions = {
        name_of(file)
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module")
        if "torchvision" in ast.unparse(node)
    }
    assert mentions <= {"vision"}


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_who_may_import_whom(part: str) -> None:
    files = [file for file in FILES if name_of(file) == part or name_of(file).startswith(f"{part}.")]
    assert files
    for file in files:
        others = {name for name in own_imports(file) if name != part and not name.startswith(f"{part}.")}
        assert others <= MAY_IMPORT[part], f"dlexp.{name_of(file)} may not import {others - MAY_IMPORT[part]}"


def test_every_part_below_the_line_is_held_to_it() -> None:
    """A new module is either in a folder above, or one of those that put things together."""
    together = SEES_CONFIGS | {"beginning", "ending", "context", "preload", "restore", "cell", "find"}
    parts = {name_of(file).split(".")[0] for file in FILES} - {"__init__", "commands", "plugins"}
    assert parts - together <= set(MAY_IMPORT), (
        f"say in MAY_IMPORT what {parts - together - set(MAY_IMPORT)} may import"
    )


@pytest.mark.parametrize("folder", ["models", "schedules", "tasks", "data"])
def test_neighbours_are_independent(folder: str) -> None:
    """An option never imports another option: only what they share."""
    options = {
        path.stem for path in (ROOT / "conf" / folder.rstrip("s").replace("schedule", "scheduler")).glob("*.yaml")
    }
    modules = {name_of(file): file for file in (PACKAGE / folder).glob("*.py")}
    assert len(options) >= 2
    for name, file in modules.items():
        neighbours = {f"{folder}.{option}" for option in options} - {name}
        assert not own_imports(file) & neighbours, name


def test_no_module_imports_in_a_circle() -> None:
    graph = {
        name_of(file): {
            target
            for target in own_imports(file)
            if any(each.startswith(f"dlexp.{target}") or each == "dlexp" for each in imports(file, at_top=True))
        }
        for file in FILES
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path, name))
        if name not in done:
            for target in graph.get(name, set()):
                visit(target, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


LIGHT = (
    "dlexp dlexp.__main__ dlexp.config.registry dlexp.config.help dlexp.errors dlexp.ranges dlexp.records.run_json dlexp.machine.environment"
    " dlexp.machine.signals dlexp.machine.lock_file dlexp.data.facts"
)


def test_light_modules_import_nothing_heavy() -> None:
    """One process each would be slow: they are imported one after the other, and the first heavy one is named."""
    code = f"""
import importlib, sys
for name in {LIGHT.split()} + {[f"dlexp.commands.{f.stem}" for f in (PACKAGE / "commands").glob("*.py")]}:
    importlib.import_module(name)
    heavy = {{"torch", "numpy", "hydra", "omegaconf", "matplotlib", "PIL"}} & set(sys.modules)
    assert not heavy, (name, heavy)
for name in "config check mistakes build job sweep prepare launch child".split():
    name = "dlexp." + name
    importlib.import_module(name)
    heavy = {{"torch", "matplotlib", "torchvision"}} & set(sys.modules)
    assert not heavy, (name, heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=child_environment())
    assert done.returncode == 0, done.stderr


def calls(file: Path, names: set[str]) -> list[ast.Call]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in names
    ]


def is_binary(call: ast.Call) -> bool:
    if "mode" in ast.unparse(call):  # chosen at run time: of two binary ones
        return True
    modes = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return any(isinstance(arg, ast.Constant) and isinstance(arg.value, str) and "b" in arg.value for arg in modes[:2])


def test_every_text_file_names_its_encoding() -> None:
    """The standard encoding of Windows is not UTF-8."""
    seen = 0
    for file in [*FILES, *(ROOT / "tests").glob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        for call in calls(file, {"open", "read_text", "write_text", "fdopen", "FileHandler"}):
            text = ast.unparse(call)
            owner = ast.unparse(call.func).rpartition(".")[0]
            if is_binary(call) or owner in ("os", "tarfile", "gzip", "zipfile", "Image", "webbrowser", "opener"):
                continue
            seen += 1
            named = {keyword.arg for keyword in call.keywords}
            assert {"encoding", None} & named, f"{file.name}:{call.lineno}: {text}"
    assert seen >= 20


def test_no_prints_in_the_library() -> None:
    """What is said goes through the log, which the run folder keeps; these few speak before there is one."""
    speakers = {name_of(file) for file in FILES if calls(file, {"print"})}
    allowed = {"__main__", "check"} | {name for name in speakers if name.startswith("commands.")}
    assert speakers - {"progress"} <= allowed  # its bar prints to a console object


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_files_are_small_and_say_what_they_are_for(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    tree = ast.parse(text)
    assert not tree.body or ast.get_docstring(tree), "a module starts with its purpose"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 70, f"{node.name} is long"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), "no bare except"


def test_the_loop_does_not_wait_for_the_device() -> None:
    """Nothing inside `for inputs, targets in …` reads a value from the device: one read a log is enough."""
    tree = ast.parse((PACKAGE / "train" / "fit.py").read_text(encoding="utf-8"))
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For) and "batches.epoch" in ast.unparse(node.iter)]
    assert len(loops) == 1
    words = ast.unparse(loops[0])
    assert all(f".{name}(" not in words for name in ("item", "tolist", "cpu", "numpy", "synchronize"))
