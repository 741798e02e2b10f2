"""SVHN: 99 289 house numbers' digits in colour (Netzer et al. 2011)."""

import io

import numpy as np
import torch

from dlexp.data.fetch.download import read_each
from dlexp.data.fetch.files import Source
from dlexp.data.fingerprint import of_source, tells_content
from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError

# MD5s as torchvision publishes them. The further "extra" images are easier ones and not used.
FILES = {
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
}
SOURCE = Source(
    name="svhn",
    folder="SVHN",
    files=FILES,
    archives=FILES,
    mirrors=("http://ufldl.stanford.edu/housenumbers/",),
)


@tells_content(lambda: of_source(SOURCE))
def svhn(*, root: str | None, download: bool, url: str | None) -> Splits:
    """Returns 73 257 training and 26 032 test images, uint8 3×32×32, with their digit as class.

    Raises UserError as `obtain` and `parse_mat` do.
    """
    found = read_each(SOURCE, parse_mat, root, download, url)
    return Splits(train=found["train_32x32.mat"], test=found["test_32x32.mat"], stratified=False)


def parse_mat(data: bytes, name: str) -> Split:
    """Returns the samples in the bytes of a MATLAB file of X, height×width×colours×N, and y, of which 10 is the digit
    0. A UserError names the file if it holds none.
    """
    import scipy.io

    try:
        found = scipy.io.loadmat(io.BytesIO(data), variable_names=["X", "y"])
        images = np.ascontiguousarray(found["X"].transpose(3, 2, 0, 1))
        labels = found["y"].reshape(len(images)).astype(np.int64) % 10
    except (ValueError, KeyError, TypeError, OSError, scipy.io.matlab.MatReadError) as error:
        raise UserError(f"{name} is no MATLAB file of images X and labels y: {error}.") from error
    return Split(torch.from_numpy(images), torch.from_numpy(labels))
