"""MNIST: 70 000 handwritten digits (LeCun, Cortes and Burges 1998)."""

from typing import Annotated

import torch

from dlexp.data.fetch.files import Source
from dlexp.data.fingerprint import of_source, tells_content
from dlexp.data.formats.idx import load_idx
from dlexp.data.splits import Split, Splits
from dlexp.ranges import Range

SIDE = 28
INK = 100  # from here on a pixel, of 0 to 255, belongs to the digit

# MD5 of the archives as torchvision publishes them; those of the files were computed from the unpacked
# originals.
SOURCE = Source(
    name="mnist",
    folder="MNIST/raw",
    files={
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    archives={
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
)


@tells_content(lambda: of_source(SOURCE))
def mnist(*, root: str | None, download: bool, url: str | None) -> Splits:
    """Returns 60 000 training and 10 000 test images, uint8 1×28×28. Raises UserError as `load_idx` does."""
    return load_idx(SOURCE, root=root, download=download, url=url)


@tells_content(lambda: of_source(SOURCE))
def mnist_canvas(
    *,
    root: str | None,
    download: bool,
    url: str | None,
    size: Annotated[int, Range(ge=SIDE)],
    digits: Annotated[int, Range(ge=1)],
    num_samples: Annotated[int, Range(ge=1)],
    num_test_samples: Annotated[int, Range(ge=1)],
    data_seed: Annotated[int, Range(ge=0)],
) -> Splits:
    """Returns canvases, uint8 1×size×size, with digits at random places, and masks of 0 or a digit's class + 1.

    Those for training hold digits of the training split, those for testing others. Raises UserError as `load_idx` does.
    """
    source = load_idx(SOURCE, root=root, download=download, url=url)
    generator = torch.Generator().manual_seed(data_seed)

    def canvases(split: Split, count: int) -> Split:
        images, masks = torch.zeros(count, size, size, dtype=torch.uint8), torch.zeros(count, size, size).long()
        chosen = torch.randint(len(split), (count, digits), generator=generator)
        corners = torch.randint(size - SIDE + 1, (2, count, digits), generator=generator)
        window, canvas = torch.arange(SIDE), torch.arange(count)[:, None, None]
        for number in range(digits):
            stamp = split.read(chosen[:, number])
            rows, columns = corners[:, :, number, None, None]
            place = (canvas, rows + window[:, None], columns + window)
            pixels, under = stamp["inputs"][:, 0], masks[place]
            images[place] = torch.where(pixels >= INK, pixels, torch.maximum(images[place], pixels))
            masks[place] = torch.where(pixels >= INK, stamp["targets"][:, None, None] + 1, under)
        return Split(images[:, None], masks)

    assert source.test is not None
    return Splits(train=canvases(source.train, num_samples), test=canvases(source.test, num_test_samples))
