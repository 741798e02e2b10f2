"""What a layer makes of the validation samples: a number, a picture and a file, each few epochs.

cd docs/examples/embeddings
python -m dlexp --config-dir conf allow=embeddings model=cnn data=cifar10 watch=embeddings
"""

import torch
from matplotlib.figure import Figure

from dlexp.watch.watcher import Watcher


class Embeddings(Watcher):
    """Looks at a layer by its name (model.txt lists them)."""

    def __init__(self, *, layer: str, every: int) -> None:
        self.layer, self.every = layer, every

    def epoch(self, view, metrics) -> None:
        """Logs how far samples are from their mean, and draws them along their two main directions."""
        if view.epoch % self.every:
            return
        found, model = [], view.averaged
        hook = model.get_submodule(self.layer).register_forward_hook(lambda *given: found.append(given[-1].cpu()))
        batches = list(view.batches("val"))
        for batch in batches:
            model(batch["inputs"])
        hook.remove()
        away = torch.cat(found).detach()
        away -= away.mean(0)
        view.log("spread", away.norm(dim=1).mean())
        torch.save(away, view.folder / f"embeddings-{view.epoch}.pt")
        figure = Figure()
        points = away @ torch.linalg.svd(away, full_matrices=False).Vh[:2].T
        figure.subplots().scatter(*points.T, c=torch.cat([each["targets"] for each in batches]).cpu(), cmap="tab10")
        view.figure(f"embeddings-{view.epoch}", figure)
