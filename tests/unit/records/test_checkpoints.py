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
