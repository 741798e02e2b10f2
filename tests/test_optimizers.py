"""Muon: what it does to filters, what to everything else, and that it is an ordinary torch optimizer."""

import io

import pytest
import torch
from torch import nn

from dlexp.optimizers.muon import COEFFICIENTS, Muon, orthogonalised

SETTINGS = {"lr": 0.05, "momentum": 0.6, "other_lr": 0.1, "other_momentum": 0.9, "weight_decay": 0.01, "iterations": 5}


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


def test_everything_but_filters_is_trained_by_sgd() -> None:
    torch.manual_seed(0)
    model, twin = (nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)) for _ in range(2))
    twin.load_state_dict(model.state_dict())
    ours = Muon(list(model.parameters()), **SETTINGS)
    sgd = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    for _ in range(3):
        inputs = torch.randn(5, 4)
        for net, optimizer in ((model, ours), (twin, sgd)):
            optimizer.zero_grad()
            net(inputs).square().sum().backward()
            optimizer.step()
    for left, right in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(left, right, atol=1e-6)


def test_filters_keep_their_norm_and_a_schedule_scales_both_groups() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 4, 2))
    optimizer = Muon(list(model.parameters()), **SETTINGS)
    assert [group["is_muon"] for group in optimizer.param_groups] == [True, False]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.025, 0.05]
    for _ in range(4):
        optimizer.zero_grad()
        model(torch.randn(6, 3, 6, 6)[:, :, :4, :4]).square().sum().backward()
        optimizer.step()
        schedule.step()
    # Rescaled to √8 before a step of at most 0.025 × (singular values up to 1.2) in each of 8 directions.
    assert abs(model[0].weight.norm().item() - 8**0.5) < 0.025 * 1.25 * 8**0.5


def test_state_is_saved_and_loaded_as_tensors_and_primitives() -> None:
    model = nn.Conv2d(1, 2, 3)
    optimizer = Muon(list(model.parameters()), **SETTINGS)
    model(torch.randn(1, 1, 5, 5)).sum().backward()
    optimizer.step()
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    fresh = Muon(list(model.parameters()), **SETTINGS)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(fresh.state[model.weight]["momentum"], optimizer.state[model.weight]["momentum"])
