"""MedMNIST: twelve sets of small medical images, each with its own training, validation and test split."""

import io
import zipfile
from typing import Annotated

import numpy as np
import torch

from dlexp.data.fetch.download import read_each
from dlexp.data.fetch.files import Source
from dlexp.data.fingerprint import Content, of_source, tells_content
from dlexp.data.formats.medmnist_facts import SETS, facts_of
from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError
from dlexp.ranges import Choice


def source_of(name: str) -> Source:
    """Returns where a set is. Raises UserError as `facts_of` does."""
    file = {f"{name}.npz": facts_of(name).md5}
    return Source(
        name="medmnist",
        words=f"data.name={name}",
        folder="MedMNIST",
        files=file,
        archives=file,
        mirrors=("https://zenodo.org/records/10519652/files/",),
    )


def _content(name: str) -> Content:
    return of_source(source_of(name))


@tells_content(_content)
def medmnist(
    *,
    name: Annotated[str, Choice(*SETS)],
    targets: Annotated[str, Choice("classes", "labels")],
    root: str | None,
    download: bool,
    url: str | None,
) -> Splits:
    """Returns a set's images, uint8 channels×28×28, with class numbers (int64 N), or labels of 0 and 1 (float32
    N×labels) where a sample may have several.

    Raises UserError as `obtain` and `parse_npz` do, and where the set has no such targets.
    """
    if (targets == "labels") != facts_of(name).has_labels:
        held, wanted = ("any number of labels", "task=multi_label criterion=bce") if targets == "classes" else (
            "one class", "task=classification")  # fmt: skip
        raise UserError(f"data.name={name} has {held} a sample: {wanted} learns that")
    found = read_each(source_of(name), parse_npz, root, download, url)[f"{name}.npz"]
    splits = {}
    for part in ("train", "val", "test"):
        images, answers = found[f"{part}_images"], found[f"{part}_labels"]
        images = images[:, None] if images.ndim == 3 else np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        tensor = torch.from_numpy(answers)
        splits[part] = Split(images, tensor.float() if targets == "labels" else tensor[:, 0].long())
    return Splits(train=splits["train"], val=splits["val"], test=splits["test"], stratified=False)


def parse_npz(data: bytes, name: str) -> dict[str, np.ndarray]:
    """Returns the arrays in the bytes of an NPZ; a UserError names the file if they are none."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {f"{part}_{what}": file[f"{part}_{what}"] for part in ("train", "val", "test")
                    for what in ("images", "labels")}  # fmt: skip
    except (zipfile.BadZipFile, ValueError, KeyError, OSError) as error:
        raise UserError(f"{name} is no NPZ of images and labels for train, val and test: {error}.") from error
