"""(c) airbench94_muon for any device, written anew after its source (github.com/KellerJordan/cifar10-airbench, MIT).

The recipe is the original's: network, whitening, optimizers, schedules, augmentation once an epoch, test-time
augmentation. What differs: it runs in autocast (or float32) where the original has half-precision weights for CUDA, and
it does not compile.
"""

import argparse

import torch
import torch.nn.functional as F
from ready import Clock, prepare, report, tensors
from torch import Tensor, nn

EPOCHS, BATCH, WHITEN_PART = 8, 2000, 3 / 8
BIAS_LR, HEAD_LR, DECAY = 0.053, 0.67, 2e-6 * BATCH


class Norm(nn.BatchNorm2d):
    """Batch norm without scale, whose averages follow quickly."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-12, momentum=0.4)
        self.weight.requires_grad_(False)


class Block(nn.Module):
    """Convolution, pool, norm, GELU, convolution, norm, GELU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding="same", bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding="same", bias=False)
        self.norm1, self.norm2 = Norm(outputs), Norm(outputs)
        for conv in (self.conv1, self.conv2):
            nn.init.dirac_(conv.weight.data[: conv.in_channels])

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class Net(nn.Module):
    """The network of airbench94."""

    def __init__(self) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.whiten.weight.requires_grad_(False)
        self.blocks = nn.Sequential(Block(24, 64), Block(64, 256), Block(256, 256))
        self.head = nn.Linear(256, 10, bias=False)
        self.head.weight.data /= self.head.weight.data.std()

    def whiten_from(self, images: Tensor) -> None:
        patches = images.unfold(2, 2, 1).unfold(3, 2, 1).transpose(1, 3).reshape(-1, 12)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = vectors.T.reshape(12, 3, 2, 2) / torch.sqrt(values.view(-1, 1, 1, 1) + 5e-4)
        self.whiten.weight.data[:] = torch.cat([filters, -filters])

    def forward(self, x: Tensor, whiten_bias: bool = True) -> Tensor:
        bias = self.whiten.bias if whiten_bias else self.whiten.bias.detach()
        x = F.gelu(F.conv2d(x, self.whiten.weight, bias))
        x = F.max_pool2d(self.blocks(x), 3).flatten(1)
        return self.head(x) / x.shape[1]


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by three Newton-Schulz steps, on filters that keep their norm."""

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float, dtype: torch.dtype) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})
        self.dtype = dtype

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                buffer = self.state[p].setdefault("buffer", torch.zeros_like(p))
                buffer.mul_(group["momentum"]).add_(p.grad)
                g = p.grad.add(buffer, alpha=group["momentum"])
                p.mul_(len(p) ** 0.5 / p.norm())
                p.add_(self.orthogonal(g.reshape(len(g), -1)).view(g.shape), alpha=-group["lr"])

    def orthogonal(self, g: Tensor) -> Tensor:
        x = g.to(self.dtype)
        x = (x / (x.norm() + 1e-7)).T if len(g) > g.shape[1] else x / (x.norm() + 1e-7)
        for _ in range(3):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        return x.T if len(g) > g.shape[1] else x


def epochs(x: Tensor, y: Tensor, count: int) -> "list[tuple[Tensor, Tensor]]":
    """Yields for each epoch its shuffled batches, augmented as one: flipped every other epoch, shifted by up to 2."""
    x = torch.where((torch.rand(len(x), device=x.device) < 0.5).view(-1, 1, 1, 1), x.flip(3), x)
    wide = F.pad(x, [2] * 4, "reflect")
    for epoch in range(count):
        images = torch.empty_like(x)
        shift = torch.randint(0, 5, (len(x), 2), device=x.device)
        for row in range(5):
            for column in range(5):
                mask = (shift[:, 0] == row) & (shift[:, 1] == column)
                images[mask] = wide[mask, :, row : row + 32, column : column + 32]
        images = images.flip(3) if epoch % 2 else images
        order = torch.randperm(len(x), device=x.device)
        yield [(images[i], y[i]) for i in order.split(BATCH) if len(i) == BATCH]


def with_views(net: Net, x: Tensor) -> Tensor:
    """Returns the logits of the paper's test-time augmentation."""

    def mirrored(x: Tensor) -> Tensor:
        return 0.5 * net(x) + 0.5 * net(x.flip(3))

    wide = F.pad(x, [1] * 4, "reflect")
    shifted = torch.stack([mirrored(wide[:, :, :32, :32]), mirrored(wide[:, :, 2:34, 2:34])]).mean(0)
    return 0.5 * mirrored(x) + 0.5 * shifted


def main() -> None:
    """Trains and prints one line of figures; `seconds` are those of training alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--limit", type=int, default=50_000, help="training images")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--allocator", action="store_true", help="our allocator setting; without: as published")
    args = parser.parse_args()
    prepare(args.threads, allocator=args.allocator)
    torch.manual_seed(args.seed)
    torch.backends.cudnn.benchmark = True
    dtype = getattr(torch, args.precision)
    x, y, x_test, y_test = (tensor.to(args.device) for tensor in tensors("cifar10", args.limit))
    x, x_test = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, x_test))
    net = Net().to(args.device).to(memory_format=torch.channels_last)
    filters = [p for p in net.parameters() if p.ndim == 4 and p.requires_grad]
    biases = [p for name, p in net.named_parameters() if "norm" in name and p.requires_grad]
    groups = [
        {"params": [net.whiten.bias], "lr": BIAS_LR, "weight_decay": DECAY / BIAS_LR},
        {"params": biases, "lr": BIAS_LR, "weight_decay": DECAY / BIAS_LR},
        {"params": [net.head.weight], "lr": HEAD_LR, "weight_decay": DECAY / HEAD_LR},
    ]
    sgd = torch.optim.SGD(groups, lr=BIAS_LR, momentum=0.85, nesterov=True, fused=True)
    muon = Muon(filters, 0.24, 0.6, dtype)
    peaks = [(group, group["lr"]) for optimizer in (sgd, muon) for group in optimizer.param_groups]
    per_epoch, step, clock = len(x) // BATCH, 0, Clock()
    total = args.epochs * per_epoch
    whiten_steps = round(WHITEN_PART * total)
    mixed = torch.autocast(args.device, dtype, enabled=dtype != torch.float32)
    net.whiten_from(x[:5000])
    data = epochs(x, y, args.epochs)
    for _ in range(args.epochs):
        clock.start()
        net.train()
        for images, labels in next(data):
            with mixed:
                outputs = net(images, whiten_bias=step < whiten_steps)
            F.cross_entropy(outputs.float(), labels, label_smoothing=0.2, reduction="sum").backward()
            for i, (group, peak) in enumerate(peaks):
                group["lr"] = peak * max(0.0, 1 - step / (whiten_steps if i == 0 else total))
            sgd.step()
            muon.step()
            net.zero_grad(set_to_none=True)
            step += 1
        if args.device == "cuda":
            torch.cuda.synchronize()
        clock.stop()
    net.eval()
    clock.start()
    with torch.no_grad(), mixed:
        logits = torch.cat([with_views(net, part) for part in x_test.split(2000)])
        accuracy = (logits.float().argmax(1) == y_test).float().mean().item()
    clock.stop()
    clock.seconds, evaluating = clock.seconds[:-1], clock.seconds[-1]
    report(clock, per_epoch * BATCH, accuracy=accuracy, evaluating=evaluating)


if __name__ == "__main__":
    main()
