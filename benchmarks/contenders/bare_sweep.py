"""(e) What a sweep costs without a runner: one import, then the bare loop of (a) for each learning rate."""

import argparse
import itertools
import time

import torch
from ready import Clock, prepare, report, tensors
from torch import nn

started = time.perf_counter()
parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--rates", type=float, nargs="+", required=True)
args = parser.parse_args()
prepare(args.threads)
x, y, x_test, y_test = tensors("mnist")
x_val, y_val, x, y = x[:6000], y[:6000], x[6000:], y[6000:]
sizes, criterion, steps, clock = [784, 64, 128, 64, 10], nn.CrossEntropyLoss(), len(x) // 128, Clock()
accuracies = []
for rate in args.rates:
    layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(nn.Flatten(), *layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    clock.start()
    order = torch.randperm(len(x))
    for step in range(steps):
        batch = order[128 * step : 128 * (step + 1)]
        loss = criterion(model(x.index_select(0, batch)), y.index_select(0, batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    clock.stop()
    with torch.no_grad():
        for inputs, targets in ((x_val, y_val), (x_test, y_test)):
            accuracies.append((model(inputs).argmax(1) == targets).float().mean().item())
report(clock, steps, accuracy=max(accuracies[1::2]))
