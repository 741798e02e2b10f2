"""Who may import whom, read from the source: the data flow points in one direction."""

import ast
import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT, child_environment

from dlexp.config import cell
from dlexp.records import folder

PACKAGE = ROOT / "dlexp"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 260

# Who may import whom: each line from those below it, and nobody from a neighbour on the same line. A new folder of the
# package finds its line here; a new file belongs to its folder's.
FLOORS = [
    ["__main__"],
    ["commands"],
    ["api"],
    ["compare"],
    ["sweep", "find"],
    ["search", "report"],
    ["experiment"],
    ["config", "profiling"],
    ["train"],
    ["methods", "watch"],
    ["tasks"],
    ["data"],
    ["records"],
    ["pictures", "models", "optimizers", "augment", "criteria", "schedules", "metrics"],
    ["console"],
    ["machine"],
    ["errors", "ranges", "metric", "batch"],
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# Groups of conf/ and the folders that hold what their options call, where a folder holds nothing else.
FOLDERS = {
    "model": "models",
    "data": "data",
    "criterion": "criteria",
    "scheduler": "schedules",
    "task": "tasks",
    "metric": "metrics",
}


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(file) for file in FILES} - {""}


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imports(file: Path, at_top: bool = False) -> set[str]:
    """Returns the full names a file imports; with `at_top` only those that importing it imports."""
    tree = tree_of(file)
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


@cache
def own_imports(file: Path) -> set[str]:
    """Returns the modules of this package that a file imports, without the leading `dlexp.`."""
    found = set()
    for name in imports(file):
        if name == "dlexp" or name.startswith("dlexp."):
            short = name.removeprefix("dlexp").strip(".")
            while short and short not in MODULES:  # the last word is a class or a function
                short = short.rpartition(".")[0]
            found.add(short)
    return found - {""}


def test_the_files_are_found() -> None:
    assert len(FILES) >= 120
    assert {"config.check", "train.batches", "models.vgg", "train.fit", "commands.download"} <= {
        name_of(f) for f in FILES
    }


def test_the_tests_mirror_the_house() -> None:
    """A file of unit/ is about a module, or a whole folder; two of one name would hide each other from pytest."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    rooms = {file.relative_to(ROOT / "tests").parts[0] for file in files}
    assert rooms == {"unit", "end_to_end", "docs", "test_architecture.py"}
    for file in (file.relative_to(ROOT / "tests" / "unit") for file in files if "unit" in file.parts):
        room, name = PACKAGE / file.parent, file.stem.removeprefix("test_")
        assert (room / "__init__.py").is_file() and (name == room.name or (room / f"{name}.py").is_file()), file
    names = [file.name for file in files]
    assert len(names) >= 60 and len(names) == len(set(names))


def test_configs_stop_at_the_door() -> None:
    for library in ("hydra", "omegaconf"):
        assert {name.split(".")[0] for name in users_of(library)} == {"config"}


def test_the_design_says_what_is_so() -> None:
    """Its floors are those of here, and the files that it names are there."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    (block,) = [block for block in re.findall(r"```text\n(.*?)```", text, re.DOTALL) if block.startswith("__main__\n")]
    rooms = {room for floor in FLOORS for room in floor}
    floors = [set(itertools.takewhile(rooms.__contains__, line.split())) for line in block.splitlines()]
    assert floors == [set(floor) for floor in FLOORS]
    files = set(re.findall(r"`([\w/]+\.(?:py|yaml))`", text))
    assert len(files) >= 25
    assert not [
        name for name in files if not (PACKAGE / name.removeprefix("dlexp/")).exists() and not (ROOT / name).exists()
    ]


def below(room: str) -> list[Path]:
    return [file for file in FILES if FLOOR_OF.get(name_of(file).split(".")[0], -1) >= FLOOR_OF[room]]


# What a config holds in its groups: ("optimizer", "lr"), ("model", "width"), …
SETTINGS = {
    (group.name, key)
    for group in (ROOT / "conf").iterdir()
    for file in group.rglob("*.yaml")
    for key in re.findall(r"^(\w+):", file.read_text(encoding="utf-8"), re.MULTILINE)
}


