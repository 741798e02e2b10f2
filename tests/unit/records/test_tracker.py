"""What lands in the run folder: metrics.jsonl, and events read back with TensorBoard's own reader."""

import io
import logging
import math
import random
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import metadata
from torch import Tensor, nn

from dlexp.pictures import curves
from dlexp.records.metrics import read_metrics
from dlexp.records.tracker import Tracker


def _events(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()


def test_metrics_stand_in_the_file_and_in_tensorboard(tmp_path: Path) -> None:
    with Tracker(tmp_path) as tracker:
        tracker.log({"epoch": 1, "step": 10, "train/loss": 0.1 + 0.2, "lr": 0.1, "kind": "epoch", "note/text": "x"})
        tracker.log({"kind": "epoch", "epoch": 2, "step": 20, "train/loss": math.nan, "val/loss": math.inf, "lr": 0.05})
        # A reader sees a line as soon as it is logged.
        assert len(read_metrics(tmp_path)) == 2

    first, second = read_metrics(tmp_path)
    assert first["train/loss"] == 0.1 + 0.2
    assert first["kind"] == "epoch"
    assert second["train/loss"] is None and second["val/loss"] is None

    events = _events(tmp_path)
    assert set(events.Tags()["scalars"]) == {"curves/train/loss", "curves/val/loss", "details/lr"}
    assert [(event.step, event.value) for event in events.Scalars("details/lr")] == [
        (10, pytest.approx(0.1)),
        (20, pytest.approx(0.05)),
    ]
    assert math.isnan(events.Scalars("curves/train/loss")[1].value)
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1


def test_lines_of_short_epochs_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are there when one takes long, when a state is saved, after half a second, and at the end."""
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    with Tracker(tmp_path) as tracker:

        def seen_after(seconds: float, *, validation: float = 0.0) -> int:
            nonlocal now
            now += seconds
            step = tracker._step + 1
            row = {"train/loss": 1 / step, "time/train": seconds, "time/val": validation}
            tracker.log({"kind": "epoch", "epoch": step, "step": step, **row})
            return len(read_metrics(tmp_path))

        assert [seen_after(0.01) for _ in range(3)] == [1, 1, 1]
        assert [seen_after(0.01, validation=0.05), seen_after(0.01), seen_after(0.06)] == [4, 4, 6]
        assert [seen_after(0.04) for _ in range(14)] == [6] * 12 + [19, 19]
        tracker.flush()
        assert len(read_metrics(tmp_path)) == 20
        seen_after(0.01)
    assert [row["step"] for row in read_metrics(tmp_path)] == [*range(1, 22)]
    drawn = _events(tmp_path).Scalars("curves/train/loss")
    assert [event.step for event in drawn] == [*range(1, 22)]
    assert [round(event.wall_time - 1000, 2) for event in drawn[:6]] == [0.01, 0.02, 0.03, 0.04, 0.05, 0.11]


def test_the_learning_rate_is_drawn_once_a_step(tmp_path: Path) -> None:
    """Where `log_steps` divides an epoch's last step, that has a line of each kind; also when it is resumed between."""
    with Tracker(tmp_path) as tracker:
        for step in (5, 10):
            tracker.log({"kind": "steps", "epoch": 1, "step": step, "train/recent_loss": 1.0, "lr": 1 / step})
        tracker.log({"kind": "epoch", "epoch": 1, "step": 10, "train/loss": 1.0, "lr": 0.1})
        tracker.log({"kind": "steps", "epoch": 2, "step": 15, "train/recent_loss": 1.0, "lr": 1 / 15})
        tracker.log({"kind": "steps", "epoch": 2, "step": 20, "train/recent_loss": 1.0, "lr": 0.05})
    with Tracker(tmp_path, resumed_step=20) as tracker:
        tracker.log({"kind": "epoch", "epoch": 2, "step": 20, "train/loss": 0.5, "lr": 0.05})
        tracker.log({"kind": "epoch", "epoch": 3, "step": 23, "train/loss": 0.5, "lr": 0.04})
    events = _events(tmp_path)
    assert [event.step for event in events.Scalars("details/lr")] == [5, 10, 15, 20, 23]
    assert [event.step for event in events.Scalars("curves/train/loss")] == [10, 20, 23]


def test_training_and_validation_share_a_chart(tmp_path: Path) -> None:
    with Tracker(tmp_path) as tracker:
        tracker.log({"kind": "epoch", "epoch": 1, "step": 5, "train/loss": 2.0, "train/accuracy": 0.4})
        tracker.log(
            {
                "kind": "epoch",
                "epoch": 1,
                "step": 9,
                "train/loss": 1.0,
                "train/accuracy": 0.5,
                "val/loss": 1.1,
                "val/accuracy": 0.4,
            }
        )
    tensor = _events(tmp_path).Tensors("custom_scalars__config__")[-1].tensor_proto
    layout = layout_pb2.Layout.FromString(tensor.string_val[0])
    (category,) = layout.category
    assert {chart.title: list(chart.multiline.tag) for chart in category.chart} == {
        "loss": ["curves/train/loss", "curves/val/loss"],
        "accuracy": ["curves/train/accuracy", "curves/val/accuracy"],
    }


def test_loss_and_accuracy_stand_first(tmp_path: Path) -> None:
    """TensorBoard sorts groups by name and opens two: curves, all else that is measured, results, times, pictures."""
    numbers = {f"{split}/{name}": 1.0 for split in ("train", "val") for name in ("loss", "accuracy", "auc")}
    others = {"train/recent_loss": 1.0, "lr": 0.1, "time/train": 1.0, "watch/gradients/norm": 1.0}
    with Tracker(tmp_path) as tracker:
        tracker.log({"kind": "epoch", "epoch": 1, "step": 5, **numbers, **others})
        tracker.figures(curves([{"kind": "epoch", "epoch": n, "train/loss": 1 / n} for n in (1, 2, 3)], {}))
        tracker.log({"kind": "test", "epoch": 1, "step": 5, "test/loss": 1.0, "trained_on/loss": 1.0})
    tags = _events(tmp_path).Tags()
    groups: dict[str, set[str]] = {}
    for tag in sorted([*tags["scalars"], *tags["images"]]):
        group, _, name = tag.partition("/")
        groups.setdefault(group, set()).add(name)
    assert list(groups) == ["curves", "details", "final", "time", "views"]
    assert groups["curves"] == {"train/loss", "train/accuracy", "val/loss", "val/accuracy"}
    assert groups["final"] == {"test/loss", "trained_on/loss"}
    other = tmp_path / "other"
    other.mkdir()
    with Tracker(other, leading=("loss", "auc")) as tracker:
        tracker.log({"kind": "epoch", "epoch": 1, "step": 5, **numbers})
    assert {tag for tag in _events(other).Tags()["scalars"] if "accuracy" in tag} == {
        "details/train/accuracy",
        "details/val/accuracy",
    }


def test_text_is_shown(tmp_path: Path) -> None:
    with Tracker(tmp_path) as tracker:
        tracker.text("config", "```yaml\nmodel: 模型\n```")
    tensor = _events(tmp_path).Tensors("config/text_summary")[0].tensor_proto
    assert "模型" in tensor.string_val[0].decode("utf-8")


def test_a_figure_is_a_file_and_an_image(tmp_path: Path) -> None:
    history = [
        {"kind": "epoch", "epoch": epoch, "train/loss": 1 / epoch, "val/loss": 1.2 / epoch} for epoch in (1, 2, 3)
    ]
    with Tracker(tmp_path) as tracker:
        tracker.log({"step": 7, "epoch": 1})
        tracker.figures(curves(history, {}))
    file = (tmp_path / "plots" / "loss.png").read_bytes()
    (image,) = _events(tmp_path).Images("views/loss")
    assert image.encoded_image_string == file
    assert image.step == 7
    assert Image.open(io.BytesIO(file)).size == (image.width, image.height)


def test_one_row_in_the_hparams_tab_with_final_metrics(tmp_path: Path) -> None:
    with Tracker(tmp_path) as tracker:
        tracker.log({"step": 1, "val/accuracy": 0.9})
        tracker.log({"step": 2, "val/accuracy": 0.8})
        tracker.log({"step": 2, "test/accuracy": 0.85})
        params = {"lr": 0.1, "optimizer": "adam", "nesterov": True, "ema": None, "betas": [0.9, 0.99]}
        tracker.hparams(
            params, {"optimizer"}, {"val/accuracy": 0.9, "test/accuracy": 0.85, "test/loss": None}, "an arm"
        )

    # A second run of its own is what TensorBoard's add_hparams would have made.
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    events = _events(tmp_path)
    data = events.summary_metadata
    start = metadata.parse_session_start_info_plugin_data(data[metadata.SESSION_START_INFO_TAG].plugin_data.content)
    assert start.hparams["lr"].number_value == 0.1
    texts = {name: start.hparams[name].string_value for name in ("optimizer", "nesterov", "ema", "betas")}
    assert texts == {"optimizer": "adam", "nesterov": "true", "ema": "none", "betas": "[0.9, 0.99]"}
    experiment = metadata.parse_experiment_plugin_data(data[metadata.EXPERIMENT_TAG].plugin_data.content)
    names = {info.display_name: info.name.tag for info in experiment.metric_infos}
    assert names == {"val/accuracy": "final/val/accuracy", "test/accuracy": "final/test/accuracy"}
    assert {info.name for info in experiment.hparam_infos if info.differs} == {"optimizer"}
    assert start.group_name == "an arm"
    assert [event.value for event in events.Scalars("final/val/accuracy")] == [pytest.approx(0.9)]
    assert len(events.Scalars("final/test/accuracy")) == 1
    assert metadata.SESSION_END_INFO_TAG in data


class _Noisy(nn.Module):
    """Draws random numbers, keeps statistics, prints and branches on data: all that tracing could leak or
    disturb.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))
        self.frozen = nn.BatchNorm1d(8)
        self.calls: Tensor
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        print("forward")
        hidden = self.frozen(self.first(inputs)) + torch.rand(8)
        return hidden * 2 if hidden.sum() > 0 else hidden


def test_the_graph_is_drawn_and_the_model_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    model = _Noisy().train()
    model.frozen.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = {name: module.training for name, module in model.named_modules()}
    torch.manual_seed(5)
    random_state, python_state = torch.get_rng_state(), random.getstate()
    with Tracker(tmp_path) as tracker:
        tracker.graph(model, torch.randn(6, 4, generator=torch.Generator().manual_seed(0)))
    assert _events(tmp_path).Tags()["graph"] is True
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert modes == {name: module.training for name, module in model.named_modules()}
    assert torch.equal(random_state, torch.get_rng_state())
    assert python_state == random.getstate()
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")
    assert [entry for entry in caplog.records if entry.name.startswith("dlexp")] == []


class _Untraceable(nn.Module):
    def forward(self, inputs: Tensor) -> Any:
        raise KeyError("traced in vain\nwith a second line")


def test_a_model_that_cannot_be_traced_costs_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with Tracker(tmp_path) as tracker:
        tracker.graph(_Untraceable(), torch.zeros(1, 4))
    (message,) = caplog.messages
    assert "cannot be traced" in message and "traced in vain" in message and "\n" not in message
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")


def test_closing_twice_is_allowed(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path)
    tracker.close()
    tracker.close()
    assert (tmp_path / "metrics.jsonl").read_text(encoding="utf-8") == ""
