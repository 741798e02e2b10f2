"""CIFAR-100: 60 000 small colour photographs in 100 classes (Krizhevsky 2009)."""

from dlexp.data.fetch.files import Source
from dlexp.data.fingerprint import of_source, tells_content
from dlexp.data.formats.cifar_batches import load_cifar
from dlexp.data.splits import Splits

# MD5s as torchvision publishes them; the originals were not at hand here to compare.
SOURCE = Source(
    name="cifar100",
    folder="cifar-100-python",
    files={"train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    archives={"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
    # The publisher's host serves 55-85 kB/s since June 2026 (pytorch/vision #9536), so it comes last.
    mirrors=("https://dataset.bj.bcebos.com/cifar/", "https://www.cs.toronto.edu/~kriz/"),
)


@tells_content(lambda: of_source(SOURCE))
def cifar100(*, root: str | None, download: bool, url: str | None) -> Splits:
    """Returns 50 000 training and 10 000 test images, uint8 3×32×32. Raises as `load_cifar`."""
    return load_cifar(SOURCE, test_file="test", label_key=b"fine_labels", root=root, download=download, url=url)
