"""What a model makes of the validation samples: a number, a picture and a file, each few epochs.

cd docs/examples/embeddings
python -m dlexp --config-dir conf allow=embeddings model=cnn data=cifar10 watch=embeddings
"""

import torch
from matplotlib.figure import Figure

from dlexp.watch.watcher import Watcher


class Embeddings(Watcher):
    """Of a model whose layers follow one another: what comes to the last one."""

    def __init__(self, *, every: int) -> None:
        self.every = every

    def epoch(self, view, metrics) -> None:
        """Logs how far samples are from their mean, and draws them along their two main directions."""
        if view.epoch % self.every == 0:
            batches = list(view.batches("val"))
            found = torch.cat([view.averaged[:-1](batch["inputs"]).detach() for batch in batches]).cpu()
            away = found - found.mean(0)
            view.log("spread", away.norm(dim=1).mean())
            torch.save(found, view.folder / f"embeddings-{view.epoch}.pt")
            figure, points = Figure(), away @ torch.linalg.svd(away, full_matrices=False).Vh[:2].T
            figure.subplots().scatter(*points.T, c=torch.cat([batch["targets"] for batch in batches]).cpu())
            view.figure(f"embeddings-{view.epoch}", figure)
