"""Fashion-MNIST: 70 000 pictures of clothes in MNIST's format (Xiao et al. 2017, arXiv:1708.07747)."""

from dlexp.data.fetch.files import Source
from dlexp.data.fingerprint import of_source, tells_content
from dlexp.data.formats.idx import load_idx
from dlexp.data.splits import Splits

# MD5 of the archives as the publisher and torchvision give them. Those of the unpacked files agree in four
# public projects that check them; the originals were not at hand here to compute them again.
SOURCE = Source(
    name="fashion_mnist",
    folder="FashionMNIST/raw",
    files={
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
    archives={
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "https://dataset.bj.bcebos.com/fashion_mnist/",
    ),
)


@tells_content(lambda: of_source(SOURCE))
def fashion_mnist(*, root: str | None, download: bool, url: str | None) -> Splits:
    """Returns 60 000 training and 10 000 test images, uint8 1×28×28. Raises UserError as `load_idx` does."""
    return load_idx(SOURCE, root=root, download=download, url=url)
