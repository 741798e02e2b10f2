"""Paths as people type them, unquoted."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlexp.api import run
from dlexp.config import words
from dlexp.config.axes import axes
from dlexp.config.compose import compose
from dlexp.config.stored import changed_config
from dlexp.errors import UserError
from dlexp.experiment import resume

TYPED = [
    r"D:\深度学习\data",
    r"C:\Program Files (x86)\d",
    "C:\\data\\",
    "\\\\server\\share\\",
    "/data/[old] (copy), 2nd/{x}",
    "/a=b/c=d",
    "/it's/here",
    "/with space",
    "relative/path",
    "/100%/#1",
    "/a\\'b",
    "/a\\\\'b\\",
    "$HOME/data",
    "/data:set",
    "/x'",
    "/é/naïve/数据",
]


@pytest.mark.parametrize("path", TYPED)
@pytest.mark.parametrize("key", ["data.root", "++data.folder"])
def test_a_path_arrives_as_typed(path: str, key: str) -> None:
    config = compose([f"{key}={path}"]).config
    assert config["data"][key.rpartition(".")[2]] == path


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert Path(compose(["data.root=~/data"]).config["data"]["root"]) == tmp_path / "data"


def test_what_a_path_key_leaves_alone() -> None:
    for word in (
        "data.root=null",
        "data.root='quoted'",
        'data.root="quoted"',
        "epochs=3",
        "model=vgg16",
        "data.limit=3",
    ):
        assert words.quoted(word, is_sweep=False) == word
    assert compose(["data.root=null"]).config["data"]["root"] is None


def test_in_a_sweep_a_comma_separates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert words.quoted("data.file=a.csv,b.csv", is_sweep=True) == "data.file=a.csv,b.csv"
    assert words.quoted("data.file=a.csv,b.csv", is_sweep=False) == "data.file='a.csv,b.csv'"
    Path("a.csv,b.csv").write_text("", encoding="utf-8")
    assert words.quoted("data.file=a.csv,b.csv", is_sweep=True) == "data.file='a.csv,b.csv'"


# What is typed on a command line reaches us without NUL; surrogates stand for undecodable bytes.
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=300)


# An empty value and one in quotes are Hydra's own; what begins or ends with a blank, a shell has quoted already.
PATHS = TEXT.filter(lambda text: bool(text) and text[0] not in "'\"~" and text not in ("null",) and "\n" not in text)


@settings(max_examples=60, deadline=None)
@given(PATHS)
def test_quoting_keeps_every_path(path: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    word = words.quoted(f"data.root={path}", is_sweep=False)
    (override,) = OverridesParser.create().parse_overrides([word])
    value = override.value()
    assert str(value) == path


def test_what_only_a_sweep_heeds_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    typed = ["n_jobs=2", "++jobs_per_gpu=1", "on_error=stop", "rerun=true"]
    told = f"warning: {' '.join(typed)} has no effect without -m, which starts a sweep"
    compose(["seed=1", *typed, "dry_run=true"])
    assert caplog.messages == [told]
    with pytest.raises(UserError, match="no such folder"):
        resume.resume_named(str(tmp_path / "none"), typed)
    assert caplog.messages == [told] * 2
    words.read(["-m", "seed=1,2", *typed])
    words.read(["--cfg", "job", *typed], hydra_answers=True)
    assert caplog.messages == [told] * 2


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("epochs=2 epochs=3", "epochs is typed twice: epochs=3 holds"),
        ("epochs=2 epochs=3 epochs=4", "epochs is typed 3 times: epochs=4 holds"),
        ("epochs=3 epochs=2 epochs=3", "epochs is typed twice: epochs=3 holds"),
        ("model=mlp model=cnn", "model is typed twice: model=cnn holds"),
        ("view=grey view=edges", "view is typed twice: view=edges holds; 'view=[grey,edges]' has both"),
        ("view=grey view=none", "view is typed twice: view=none holds"),
        ("freeze=[a] freeze=[b,c]", "freeze is typed twice: 'freeze=[b,c]' holds"),
        ("view=[grey,noise,grey]", "'view=[grey,noise,grey]' names grey more than once, and it counts once"),
        ("view=[grey,noise]", None),
        ("epochs=3 epochs=3", None),
        ("-m epochs=2,4 epochs=3", None),
        ("data.fields={inputs:{kind:plain}} data.fields={targets:{kind:plain}}", None),
    ],
)
def test_what_is_typed_twice_is_told(typed: str, told: str | None, caplog: pytest.LogCaptureFixture) -> None:
    words.read(typed.split())
    assert caplog.messages == ([] if told is None else [f"warning: {told}"])


def test_what_is_typed_twice_is_told_once(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")
    run(["experiment=spiral_mlp", "epochs=2", "epochs=3", "dry_run=true"])
    assert caplog.messages == ["warning: epochs is typed twice: epochs=3 holds"]


NOTES = [
    "lr=0.1, then 0.01",
    "it's",
    "'tis",
    "'a' and 'b'",
    '"',
    "为什么",
    "${x}",
    r"\${x}",
    r"\\${x",
    "???",
    "a\nb",
    "[1,2]",
    "=x",
    "\\",
]


@pytest.mark.parametrize("text", NOTES)
def test_a_note_holds_any_text(text: str) -> None:
    for is_sweep in (False, True):
        (word,) = words.read([*["-m"] * is_sweep, f"note={text}"]).overrides
        assert words.read([word]).overrides == [word], "quoted once"
    assert compose([f"note={text}"]).config["note"] == text
    assert axes([word], []) == [[word]], "its commas separate nothing"
    assert changed_config({"note": None}, [word], {}) == ({"note": text}, [word]), "in a resume"


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_a_note_is_read_as_it_was_typed(text: str) -> None:
    (word,) = words.read([f"note=x{text}"]).overrides
    assert changed_config({"note": None}, [word], {})[0] == {"note": f"x{text}"}


def test_a_note_in_several_words_gets_quotes() -> None:
    with pytest.raises(UserError, match="note=too high is typed 'note=too high'"):
        words.read(["note=too", "high"])
    assert compose(["note=null"]).config["note"] is None
