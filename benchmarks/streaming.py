"""How fast images come from their files: dlexp's streaming against torchvision's ImageFolder with torch's DataLoader.

python benchmarks/streaming.py                                    # makes 20,000 JPEGs of 224×224 in a temporary folder
python benchmarks/streaming.py --folder /tmp/jpegs --workers 2 --rounds 9 --batches 40

Training batches of 128, shuffled and normalised, no model and no augmentation. `tutorial` is ImageFolder and DataLoader
as torchvision's tutorials write them; `tuned` has bytes come from the workers, which live on, and whole batches
normalised afterwards. All have the same number of workers and take turns.
"""

import argparse
import datetime
import io
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image

from dlexp.config.compose import compose
from dlexp.experiment.assemble import assemble
from dlexp.machine.device import keep_freed_memory
from dlexp.machine.environment import cpu_name
from dlexp.models.vision import import_torchvision

SIZE, BATCH, CLASSES = 224, 128, 10
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
QUALITY = 90

Pass = Callable[[int, int], Iterator[torch.Tensor]]  # (round, number of batches) → normalised batches


def main() -> None:
    """Prints a table: images a second of each way (median, smallest, largest), and dlexp's ratio to it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the images are, or are made if there are none")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batches", type=int, help="of a round; all by default")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = arguments.folder or Path(place)
        if not any(folder.glob("*/*/*.jpg")):
            make(folder, arguments.images)
        measure(folder, arguments.workers, arguments.rounds, arguments.batches, arguments.device)


def measure(folder: Path, workers: int, rounds: int, num_batches: int | None, device: str) -> None:
    """Times every way in turns and prints the table."""
    torchvision = import_torchvision()
    keep_freed_memory()  # as every run of dlexp does; the others gain from it too
    ways: dict[str, Pass] = {
        "dlexp": dlexp(folder, workers, device),
        "tutorial": tutorial(folder, workers, device),
        "tuned": tuned(folder, workers, device),
    }
    num_images = sum(1 for _ in (folder / "train").glob("*/*.jpg"))
    num_batches = min(num_batches or num_images, num_images // BATCH)
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    check(ways)
    for number in range(rounds):
        for name in list(ways)[number % 3 :] + list(ways)[: number % 3]:
            speeds[name].append(images_per_second(ways[name], number + 1, num_batches, device))
        print(f"round {number + 1}: " + "  ".join(f"{name} {speeds[name][-1]:.0f}" for name in ways), flush=True)
    gpu = torch.cuda.get_device_name() if device == "cuda" else "no GPU"
    print(f"\n{cpu_name()}, {os.cpu_count()} cores, {gpu}, {platform.system()}, {datetime.date.today()}")
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}"
    print(f"{versions}, Pillow {PIL.__version__}")
    print(
        f"{num_images:,} JPEGs of {SIZE}×{SIZE}, {workers} workers, {rounds} rounds of {num_batches} × {BATCH} images\n"
    )
    print("| data path | images/s (median) | smallest – largest | dlexp is faster by (median of rounds) |")
    print("|---|---|---|---|")
    for name, found in speeds.items():
        ratio = statistics.median(own / other for own, other in zip(speeds["dlexp"], found, strict=True))
        print(f"| {name} | {statistics.median(found):.0f} | {min(found):.0f} – {max(found):.0f} | {ratio:.2f} |")


def images_per_second(way: Pass, number: int, num_batches: int, device: str) -> float:
    """Returns the speed of one pass, its start included."""
    started = time.perf_counter()
    seen = sum(len(batch) for batch in way(number, num_batches))
    if device == "cuda":
        torch.cuda.synchronize()
    assert seen == num_batches * BATCH
    return seen / (time.perf_counter() - started)


def check(ways: dict[str, Pass]) -> None:
    """Lets every way give one batch: they must look alike; this also starts the workers that live on."""
    for way in ways.values():
        batch = next(iter(way(0, 1)))
        assert batch.shape == (BATCH, 3, SIZE, SIZE) and batch.dtype == torch.float32
        assert batch.mean().abs() < 1 and 0.1 < batch.std() < 2


def dlexp(folder: Path, workers: int, device: str) -> Pass:
    """`data=image_folder data.in_memory=false`, as a run uses it."""
    words = [
        f"data.folder={folder}",
        f"data.size={SIZE}",
        "data.in_memory=false",
        f"data.workers={workers}",
        "data.val_size=0",
    ]
    words += [f"data.mean={MEAN}", f"data.std={STD}", f"batch_size={BATCH}", f"device={device}", "model=linear"]
    batches = assemble(compose(["data=image_folder", *words]).config).train
    return lambda number, count: (batch["inputs"] for batch in batches.epoch(number, start=len(batches) - count))


def tutorial(folder: Path, workers: int, device: str) -> Pass:
    """Every image becomes normalised floats in the workers, which start anew for every pass."""
    datasets, transforms = (import_module(f"torchvision.{name}") for name in ("datasets", "transforms"))
    steps = [
        transforms.Resize(SIZE),
        transforms.CenterCrop(SIZE),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    dataset = datasets.ImageFolder(str(folder / "train"), transforms.Compose(steps))

    def one_pass(number: int, count: int) -> Iterator[torch.Tensor]:
        for images, labels in loader(dataset, count, num_workers=workers):
            labels.to(device)
            yield images.to(device)

    return one_pass


def tuned(folder: Path, workers: int, device: str) -> Pass:
    """Bytes from workers that live on, four batches ahead of each, page-locked on CUDA; batches normalised at once."""
    datasets, transforms = (import_module(f"torchvision.{name}") for name in ("datasets", "transforms"))
    steps = [transforms.Resize(SIZE), transforms.CenterCrop(SIZE), transforms.PILToTensor()]
    dataset = datasets.ImageFolder(str(folder / "train"), transforms.Compose(steps))
    settings: dict[str, Any] = {"num_workers": workers, "persistent_workers": True, "prefetch_factor": 4}
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) * 255 for values in (MEAN, STD))
    loaders: dict[int, Any] = {}

    def one_pass(number: int, count: int) -> Iterator[torch.Tensor]:
        if count not in loaders:
            loaders.clear()
            loaders[count] = loader(dataset, count, pin_memory=device == "cuda", **settings)
        for images, labels in loaders[count]:
            labels.to(device, non_blocking=True)
            yield images.to(device, non_blocking=True).float().sub_(mean).div_(std)

    return one_pass


def loader(dataset: Any, count: int, **settings: Any) -> Any:
    """Returns a DataLoader that shuffles and gives `count` batches."""
    order = torch.utils.data.RandomSampler(dataset, num_samples=count * BATCH)
    return torch.utils.data.DataLoader(dataset, batch_size=BATCH, sampler=order, drop_last=True, **settings)


def make(folder: Path, num_images: int) -> None:
    """Writes training images in the layout train/CLASS, and one a class in test/CLASS; the same for the same number."""
    print(f"making {num_images:,} images in {folder}", flush=True)
    for split in ("train", "test"):
        for name in range(CLASSES):
            (folder / split / f"class-{name}").mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        for number, content in enumerate(pool.map(picture, range(num_images + CLASSES), chunksize=100)):
            split = "test" if number < CLASSES else "train"
            (folder / split / f"class-{number % CLASSES}" / f"{number:06}.jpg").write_bytes(content)


def picture(number: int) -> bytes:
    """Returns a JPEG like a photograph's in size: shades, soft spots, a texture and grain, about 30 kB."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    colours, slopes = random.uniform(60, 190, (3, 1, 1)), random.uniform(-60, 60, (2, 3, 1, 1))
    pixels = colours + slopes[0] * x + slopes[1] * y
    for cells, strength in ((5, 0.45), (18, 0.3), (70, 0.2)):
        spots = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        pixels += strength * (np.asarray(spots.resize((SIZE, SIZE), Image.Resampling.BICUBIC), float) - 128).transpose(
            2, 0, 1
        )
    frequency, angle = 8 + 4 * (number % CLASSES), random.uniform(0, np.pi)
    pixels += 12 * np.sin(frequency * (x * np.cos(angle) + y * np.sin(angle)) * np.pi)
    pixels += random.normal(0, 5, (1, SIZE, SIZE))
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


if __name__ == "__main__":
    main()
