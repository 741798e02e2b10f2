"""(a) The bare loop: as little code as trains the network on ready tensors."""

import argparse
import itertools

import torch
from ready import Clock, accuracy, prepare, report, tensors
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--epochs", type=int, required=True)
parser.add_argument("--flush", action="store_true", help="denormal numbers are zero, as dlexp sets it")
args = parser.parse_args()
prepare(args.threads)
torch.set_flush_denormal(args.flush)
x, y, x_test, y_test = tensors("mnist")
sizes = [784, 64, 128, 64, 10]
layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
model = nn.Sequential(nn.Flatten(), *layers[:-1])
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)
criterion, clock, steps = nn.CrossEntropyLoss(), Clock(), len(x) // 128
for _ in range(args.epochs):
    clock.start()
    order = torch.randperm(len(x))
    for step in range(steps):
        batch = order[128 * step : 128 * (step + 1)]
        loss = criterion(model(x.index_select(0, batch)), y.index_select(0, batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    clock.stop()
report(clock, steps, accuracy=accuracy(model, x_test, y_test))
