"""Words that a shell would change stand in quotes wherever a person may copy them from."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlexp.config import meant
from dlexp.errors import to_type

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPTIONS = [*sorted((ROOT / "conf").rglob("*.yaml")), *sorted((ROOT / "docs").rglob("*.yaml"))]
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def lines_to_type(file: Path) -> Iterator[str]:
    """Yields the commands of a document or of the comments of a YAML file, and the settings between its backticks."""
    text = file.read_text(encoding="utf-8")
    for line in text.splitlines():
        command = re.search(r"(?:^|# *|`)((?:uv run )?python -m dlexp[^`]*)", line)
        if command:
            yield command[1]
        elif file.suffix == ".md":
            yield from re.findall(r"`([^`]+)`", line)


def unquoted(line: str) -> list[str]:
    """Returns the settings of a line that a shell takes for something else: `data.shape=[3,64,64]` for a pattern."""
    words = re.sub(r"…|(?<==)~/|(?<==)[A-Z]:\\", "", QUOTED.sub("QUOTED", line.split(" #")[0])).split()
    settings = [word for word in words if re.match(rf"{meant.KEY}=", word) and re.split("[.=]", word)[0] in meant.TOP]
    return [word for word in settings if to_type(word) != word]


def test_an_unquoted_pattern_is_found() -> None:
    assert unquoted("python -m dlexp data.shape=[3,64,64] seed=1") == ["data.shape=[3,64,64]"]
    assert unquoted("python -m dlexp 'data.shape=[3,64,64]' \"a='x*'\" data.folder=~/photos  # shape=[3]") == []


def test_what_a_shell_would_change_is_in_quotes() -> None:
    files = [*DOCUMENTS, *OPTIONS]
    assert [(file, found) for file in files for line in lines_to_type(file) for found in unquoted(line)] == []


def sentences(file: Path) -> Iterator[str]:
    """Yields the texts of a module that are no docstrings, `X` standing for what is put into them."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    parts = {id(each) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for each in node.values}
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in parts | alone:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "X" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value


def hints(sentence: str) -> list[str]:
    """Returns the settings within a sentence that a shell takes for something else."""
    words = QUOTED.sub("QUOTED", sentence)
    return re.findall(rf"(?<=\s)(?:{'|'.join(meant.TOP)})[\w.]*=[\[{{*(]\S*", f" {words}") if " " in sentence else []


def test_an_unquoted_hint_is_found() -> None:
    assert hints("say data.range=[LOW,HIGH] or data.fields={X: 1}") == ["data.range=[LOW,HIGH]", "data.fields={X:"]
    assert hints("say 'data.range=[LOW,HIGH]' or data.mean=null") == hints("data.range=[1,2]") == []


def test_what_a_shell_would_change_is_in_quotes_in_sentences() -> None:
    files = sorted((ROOT / "dlexp").rglob("*.py"))
    assert len(files) >= 120
    assert [(file, found) for file in files for text in sentences(file) for found in hints(text)] == []


def test_there_are_commands_to_look_at() -> None:
    seen = [line for file in [*DOCUMENTS, *OPTIONS] for line in lines_to_type(file)]
    assert sum(line.startswith(("python", "uv run")) for line in seen) > 60
    assert sum("'" in line and "[" in line for line in seen) > 10


@pytest.mark.parametrize(
    ("word", "typed"),
    [
        ("optimizer.lr=0.1", "optimizer.lr=0.1"),
        ("data.shape=[3,64,64]", "'data.shape=[3,64,64]'"),
        ("freeze=[conv*]", "'freeze=[conv*]'"),
        ("data.folder=/my photos", "'data.folder=/my photos'"),
        ("seed=range(1,3)", "'seed=range(1,3)'"),
        ("~optimizer", "'~optimizer'"),
        ("optimizer.lr=${lr}", "'optimizer.lr=${lr}'"),
        ("data.root=/数据", "data.root=/数据"),
        (r"data.group_pattern='(patient\d+)'", r"""  "data.group_pattern='(patient\d+)'"  """.strip()),
        ("a='$x'", """'a='"'"'$x'"'"''"""),
    ],
)
def test_a_word_as_it_is_typed(word: str, typed: str) -> None:
    assert to_type(word) == typed
    assert shlex.split(typed) == [word]
