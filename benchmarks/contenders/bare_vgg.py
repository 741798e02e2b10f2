"""(b) The bare loop: VGG16 with batch norm, crop and flip on the batch, in the precision and layout of dlexp."""

import argparse

import torch
from ready import Clock, accuracy, augmented, prepare, report, tensors
from torch import nn

from dlexp.models.vgg import vgg

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--precision", default="float32")
args = parser.parse_args()
prepare(args.threads)
x, y, x_test, y_test = tensors("cifar10", 128 * args.steps)
model = vgg(shape=[3, 32, 32], num_outputs=10, depth=16, head=512, batch_norm=True, dropout=0.0,
            activation="relu", pool="max")  # fmt: skip
model = model.to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)
criterion, clock = nn.CrossEntropyLoss(), Clock()
for _ in range(3):
    clock.start()
    order = torch.randperm(len(x))
    for step in range(args.steps):
        batch = order[128 * step : 128 * (step + 1)]
        images = augmented(x.index_select(0, batch))
        with torch.autocast("cpu", getattr(torch, args.precision), enabled=args.precision != "float32"):
            outputs = model(images)
        loss = criterion(outputs.float(), y.index_select(0, batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    clock.stop()
report(clock, 128 * args.steps, accuracy=accuracy(model, x_test, y_test, args.precision))
