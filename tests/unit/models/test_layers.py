"""Summary and shape check: numbers against those counted by hand, mistakes against their sentences."""

import pytest
import torch
from small import check_shapes, summary_of
from torch import nn

from dlexp.errors import UserError
from dlexp.models.cnn import cnn
from dlexp.models.layers import format_summary
from dlexp.models.mlp import mlp


def small_network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 5)
    )


def test_numbers_are_those_counted_by_hand():
    summary = summary_of(small_network(), [3, 8, 8])
    conv, norm, relu, pool, flatten, last = summary["layers"]
    assert conv == {
        "name": "0",
        "type": "Conv2d",
        "kernel": [3, 3],
        "stride": [1, 1],
        "padding": [1, 1],
        "input_shape": [3, 8, 8],
        "output_shape": [4, 8, 8],
        "parameters": 3 * 9 * 4 + 4,
        "flops": 2 * 3 * 9 * 4 * 64,
    }
    assert (norm["parameters"], relu["parameters"], pool["output_shape"]) == (8, 0, [4, 4, 4])
    assert (pool["kernel"], pool["stride"], pool["padding"], pool["input_shape"]) == ([2, 2], [2, 2], [0, 0], [4, 8, 8])
    assert (flatten["kernel"], flatten["output_shape"]) == (None, [64])
    assert (last["parameters"], last["flops"], last["output_shape"]) == (64 * 5 + 5, 2 * 64 * 5, [5])
    assert summary["parameters"] == summary["trainable"] == 112 + 8 + 325
    assert summary["flops"] == conv["flops"] + last["flops"]


