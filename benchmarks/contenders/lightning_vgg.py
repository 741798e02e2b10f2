"""(b) VGG16 in Lightning: as its tutorials teach it, or with its best settings."""

import argparse
import logging
import os
import warnings
from typing import Any

import lightning
import torch
from lightning_parts import ReadyBatches, TimedModule
from ready import accuracy, augmented, prepare, report, tensors
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from dlexp.models.vgg import vgg

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Network(TimedModule):
    """What a tutorial's LightningModule has."""

    def __init__(self, is_best: bool) -> None:
        super().__init__()
        self.model = vgg(shape=[3, 32, 32], num_outputs=10, depth=16, head=512, batch_norm=True, dropout=0.0,
            activation="relu", pool="max")  # fmt: skip
        self.criterion, self.is_best = nn.CrossEntropyLoss(), is_best

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        loss: Tensor = self.criterion(self.model(batch[0]).float(), batch[1])
        if not self.is_best:
            self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        more = {"fused": True} if self.is_best else {}
        return torch.optim.SGD(self.parameters(), lr=0.02, momentum=0.9, nesterov=True, weight_decay=5e-4, **more)


def images(count: int) -> Any:
    """CIFAR-10 through torchvision, as tutorials read it."""
    from torchvision import transforms
    from torchvision.datasets import CIFAR10

    steps = [
        transforms.RandomCrop(32, padding=4, padding_mode="reflect"),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    ]
    return Subset(CIFAR10(os.environ["DLEXP_DATA"], transform=transforms.Compose(steps)), range(count))


def main() -> None:
    """Trains and prints one line of figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--best", action="store_true", help="barebones, ready tensors, channels_last, fused")
    args = parser.parse_args()
    prepare(args.threads, allocator=args.best)
    count = 128 * args.steps
    network = Network(args.best)
    if args.best:
        batches: Any = ReadyBatches(*tensors("cifar10", count)[:2], augmented)
        network = network.to(memory_format=torch.channels_last)
        precision = {"float32": "32-true", "bfloat16": "bf16-mixed"}[args.precision]
        settings: dict[str, Any] = {"barebones": True, "precision": precision}
    else:
        batches = DataLoader(images(count), batch_size=128, shuffle=True, drop_last=True)
        settings = {"default_root_dir": os.environ["BENCHMARK_FOLDER"], "enable_progress_bar": False}
    lightning.Trainer(max_epochs=3, accelerator="cpu", enable_model_summary=False, **settings).fit(network, batches)
    report(network.clock, count, accuracy=accuracy(network.model, *tensors("cifar10", count)[2:], args.precision))


if __name__ == "__main__":
    main()
