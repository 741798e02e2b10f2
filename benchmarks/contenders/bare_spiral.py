"""(g) The bare loop of a small full-batch problem: the spiral's 3,000 points, 1,000 steps of Adam, loss and accuracy
of each step kept; `--runs` of them one after the other, each with a seed of its own."""

import argparse
import time

import torch
from ready import prepare
from torch import nn

from dlexp.data.spiral import spiral

started = time.perf_counter()
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--runs", type=int, default=1)
parser.add_argument("--tuned", action="store_true", help="the allocator and denormals set as dlexp sets them")
args = parser.parse_args()
prepare(threads=1, allocator=args.tuned)
torch.set_flush_denormal(args.tuned)
drawn = spiral(points_per_class=1000, num_classes=3, noise=0.2, drawing="even", test_size=0, data_seed=0).train
x, y = drawn.inputs, drawn.targets
seconds, accuracies, criterion = [], [], nn.CrossEntropyLoss()
for seed in range(args.runs):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, weight_decay=1e-5, fused=True)
    records, began = [], time.perf_counter()
    for _ in range(args.steps):
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            records.append((loss.item(), (outputs.argmax(1) == y).sum().item() / len(y)))
    seconds.append(time.perf_counter() - began)
    with torch.no_grad():
        accuracies.append((model(x).argmax(1) == y).float().mean().item())
print(f'{{"rate": {sum(seconds)}, "accuracy": {sum(accuracies) / len(accuracies)}}}')
