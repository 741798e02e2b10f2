"""Auxiliary outputs: learnt with their weights in training, and seen nowhere else."""

import pytest
import torch
from small import batch_of, task_with
from torch import nn

from dlexp.errors import UserError
from dlexp.models.auxiliary import Auxiliary, main
from dlexp.models.googlenet import GoogLeNet
from dlexp.tasks.classification import Classification
from dlexp.tasks.protocol import misfit_of
from dlexp.tasks.regression import Regression


def three(count: int = 6, outputs: int = 2) -> list[torch.Tensor]:
    return list(torch.randn(3, count, outputs, generator=torch.Generator().manual_seed(0)))


def test_the_loss_is_the_weighted_sum_of_classes() -> None:
    task, (one, other, third) = task_with(nn.CrossEntropyLoss()), three()
    batch = batch_of(torch.zeros(6, 1), torch.tensor([0, 1, 1, 0, 1, 0]))
    loss = task.loss(Auxiliary(one, (other, third), (0.3, 2.0)), batch)
    assert torch.isclose(loss, task.loss(one, batch) + 0.3 * task.loss(other, batch) + 2 * task.loss(third, batch))
    assert task.sums(Auxiliary(one, (other,), (0.3,)), batch) == task.sums(one, batch)


def test_the_loss_is_the_weighted_sum_where_answers_are_ignored() -> None:
    task, (one, other, _) = Classification(class_names=None, num_outputs=2, targets="classes", ignore_index=9), three()
    task.criterion = nn.CrossEntropyLoss()
    batch = batch_of(torch.zeros(6, 1), torch.tensor([0, 1, 9, 0, 9, 0]))
    loss = task.loss(Auxiliary(one, (other,), (0.5,)), batch)
    assert torch.isclose(loss, task.loss(one, batch) + 0.5 * task.loss(other, batch))
    nothing = batch_of(torch.zeros(6, 1), torch.full((6,), 9))
    assert task.loss(Auxiliary(one, (other,), (0.5,)), nothing) == 0


def test_the_loss_is_the_weighted_sum_of_values() -> None:
    task, (one, other, wanted) = Regression(targets="values"), three()
    task.criterion = nn.MSELoss()
    batch = batch_of(torch.zeros(6, 1), wanted)
    loss = task.loss(Auxiliary(one, (other,), (0.3,)), batch)
    assert torch.isclose(loss, (one - wanted).square().mean() + 0.3 * (other - wanted).square().mean())


def test_evaluation_sees_the_outputs_alone() -> None:
    class Always(nn.Module):
        def forward(self, inputs: torch.Tensor) -> Auxiliary:
            return Auxiliary(inputs.half(), (inputs,), (0.3,))

    task, batch = task_with(nn.CrossEntropyLoss()), batch_of(torch.zeros(2, 2), torch.tensor([0, 1]))
    trained = task.predict(Always().train(), batch)
    assert isinstance(trained, Auxiliary) and trained.outputs.dtype == torch.float32 and trained.weights == (0.3,)
    assert isinstance(task.predict(Always().eval(), batch), torch.Tensor)
    assert main(trained) is trained.outputs and main(trained.outputs) is trained.outputs


def test_what_does_not_fit_is_named() -> None:
    task, batch = task_with(nn.CrossEntropyLoss()), batch_of(torch.zeros(6, 1), torch.zeros(6, dtype=torch.int64))
    one, other, _ = three()
    assert misfit_of(task, Auxiliary(one, (other,), (0.3,)), batch) is None
    assert misfit_of(task, Auxiliary(one, (other,), ()), batch) == "1 auxiliary outputs with 0 weights"
    wide = misfit_of(task, Auxiliary(one, (other, torch.zeros(6, 3)), (1.0, 1.0)), batch)
    assert wide == "as auxiliary output 2 outputs of shape N×3, but data.num_outputs=2 asks for N×2"


def googlenet(side: int = 32, **changes: object) -> GoogLeNet:
    settings: dict[str, object] = {"stem": "small", "dropout": 0.0, "auxiliary": True, "auxiliary_weight": 0.3}
    settings |= {"activation": "relu", "pool": "max", "batch_norm": True, **changes}
    with torch.device("meta"):
        return GoogLeNet(shape=[3, side, side], num_outputs=7, **settings)  # type: ignore[arg-type]


def test_googlenet_refuses_images_that_its_heads_can_not_look_at() -> None:
    with pytest.raises(UserError, match="at least 9×9 pixels"):
        googlenet(8)
    assert googlenet(8, auxiliary=False)


@pytest.mark.parametrize(("side", "stem"), [(32, "small"), (9, "small"), (28, "small"), (224, "large"), (65, "large")])
def test_googlenet_has_its_two_heads_in_training(side: int, stem: str) -> None:
    model = googlenet(side, stem=stem)
    images = torch.zeros(2, 3, side, side, device="meta")
    outputs = model.train()(images)
    assert isinstance(outputs, Auxiliary) and outputs.weights == (0.3, 0.3)
    assert [list(each.shape) for each in (outputs.outputs, *outputs.others)] == [[2, 7]] * 3
    assert list(model.eval()(images).shape) == [2, 7]
    assert isinstance(googlenet(side, stem=stem, auxiliary=False).train()(images), torch.Tensor)
