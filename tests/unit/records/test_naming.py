"""Names of folders that every file system takes, and that nobody shares."""

import os
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dlexp.records.naming import new_folder, plain_name

# What is typed on a command line reaches us without NUL; surrogates stand for undecodable bytes.
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=300)


@settings(max_examples=150, deadline=None)
@given(TEXT)
def test_plain_names(text: str) -> None:
    name = plain_name(text)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,98}", name)
    assert not name.startswith((".", "-")) and name == plain_name(text)


def test_large_and_small_numbers_stay_apart() -> None:
    assert [plain_name(text) for text in ("lr 1e+10", "lr 1e-10", "a+b", "e+1")] == [
        "lr-1e10",
        "lr-1e-10",
        "a-b",
        "e-1",
    ]


def test_long_names_stay_apart() -> None:
    names = {plain_name("x" * 200 + str(index)) for index in range(20)}
    assert len(names) == 20


def test_new_folders_are_never_shared(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: new_folder(tmp_path / "outputs", "mlp-spiral"), range(24)))
    assert len(set(folders)) == 24 and all(folder.is_dir() for folder in folders)
    assert {folder.name for folder in folders} == {"mlp-spiral", *(f"mlp-spiral-{i}" for i in range(2, 25))}
    assert os.listdir(tmp_path) == ["outputs"]