def words_of_a_config(source: str) -> set[str]:
    """Returns what is called cfg or config in a source, and which settings it reads: `any.optimizer.lr`, or by keys."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        name = getattr(node, "arg", None) if isinstance(node, ast.arg) else getattr(node, "id", None)
        if name in ("cfg", "config"):
            found.add(name)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
            read = node.value.attr, node.attr
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Subscript):
            read = ast.unparse(node.value.slice).strip("'"), ast.unparse(node.slice).strip("'")
        else:
            continue
        if read in SETTINGS:
            found.add(".".join(read))
    return found


@pytest.mark.parametrize("file", below("train"), ids=name_of)
def test_nothing_below_the_config_knows_one(file: Path) -> None:
    """Below `config/` there are plain values: nothing is called cfg or config, and nobody asks one for a setting."""
    assert words_of_a_config(file.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    "line",
    [
        "def f(cfg): return cfg.optimizer.lr",
        "run.optimizer.lr",
        "run['model']['widths']",
        "lambda config: 1",
    ],
)
def test_a_config_is_found(line: str) -> None:
    assert words_of_a_config(line)


RUN_FILES = [
    name
    for key, value in vars(folder).items()
    if key.isupper()
    for name in (value.split("/") if isinstance(value, str) else ())
]


def run_file_names(source: str) -> list[str]:
    """Returns the strings of a source, other than docstrings, in which it names a file or folder of a run.

    A word such as `weights` is a folder's name only after `/`.
    """
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    divisions = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)]
    conf = {id(node.right) for node in divisions if ast.unparse(node.left).endswith("CONF")}
    joined = {id(node.right) for node in divisions} - conf
    files = "|".join(re.escape(name) for name in RUN_FILES if "." in name[1:])
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | conf:
            is_file = re.search(rf"(?<![\w.-])({files}|step-\*)(?![\w-])", node.value)
            if is_file or (id(node) in joined and node.value.split("/")[0] in RUN_FILES):
                found.append(node.value)
    return found


def test_one_module_knows_what_the_files_of_a_run_are_called() -> None:
    assert len(RUN_FILES) >= 20 and {"run.json", "weights", "best.pt", "log.txt", ".lock"} <= set(RUN_FILES)
    named = {name_of(file): run_file_names(file.read_text(encoding="utf-8")) for file in FILES}
    assert len(named.pop("records.folder")) >= 12
    assert not {name: found for name, found in named.items() if found}


@pytest.mark.parametrize(
    "line",
    [
        "path = folder / 'run.json'",
        "paths = folder.glob('*/run.json')",
        "LOG_FILE = 'log.txt'",
        "best = folder / 'weights' / name",
        "lock = folder / '.lock'",
        "sorted(folder.glob('checkpoints/step-*.pt'))",
        "raise UserError(f'{folder} lacks config.yaml')",
    ],
)
def test_the_name_of_a_run_file_is_found(line: str) -> None:
    assert len(run_file_names(line)) == 1


def test_the_names_of_other_files_are_not() -> None:
    source = "'A docstring: run.json'; [CONF / 'config.yaml', entry['weights'], f'.{name}.lock', config['profile']]"
    assert run_file_names(source) == []


def test_torchvision_has_one_door() -> None:
    assert users_of("torchvision") == set(), "vision.py imports it by name, when it is needed"
    mentions = {
        name_of(file)
        for file in FILES
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module")
        if "torchvision" in ast.unparse(node)
    }
    assert mentions <= {"models.vision"}


# Of Python, NumPy, Hydra and torchmetrics. A private name of torch belongs into `torch_private.py`, with its gain and
# a test.
OTHERS_PRIVATE = set(
    "__macosx _args_ _asdict _check_help _exit _fields _find_and_load _get_root _getframe _open _partial_ _reconstruct"
    " _parent_ _reductions _replace _target_ _thread".split()
)


def is_private(name: str) -> bool:
    """Whether a name begins with `_`, other than `__name__` and its like, which are the language's."""
    return name.startswith("_") and not name.endswith("__")


