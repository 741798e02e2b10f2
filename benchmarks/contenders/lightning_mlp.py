"""(a) The network in Lightning: as its tutorials teach it, or with everything that costs time switched off."""

import argparse
import itertools
import logging
import os
import warnings
from typing import Any

import lightning
import torch
from lightning_parts import ReadyBatches, TimedModule
from ready import accuracy, prepare, report, tensors
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Network(TimedModule):
    """What a tutorial's LightningModule has."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [784, 64, 128, 64, 10]
        layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.model = nn.Sequential(nn.Flatten(), *layers[:-1])
        self.criterion = nn.CrossEntropyLoss()

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        loss: Tensor = self.criterion(self.model(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.001)


def images() -> Dataset[Any]:
    """MNIST through torchvision, as tutorials read it."""
    from torchvision import transforms
    from torchvision.datasets import MNIST

    steps = [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    return MNIST(os.environ["DLEXP_DATA"], train=True, transform=transforms.Compose(steps))


def main() -> None:
    """Trains and prints one line of figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--ready", action="store_true", help="ready tensors, no logger, no checkpoints, no bar")
    args = parser.parse_args()
    prepare(args.threads, allocator=args.ready)
    x, y, x_test, y_test = tensors("mnist")
    if args.ready:
        batches: Any = ReadyBatches(x, y)
        settings: dict[str, Any] = {"barebones": True}
    else:
        batches = DataLoader(images(), batch_size=128, shuffle=True, drop_last=True)
        settings = {"default_root_dir": os.environ["BENCHMARK_FOLDER"], "enable_progress_bar": False}
    network = Network()
    if args.ready:
        network.log = lambda *_: None  # type: ignore[method-assign]  # barebones refuses to log
    lightning.Trainer(max_epochs=args.epochs, accelerator="cpu", enable_model_summary=False, **settings).fit(
        network, batches
    )
    report(network.clock, len(batches), accuracy=accuracy(network.model, x_test, y_test))


if __name__ == "__main__":
    main()
