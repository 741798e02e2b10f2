"""Muon: what it does to filters, what to everything else, and that it is an ordinary torch optimizer."""

import copy
import io

import pytest
import torch
from torch import nn

from dlexp.config.build import build_optimizer
from dlexp.errors import UserError
from dlexp.optimizers.muon import COEFFICIENTS, Muon, orthogonalised
from dlexp.optimizers.parts import Parts
from dlexp.schedules.linear import linear

SETTINGS = {"lr": 0.05, "momentum": 0.6, "iterations": 5}


@pytest.mark.parametrize("shape", [(8, 27), (64, 288), (288, 64)])
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    result = orthogonalised(matrix, 5)
    values = torch.linalg.svdvals(result)
    assert 0.6 < values.min() and values.max() < 1.25
    aligned = u.T @ result @ v.T
    assert torch.allclose(aligned, torch.diag(aligned.diagonal()), atol=1e-3)


def test_iterating_gram_matrices_equals_iterating_the_matrix() -> None:
    torch.manual_seed(0)
    matrix = torch.randn(32, 144)
    x = matrix / matrix.norm()
    a, b, c = COEFFICIENTS
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    assert torch.allclose(orthogonalised(matrix, 5), x, atol=1e-4)


def test_matrices_of_low_rank_stay_bounded() -> None:
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(64, 216), full_matrices=False)
    matrix = u @ torch.logspace(0, -8, 64).diag() @ v
    assert torch.linalg.svdvals(orthogonalised(matrix, 12)).max() < 1.3


def small_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 4, 2))


MUON = {
    "filters": {"ndim": 4, "_target_": "dlexp.optimizers.muon.Muon", **SETTINGS},
    "others": {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
}


def parts(model: nn.Module, node: dict[str, dict[str, object]] = MUON) -> Parts:
    """The optimizer of conf/optimizer/muon.yaml with other values, or of other parts."""
    optimizer = build_optimizer({"parts": node}, list(model.named_parameters()))
    assert isinstance(optimizer, Parts)
    return optimizer


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for step in range(steps):
        torch.manual_seed(step)
        optimizer.zero_grad()
        model(torch.randn(6, 3, 4, 4)).square().sum().backward()
        optimizer.step()


def test_parts_step_as_their_optimizers_alone() -> None:
    model, twin = small_net(), small_net()
    train(model, parts(model), 3)
    filters = Muon([twin[0].weight], **SETTINGS)
    others = torch.optim.SGD([twin[0].bias, *twin[2].parameters()], lr=0.1, momentum=0.9, nesterov=True,
                             weight_decay=0.01)  # fmt: skip
    for step in range(3):
        torch.manual_seed(step)
        twin.zero_grad()
        twin(torch.randn(6, 3, 4, 4)).square().sum().backward()
        filters.step()
        others.step()
    assert all(torch.equal(left, right) for left, right in zip(model.parameters(), twin.parameters(), strict=True))


def test_filters_keep_their_norm_and_a_schedule_scales_all_parts() -> None:
    model = small_net()
    optimizer = parts(model)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.025, 0.05]
    train(model, optimizer, 4)
    schedule.step()
    # Rescaled to √8 before a step of at most 0.025 × (singular values up to 1.2) in each of 8 directions.
    assert abs(model[0].weight.norm().item() - 8**0.5) < 0.025 * 1.25 * 8**0.5


def test_state_of_parts_continues_exactly() -> None:
    whole, first = small_net(), small_net()
    train(whole, parts(whole), 3)
    optimizer = parts(first)
    train(first, optimizer, 2)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    fresh = parts(first)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    trial = copy.deepcopy(fresh)  # as a resume tries a state
    assert trial.parts[0].param_groups[0] is trial.param_groups[0] is not fresh.param_groups[0]
    type(trial).step(trial)
    torch.manual_seed(2)
    fresh.zero_grad()
    first(torch.randn(6, 3, 4, 4)).square().sum().backward()
    fresh.step()
    assert all(torch.equal(left, right) for left, right in zip(whole.parameters(), first.parameters(), strict=True))


def test_a_part_is_trained_until_its_time_is_over() -> None:
    model = small_net()
    bias = {"params": ["*.bias"], "until": 0.5, "_target_": "torch.optim.SGD", "lr": 0.1}
    optimizer = parts(model, {"bias": bias, "rest": {"_target_": "torch.optim.SGD", "lr": 0.2}})
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 2]  # the first part that selects has it
    schedule = linear(optimizer, 8, warmup=0.0, final=0.0)
    seen = []
    for _ in range(8):
        seen.append([round(group["lr"], 6) for group in optimizer.param_groups])
        optimizer.step()  # changes nothing without gradients; a schedule warns when nobody has called it
        schedule.step()
    assert [bias for bias, _ in seen] == [0.1, 0.075, 0.05, 0.025, 0, 0, 0, 0]
    assert [rest for _, rest in seen] == [0.2, 0.175, 0.15, 0.125, 0.1, 0.075, 0.05, 0.025]


def test_parts_that_do_not_fit_are_sentences() -> None:
    head = {"params": ["head.*"], "_target_": "torch.optim.SGD", "lr": 0.1}
    with pytest.raises(UserError, match=r"optimizer\.parts\.head\.params=\['head\.\*'\] matches no parameter"):
        parts(small_net(), {"head": head, **MUON})
    with pytest.raises(UserError, match=r"no part of the optimizer trains 0\.bias"):
        parts(small_net(), {"filters": MUON["filters"]})


def test_state_is_saved_and_loaded_as_tensors_and_primitives() -> None:
    model = nn.Conv2d(1, 2, 3)
    optimizer = Muon([model.weight], **SETTINGS)
    model(torch.randn(1, 1, 5, 5)).sum().backward()
    optimizer.step()
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    fresh = Muon([model.weight], **SETTINGS)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(fresh.state[model.weight]["momentum"], optimizer.state[model.weight]["momentum"])