def own_private_names(tree: ast.Module) -> set[str]:
    """Returns the private names that a file gives to its functions, classes, variables and attributes of `self`."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                names.add(node.attr)
    return {name for name in names if is_private(name)}


def private_words(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yields lines and private names that a file imports, takes from an object, or has as a string."""
    pieces = {id(piece) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for piece in node.values}
    for node in ast.walk(tree):
        dotted: list[str] = []
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(("dlexp", "__future__")):
            dotted = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            dotted = [node.attr]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            dotted = re.findall(r"^[\w.]+$", node.value)  # for `getattr`, `import_module` and their like
        for word in (word for name in dotted for word in name.split(".") if is_private(word)):
            yield node.lineno, word


def foreign_private_names(sources: dict[str, str]) -> list[str]:
    trees = {name: ast.parse(source) for name, source in sources.items()}
    own = set().union(*map(own_private_names, trees.values())) | OTHERS_PRIVATE
    return [f"{name}:{line}: {word}" for name in trees for line, word in private_words(trees[name]) if word not in own]


def test_private_names_of_torch_stand_in_one_module() -> None:
    files = [*FILES, *(ROOT / "benchmarks").rglob("*.py")]
    sources = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}
    there = sources.pop("dlexp/machine/torch_private.py")
    assert foreign_private_names(sources) == []
    assert foreign_private_names({"dlexp/own.py": there}), "nothing is found there: can this test still fail?"


@pytest.mark.parametrize(
    "line",
    [
        "import torch._dynamo",
        "from torch.utils.tensorboard import _pytorch_graph",
        "from torch.nn.modules.conv import _ConvNd",
        "kinds = nn.modules.batchnorm._BatchNorm",
        "path = torch._C.__file__",
        "optimizer._opt_called = True",
        "step.__dynamo_disable = step",
        "hooks = getattr(optimizer, '_optimizer_step_pre_hooks')",
        "config = importlib.import_module('torch._dynamo.config')",
        "MARK = '__dynamo_disable'",
        "class Own(Optimizer):\n    def step(self): return self._optimizer_step_post_hooks",
    ],
)
def test_a_private_name_of_torch_is_found(line: str) -> None:
    assert len(foreign_private_names({"dlexp/own.py": line})) == 1


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_who_may_import_whom(file: Path) -> None:
    room = name_of(file).split(".")[0]
    if room == "__init__":  # dlexp/__init__.py imports the api when it is asked for it
        return
    assert room in FLOOR_OF, f"say in FLOORS where {room} stands"
    others = {name.split(".")[0] for name in own_imports(file)} - {room}
    wrong = {other for other in others if FLOOR_OF[other] <= FLOOR_OF[room]}
    assert not wrong, f"dlexp.{name_of(file)} may not import {wrong}"


@pytest.mark.parametrize("group", FOLDERS)
def test_options_are_independent(group: str) -> None:
    """What an option calls never imports what another option calls: only what they share."""
    files = sorted((ROOT / "conf" / group).rglob("*.yaml"))
    targets = {
        word.rpartition(".")[0].removeprefix("dlexp.")
        for file in files
        for word in re.findall(r"_target_: (dlexp\.[\w.]+)", file.read_text(encoding="utf-8"))
    }
    assert len(files) >= 2 and len(targets) >= 2
    for name in targets:
        assert name.startswith(f"{FOLDERS[group]}."), f"an option of {group} calls {name}"
        (file,) = [file for file in FILES if name_of(file) == name]
        assert not own_imports(file) & (targets - {name}), name


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
    "dlexp dlexp.__main__ dlexp.config.registry dlexp.config.help dlexp.config.schema dlexp.config.cell dlexp.errors"
    " dlexp.ranges dlexp.records.run_json dlexp.records.metrics"
    " dlexp.machine.environment dlexp.machine.signals dlexp.machine.lock_file"
    " dlexp.data.facts dlexp.sweep.ledger dlexp.sweep.table dlexp.sweep.arms dlexp.report.listing dlexp.report.making"
    " dlexp.report.terminal dlexp.report.texts dlexp.report.frame dlexp.report.plan"
    " dlexp.compare.said dlexp.compare.study"
    " dlexp.search.space dlexp.search.sequence dlexp.search.settings dlexp.search.pruning dlexp.search.tpe"
)

