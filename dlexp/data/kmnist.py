"""Kuzushiji-MNIST: 70 000 old Japanese letters in MNIST's format (Clanuwat et al. 2018, arXiv:1812.01718)."""

from dlexp.data.fetch.files import Source
from dlexp.data.fingerprint import of_source, tells_content
from dlexp.data.formats.idx import load_idx
from dlexp.data.splits import Splits

# MD5s as torchvision publishes them; they are of the packed files, so these are kept and read as they are.
PACKED = {
    "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
    "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
    "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
    "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
}
SOURCE = Source(
    name="kmnist",
    folder="KMNIST/raw",
    files=PACKED,
    archives=PACKED,
    mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
)


@tells_content(lambda: of_source(SOURCE))
def kmnist(*, root: str | None, download: bool, url: str | None) -> Splits:
    """Returns 60 000 training and 10 000 test images, uint8 1×28×28. Raises UserError as `load_idx` does."""
    return load_idx(SOURCE, root=root, download=download, url=url)
