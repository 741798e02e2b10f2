"""(b) VGG16 as timm's training script trains: its loader, optimizer, scheduler, mixed precision and meters."""

import argparse
import os
from typing import Any

import timm.data
import timm.loss
import timm.optim
import timm.scheduler
import timm.utils
import torch
from ready import Clock, accuracy, prepare, report, tensors
from torch.utils.data import Subset

from dlexp.models.vgg import vgg


def main() -> None:
    """Trains and prints one line of figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--best", action="store_true", help="channels_last, workers, our allocator setting")
    args = parser.parse_args()
    prepare(args.threads, allocator=args.best)
    count = 128 * args.steps
    model: Any = vgg(shape=[3, 32, 32], num_outputs=10, depth=16, head=512, batch_norm=True, dropout=0.0,
            activation="relu", pool="max")  # fmt: skip
    if args.best:
        model = model.to(memory_format=torch.channels_last)
    optimizer = timm.optim.create_optimizer_v2(model, opt="sgd", lr=0.02, momentum=0.9, weight_decay=5e-4)
    data = timm.data.create_dataset("torch/cifar10", root=os.environ["DLEXP_DATA"], split="train", is_training=True)
    data.transform = timm.data.create_transform(
        (3, 32, 32), is_training=True, no_aug=False, scale=(1, 1), ratio=(1, 1), hflip=0.5, color_jitter=None,
        mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616), train_crop_mode="rrc",
    )  # fmt: skip
    loader = torch.utils.data.DataLoader(
        Subset(data, range(count)), 128, shuffle=True, drop_last=True, num_workers=2 if args.best else 4,
        persistent_workers=True, pin_memory=False,
    )  # fmt: skip
    scheduler, _ = timm.scheduler.create_scheduler_v2(optimizer, num_epochs=3, updates_per_epoch=args.steps)
    criterion, clock, updates = torch.nn.CrossEntropyLoss(), Clock(), 0
    for epoch in range(3):
        model.train()
        losses = timm.utils.AverageMeter()
        clock.start()
        for images, targets in loader:
            if args.best:
                images = images.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", getattr(torch, args.precision), enabled=args.precision != "float32"):
                outputs = model(images)
                loss = criterion(outputs, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.update(loss.item(), len(images))
            updates += 1
            scheduler.step_update(num_updates=updates, metric=losses.avg)
        clock.stop()
        scheduler.step(epoch + 1)
    report(clock, count, accuracy=accuracy(model, *tensors("cifar10", count)[2:], args.precision))


if __name__ == "__main__":
    main()