WITHOUT_TORCH = (
    "data.fetch.download config.compose config.check config.build sweep.plan sweep.search sweep.launchers.local"
    " sweep.launchers.slurm report.writing report.page report.figures compare.question compare.planning"
)


def test_light_modules_import_nothing_heavy() -> None:
    """One process each would be slow: they are imported one after the other, and the first heavy one is named."""
    code = f"""
import importlib, sys
for name in {LIGHT.split()} + {[f"dlexp.commands.{f.stem}" for f in (PACKAGE / "commands").glob("*.py")]}:
    importlib.import_module(name)
    heavy = {{"torch", "numpy", "hydra", "omegaconf", "matplotlib", "PIL"}} & set(sys.modules)
    assert not heavy, (name, heavy)
for name in {WITHOUT_TORCH.split()}:
    importlib.import_module("dlexp." + name)
    heavy = {{"torch", "matplotlib", "torchvision"}} & set(sys.modules)
    assert not heavy, (name, heavy)
import dlexp.models.torchvision
assert "torch" in sys.modules and "torchvision" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=child_environment())
    assert done.returncode == 0, done.stderr


def calls(file: Path, names: set[str]) -> list[ast.Call]:
    tree = tree_of(file)
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
    for file in [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
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
    allowed = {"__main__", "console.exit_code"} | {name for name in speakers if name.startswith("commands.")}
    assert speakers - {"console.training_progress"} <= allowed  # its bar prints to a console object


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


def waits(source: str) -> set[str]:
    """Returns what a source calls that reads a value from the device, for which the host waits."""
    called = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    names = {func.attr for func in called if isinstance(func, ast.Attribute)}
    names &= {"item", "tolist", "cpu", "numpy", "synchronize", "__float__", "__int__", "__bool__"}
    return names | {func.id for func in called if isinstance(func, ast.Name)} & {"float", "int", "bool", "print"}


@pytest.mark.parametrize("name", ["fit", "step"])
def test_the_loop_does_not_wait_for_the_device(name: str) -> None:
    """The losses and sums are read once a log, in losses.py."""
    assert waits((PACKAGE / "train" / f"{name}.py").read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("line", ["loss.item()", "float(state.losses[0])", "x = loss.mean().cpu()"])
def test_a_wait_is_found(line: str) -> None:
    assert waits(line)


def test_only_code_that_can_change_a_result_is_in_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Console, pictures and commands may change without a word about runs that are there."""
    assert all((PACKAGE / place).exists() for place in cell.SHOWS), "a place that is named there moved"
    beneath = {room for rooms in FLOORS[FLOOR_OF["experiment"] :] for room in rooms}
    assert {place for place in cell.SHOWS if place in beneath} == {"profiling", "pictures", "console"}
    copy = shutil.copytree(PACKAGE, tmp_path / "dlexp", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(cell, "CODE", copy)
    monkeypatch.setattr(cell, "own_code", cell.own_code.__wrapped__)  # which a process keeps
    before = cell.code_version()
    for name in (
        "console/wording",
        "pictures/lines",
        "commands/train",
        "sweep/table",
        "records/tracker",
        "config/help",
    ):
        with (copy / f"{name}.py").open("a", encoding="utf-8") as file:
            file.write("# another word")
        assert cell.code_version() == before, name
    for name in ("train/fit", "models/mlp", "config/build", "records/weights", "of_a_new_kind"):
        with (copy / f"{name}.py").open("a", encoding="utf-8") as file:
            file.write("# another word")
        before, changed = cell.code_version(), before
        assert changed != before, name
