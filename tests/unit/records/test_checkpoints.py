"""Files of weights that are damaged or another program's: a sentence that names them."""

from pathlib import Path

import pytest
import torch

from dlexp.errors import UserError
from dlexp.records import checkpoints


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"hello"])
def test_damaged_weights_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match="can't be read"):
        checkpoints.load(path)
    with pytest.raises(UserError, match="there is no file"):
        checkpoints.load(tmp_path / "nothing.pt")


def test_weights_of_another_program_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "foreign.pt")
    with pytest.raises(UserError, match="not a file of dlexp"):
        checkpoints.load(tmp_path / "foreign.pt")


def test_best_weights_wait_a_second_for_the_disk_but_not_for_what_belongs_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now)
    best = checkpoints.BestWeights(tmp_path / "best.pt")

    def written(epoch: int, **when: bool) -> int:
        best.keep({"epoch": epoch})
        best.write(**when)
        return int(checkpoints.load(tmp_path / "best.pt")["epoch"])

    assert written(1) == 1
    assert written(2) == 1
    assert written(3, is_due=True) == 3
    assert written(4) == 3
    now += checkpoints.BEST_SECONDS
    assert written(5) == 5
    assert written(6, is_last=True) == 6
