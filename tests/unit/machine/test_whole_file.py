"""A file is written whole or not at all."""

from pathlib import Path

import pytest

from dlexp.machine.whole_file import unfinished, whole_file


def test_a_failing_save_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="disk"), whole_file(path) as file:
        file.write(b"half")
        raise OSError("disk full")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_what_a_kill_leaves_is_told_from_the_files_of_others(tmp_path: Path) -> None:
    for name in (".notes.tmp", ".file.1a_b.tmp", "unfinished-file.tmp"):
        (tmp_path / name).write_bytes(b"of somebody else")
    with whole_file(tmp_path / "file"):
        [half] = unfinished(tmp_path)  # a process that is killed now leaves it
    assert not unfinished(tmp_path) and not half.exists()
