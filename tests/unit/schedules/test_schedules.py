"""Schedules: the learning rate at known steps, one step of training each, and a saved state that loads again."""

import importlib
import math

import pytest
import torch
import yaml
from conftest import ROOT

from dlexp.errors import UserError
from dlexp.schedules.constant import constant
from dlexp.schedules.cosine import cosine
from dlexp.schedules.linear import linear
from dlexp.schedules.multistep import multistep
from dlexp.schedules.onecycle import onecycle
from dlexp.schedules.rising_momentum import rising_momentum

CONF = ROOT / "conf"
FILES = sorted((CONF / "scheduler").glob("*.yaml"))


def from_yaml(file, optimizer, total_steps):
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    module, _, name = values.pop("_target_").rpartition(".")
    return getattr(importlib.import_module(module), name)(optimizer, total_steps, **values)


def optimizer_of(lr=1.0):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def rates(make, total_steps, lr=1.0, **values):
    """The learning rate that each step of the run uses."""
    optimizer = optimizer_of(lr)
    schedule = make(optimizer, total_steps, **values)
    used = []
    for _ in range(total_steps):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return used


def test_every_file_is_collected():
    assert len(FILES) >= 5


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("total_steps", [1, 2, 7, 400])
def test_rates_lie_between_0_and_the_peak(file, total_steps):
    used = rates(lambda *args: from_yaml(file, *args), total_steps, lr=0.5)
    assert all(0 < rate <= 0.5 for rate in used)
    if total_steps == 400:
        assert max(used) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_saved_state_continues_where_it_was(file, tmp_path):
    def run(steps, state=None):
        optimizer = optimizer_of()
        schedule = from_yaml(file, optimizer, 20)
        if state is not None:
            schedule.load_state_dict(state["schedule"])
            optimizer.load_state_dict(state["optimizer"])
        used = []
        for _ in range(steps):
            used.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return used, {"schedule": schedule.state_dict(), "optimizer": optimizer.state_dict()}

    whole, _ = run(20)
    first, state = run(8)
    torch.save(state, tmp_path / "state.pt")
    second, _ = run(12, torch.load(tmp_path / "state.pt", weights_only=True))
    assert first + second == whole


def test_warmup_rises_in_equal_steps_and_then_stays():
    used = rates(constant, 10, warmup=0.4)
    assert used == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1])


def test_cosine_passes_its_middle_at_half_time():
    used = rates(cosine, 100, lr=2.0, warmup=0.0, final=0.1)
    assert used[0] == pytest.approx(2.0)
    assert used[50] == pytest.approx(2.0 * (0.1 + 0.9 / 2))
    assert used[25] == pytest.approx(2.0 * (0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2))
    assert used[99] == pytest.approx(0.2, rel=0.01)


def test_cosine_starts_to_fall_after_the_warmup():
    used = rates(cosine, 100, warmup=0.2, final=0.0)
    assert used[0] == pytest.approx(1 / 21)
    assert used[20] == pytest.approx(1.0)
    assert used[60] == pytest.approx(0.5)


def test_linear_falls_in_equal_steps():
    assert rates(linear, 5, warmup=0.0, final=0.0) == pytest.approx([1, 0.8, 0.6, 0.4, 0.2])
    assert rates(linear, 4, warmup=0.0, final=0.5) == pytest.approx([1, 0.875, 0.75, 0.625])


def test_multistep_falls_at_parts_of_the_run():
    used = rates(multistep, 8, warmup=0.0, milestones=[0.5, 0.75], gamma=0.1)
    assert used == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_onecycle_goes_up_down_and_below_its_start():
    used = rates(onecycle, 100, warmup=0.4, last=0.2, initial=0.1, final=0.01)
    assert used[0] == pytest.approx(0.1)
    assert used[20] == pytest.approx(0.55)
    assert used[40] == pytest.approx(1.0)
    assert used[60] == pytest.approx(0.55)
    assert used[80] == pytest.approx(0.1)
    assert used[90] == pytest.approx(0.055)


def test_groups_keep_their_ratio():
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": weights[:1], "lr": 1.0}, {"params": weights[1:], "lr": 0.1}])
    schedule = cosine(optimizer, 10, warmup=0.0, final=0.0)
    for _ in range(5):
        optimizer.step()
        schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.5, 0.05])


def test_beyond_the_end_the_last_rate_stays():
    optimizer = optimizer_of()
    schedule = cosine(optimizer, 4, warmup=0.0, final=0.25)
    for _ in range(9):
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.25)


def test_a_milestone_in_epochs_is_a_sentence():
    with pytest.raises(UserError, match="fractions of the run, from 0 to 1, not 30"):
        multistep(optimizer_of(), 100, warmup=0.0, milestones=[30], gamma=0.1)


def test_a_cycle_without_time_to_come_down_is_a_sentence():
    with pytest.raises(UserError, match="leave no time for the way down"):
        onecycle(optimizer_of(), 100, warmup=0.6, last=0.4, initial=0.1, final=0.0)


def test_momentum_rises_once() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3, momentum=0.7)
    schedule = rising_momentum(optimizer, 8, early=0.5, late=0.9, at=0.25)
    used = []
    for _ in range(8):
        used.append((optimizer.param_groups[0]["momentum"], optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step()
    assert used == [(0.5, 0.3)] * 2 + [(0.9, 0.3)] * 6
    adam = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    with pytest.raises(UserError, match="Adam has none; optimizer=sgd has"):
        rising_momentum(adam, 8, early=0.5, late=0.9, at=0.25)
