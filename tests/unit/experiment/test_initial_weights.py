"""Weights of another run or file: what is not taken over is told."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dlexp.experiment.initial_weights import initialise, not_handed_on
from dlexp.models.mlp import mlp


def node(**changes: Any) -> dict[str, Any]:
    """Returns an mlp of three layers as a config has it."""
    values = {"_target_": "dlexp.models.mlp.mlp", "shape": [2], "num_outputs": 2, "depth": 3, "width": 4}
    return values | {"activation": "relu", "dropout": 0.0, "batch_norm": False, "residual": False} | changes


def net(**changes: Any) -> nn.Module:
    """Returns that mlp."""
    return mlp(**{key: value for key, value in node(**changes).items() if key != "_target_"})


def test_weights_of_another_name_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "weights.pt"
    torch.save(net().state_dict(), file)
    with caplog.at_level(logging.WARNING):
        initialise(net(residual=True), file, None)
        (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith(f"warning: 4 weights of {file} have other names in this model, which begins without them")
    assert "linear2.weight is residual2.linear2.weight here" in told and "model.residual" in told


def test_what_a_next_stage_is_to_have_anew_is_no_loss() -> None:
    plain, residual = node(), node(residual=True)
    for deeper, first in ((node(depth=5), plain), (residual | {"depth": 5}, residual), (node(num_outputs=7), plain)):
        assert not_handed_on(deeper, first, "stage one") is None
    assert "none of the weights of stage one" in str(not_handed_on(node(width=9), plain, "stage one"))
    for one, other in ((plain, residual), (residual, plain)):
        assert "4 weights of stage one have other names" in str(not_handed_on(one, other, "stage one"))