def test_the_table_shows_windows_and_both_sizes():
    layers = nn.Sequential(nn.Conv1d(2, 4, 3, stride=2, padding="valid"), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    first, second, third = format_summary(summary_of(layers, [2, 9])).splitlines()[1:4]
    assert first.split()[:7] == ["0", "Conv1d", "3", "2", "valid", "2×9", "4×4"]
    assert second.split()[2:7] == ["-", "-", "-", "4×4", "4×1"] and third.split()[5:7] == ["4×1", "4"]


def test_the_model_is_left_as_it_was():
    model = small_network().train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    summary_of(model, [3, 8, 8])
    check_shapes(model, [3, 8, 8], 5, "own")
    assert model.training and all(module.training for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_model_without_values_has_the_same_summary():
    with torch.device("meta"):
        empty = small_network()
    assert summary_of(empty, [3, 8, 8]) == summary_of(small_network(), [3, 8, 8])


def test_frozen_weights_are_not_trainable():
    model = small_network()
    model[0].requires_grad_(False)
    summary = summary_of(model, [3, 8, 8])
    assert summary["parameters"] - summary["trainable"] == 112
    assert "112 of them frozen" in format_summary(summary)


class Recurrent(nn.Module):
    """One layer used three times, and a weight that belongs to no layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4, bias=False)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        for _ in range(3):
            x = self.layer(x)
        return x * self.scale


def test_a_layer_used_three_times_has_its_weights_once_and_its_flops_thrice():
    summary = summary_of(Recurrent(), [4])
    whole, layer = summary["layers"]
    assert (whole["parameters"], layer["parameters"], layer["flops"]) == (4, 16, 3 * 2 * 16)
    assert (summary["parameters"], summary["flops"]) == (20, 96)


class LooksAtValues(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else self.layer(-x)


@pytest.fixture
def without_memory(monkeypatch):
    """Treats every model as one too large for the CPU."""
    monkeypatch.setattr("dlexp.models.layers.LARGEST_ON_CPU", 0)


def test_a_model_that_looks_at_values_is_run_on_zeros():
    assert summary_of(LooksAtValues(), [4])["flops"] == 16
    check_shapes(LooksAtValues(), [4], 2, "own")


def test_a_large_model_has_the_same_summary(without_memory):
    large = summary_of(small_network(), [3, 8, 8])
    assert large["flops"] == 2 * 3 * 9 * 4 * 64 + 2 * 64 * 5
    assert [row["output_shape"] for row in large["layers"]][-1] == [5]
    with pytest.raises(UserError, match="expects 3 channels but gets 1"):
        check_shapes(small_network(), [1, 8, 8], 5, "own")


def test_a_large_model_that_looks_at_values_has_no_flops_and_passes(without_memory):
    summary = summary_of(LooksAtValues(), [4])
    assert summary["flops"] is None and summary["parameters"] == 10
    assert "10 parameters" in format_summary(summary)
    check_shapes(LooksAtValues(), [4], 2, "own")


def test_the_table_is_aligned():
    lines = format_summary(summary_of(small_network(), [3, 8, 8])).splitlines()
    assert len(lines) == 8
    assert len({len(line) for line in lines[:-1]}) == 1
    assert lines[1].split() == ["0", "Conv2d", "3×3", "1×1", "1×1", "3×8×8", "4×8×8", "112", "13,824"]
    assert lines[-1] == "445 parameters, 14,464 FLOPs per sample forward (a multiply-add is 2)"


@pytest.mark.parametrize(
    ("model", "shape", "sentence"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(5, 3)), [2], "'1' (Linear) expects 5 inputs but gets 2 ("),
        (small_network(), [1, 8, 8], "layer '0' (Conv2d) expects 3 channels but gets 1 (its input is N×1×8×8)"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(5)), [3, 8, 8], "(BatchNorm2d) expects 5 channels but"),
        (nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(2)), [3, 2, 2], "MaxPool2d) can't take an input of shape N×3×1×1"),
        (small_network(), [3, 16, 16], "layer '5' (Linear) expects 64 inputs but gets 256"),
    ],
)  # fmt: skip
def test_a_mismatch_names_the_layer_and_the_shapes(model, shape, sentence):
    with pytest.raises(UserError) as caught:
        check_shapes(model, shape, 3, "own")
    assert sentence in str(caught.value)
    assert f"model own does not fit data of shape {shape}" in str(caught.value)
    assert "\n" not in str(caught.value)


class Adds(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.left(x) + self.right(x)


def test_a_mismatch_between_layers_names_their_model():
    with pytest.raises(UserError, match=r"the model itself \(Adds\) can't take an input of shape N×4: "):
        check_shapes(Adds(), [4], 3, "adds")


def test_a_wrong_number_of_outputs_is_a_sentence():
    with pytest.raises(UserError, match=r"outputs of shape N×5, but data.num_outputs=10 asks for N×10"):
        check_shapes(small_network(), [3, 8, 8], 10, "own")


def test_an_output_that_is_no_tensor_is_a_sentence():
    with pytest.raises(UserError, match=r"returns a tuple, but data.num_outputs=3 asks for N×3"):
        check_shapes(nn.LSTM(4, 3, batch_first=True), [7, 4], 3, "lstm")


def test_lazy_layers_are_a_sentence():
    with pytest.raises(UserError, match=r"lazy layers.*\$\{data.shape\}"):
        check_shapes(nn.Sequential(nn.LazyLinear(3)), [4], 3, "own")


def test_a_bug_in_a_model_stays_a_traceback():
    class Broken(nn.Module):
        def forward(self, x):
            return x.no_such_thing

    with pytest.raises(AttributeError):
        check_shapes(Broken(), [4], 3, "own")


def test_own_models_on_the_meta_device_pass():
    with torch.device("meta"):
        check_shapes(
            cnn(
                shape=[3, 32, 32],
                num_outputs=10,
                widths=[4, 8],
                convolutions=1,
                kernel=3,
                activation="relu",
                pool="max",
                batch_norm=True,
                dropout=0.1,
            ),
            [3, 32, 32],
            10,
            "cnn",
        )
        model = mlp(
            shape=[2], num_outputs=3, depth=2, width=8, activation="relu", dropout=0.0, batch_norm=True, residual=False
        )
    check_shapes(model, [2], 3, "mlp")
