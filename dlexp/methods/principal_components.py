"""Principal components in closed form: where the squared error of reconstructions through a linear code is smallest."""

import torch
from torch import Tensor, nn

from dlexp.batch import Batch, first_of
from dlexp.criteria.mse import MeanSquaredError
from dlexp.errors import UserError
from dlexp.methods.solver import Solver
from dlexp.models.pca import PCA
from dlexp.tasks.autoencoding import Autoencoding
from dlexp.tasks.task import Task

ROWS = 4096  # that are in float64 at once


class PrincipalComponents(Solver):
    """Sets `model=pca` to the eigenvectors of the training samples' covariance, of largest eigenvalues first.

    No linear autoencoder has a smaller mean squared error (Eckart and Young 1936; Baldi and Hornik 1989, Neural
    Networks 2, section 2). In float64. Each component's largest number is positive, since its sign is free.
    """

    def solve(self, task: Task, model: nn.Module, batch: Batch) -> None:
        if not isinstance(model, PCA) or not isinstance(task, Autoencoding):
            raise UserError("method=principal_components sets the weights of model=pca with task=autoencoding alone")
        if not isinstance(task.criterion, MeanSquaredError | nn.MSELoss):
            raise UserError(f"method=principal_components minimises criterion=mse, not {type(task.criterion).__name__}")
        if task.spoils or task.unchanged:
            raise UserError(
                "method=principal_components reconstructs what it is shown: task.noise=0 task.hidden=0"
                " task.target=augmented"
            )
        if not all(each.requires_grad for each in model.parameters()):
            raise UserError("method=principal_components sets all weights, and freeze= keeps some as they are")
        mean, components = principal_components(first_of(batch).flatten(1), len(model.components))
        model.mean.copy_(mean)
        model.components.copy_(components)


def principal_components(samples: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Returns mean (values) and the first components count×values, float64 on the CPU, of samples N×values.

    Where samples do not span so many directions, the others are any at right angles to them.
    """
    samples = samples.cpu()
    mean = samples.mean(dim=0, dtype=torch.float64)
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for rows in torch.split(samples, ROWS):
        centred = rows.double() - mean
        covariance.addmm_(centred.T, centred)
    _, directions = torch.linalg.eigh(covariance)
    components = directions.flip(1)[:, :count].T
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    return mean, components * largest.sign()
