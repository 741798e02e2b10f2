"""Every YAML of the groups data and augment: composes with what it brings along, and fits its function."""

import importlib
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from small import NO_FILES_OF_IMAGES, batches_of, divided

from dlexp.augment.operation import Draw, Mixing
from dlexp.config.compose import BASE, register
from dlexp.data.splits import Splits
from dlexp.data.statistics import statistics

CONF = ROOT / "conf"
DATA = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
AUGMENT = sorted(path.stem for path in (CONF / "augment").glob("*.yaml"))
COMMON = {"root": None, "download": False, "url": None, "val_size": 0.1, "split_seed": 0, "limit": None, "fields": None}
COMMON |= {"train_limit": None, **NO_FILES_OF_IMAGES}
FACTS = {"shape", "num_outputs", "class_names", "mean", "std"}
# Data last: Hydra lets an option override only groups that stand before its own.
PRIMARY = """
defaults: [_self_, task: classification, model: mlp, criterion: cross_entropy, augment: none, data: spiral,
  experiment: null]
hydra: {searchpath: ["file://CONF"]}
device: cpu
"""


def test_all_options_are_collected() -> None:
    assert len(DATA) >= 9 and len(AUGMENT) >= 13


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Path]:
    """A folder with a primary config of the groups that data options may override."""
    folder = tmp_path / "primary"
    (folder / "experiment").mkdir(parents=True)
    (folder / "config.yaml").write_text(PRIMARY.replace("CONF", CONF.as_posix()), encoding="utf-8")
    experiment = "# @package _global_\ndefaults:\n  - override /data: linear\n  - override /criterion: hinge\n"
    (folder / "experiment" / "own.yaml").write_text(experiment, encoding="utf-8")
    register()
    with initialize_config_dir(str(folder), **BASE):
        yield folder
    GlobalHydra.instance().clear()


def composed(*overrides: str) -> DictConfig:
    cfg = compose("config", overrides=list(overrides), return_hydra_config=True)
    cfg.data = OmegaConf.merge(COMMON, cfg.data)
    return cfg


def choices(*overrides: str) -> list[str]:
    runtime = composed(*overrides).hydra.runtime.choices
    return [runtime[group] for group in ("task", "criterion", "augment")]


def test_options_bring_along_what_fits_them(primary: Path) -> None:
    assert choices() == ["classification", "cross_entropy", "none"]
    assert choices("data=linear") == ["regression", "mse", "none"]
    assert choices("data=cifar10") == choices("data=cifar100") == ["classification", "cross_entropy", "crop_flip"]


def test_the_command_line_and_an_experiment_still_win(primary: Path) -> None:
    assert choices("data=linear", "criterion=hinge") == ["regression", "hinge", "none"]
    assert choices("data=cifar10", "augment=none") == ["classification", "cross_entropy", "none"]
    assert choices("experiment=own") == ["regression", "hinge", "none"]
    assert choices("experiment=own", "task=classification") == ["classification", "hinge", "none"]
    assert choices("experiment=own", "data=spiral") == ["classification", "hinge", "none"]


def own_files(name: str, folder: Path) -> list[str]:
    """Writes what a data set of a person's own needs; returns the overrides that name it."""
    if name == "image_folder":
        for index in range(6):
            path = folder / "images" / f"class {index % 2}"
            path.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (40 * index, 0, 0)).save(path / f"{index}.png")
        return [f"data.folder='{folder / 'images'}'", "data.size=6"]
    if name == "arrays":
        np.savez(folder / "numbers.npz", x=np.random.default_rng(0).random((10, 4)), y=["yes", "no"] * 5)
        return [f"data.file='{folder / 'numbers.npz'}'"]
    return []


def target(node: dict[str, Any]) -> Any:
    module, _, name = node["_target_"].rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", DATA)
def test_data_option(name: str, primary: Path, tmp_path: Path) -> None:
    cfg = composed(f"data={name}", *own_files(name, tmp_path))
    node: Any = OmegaConf.to_container(cfg.data, resolve=True)
    function = target(node)
    parameters = set(inspect.signature(function).parameters)
    keys = set(node) - {"_target_"}
    assert parameters <= keys and keys <= parameters | set(COMMON) | FACTS | {"fields", "range"} and keys >= FACTS
    assert typing.get_type_hints(function, include_extras=True)["return"] is Splits
    assert all(parameter.default is parameter.empty for parameter in inspect.signature(function).parameters.values())
    assert (
        node["class_names"] is None or len(node["class_names"]) == len(set(node["class_names"])) == node["num_outputs"]
    )
    assert all(node[fact] is None or len(node[fact]) == node["shape"][0] for fact in ("mean", "std"))
    header = (CONF / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    assert header.startswith("# ")
    if "root" not in parameters and not node["fields"]:  # needs no published files
        check_splits(function(**{key: node[key] for key in parameters}), node)


def check_splits(splits: Splits, node: dict[str, Any]) -> None:
    has_figures = node["_target_"].endswith((".spiral", ".fake"))
    assert splits.stratified != has_figures or splits.train.classes is None, "figures stand on the split of some sets"
    splits = divided(splits, val_size=0.2)
    assert splits.val is not None and splits.test is not None
    mean, std, *_ = statistics(splits.train.inputs)
    for split in (splits.train, splits.val, splits.test):
        assert list(split.inputs.shape[1:]) == node["shape"] and len(split.inputs) == len(split.targets)
        if node["class_names"] is None:
            assert split.targets.dtype == torch.float32 and split.targets.shape[1] == node["num_outputs"]
        else:
            assert split.targets.dtype == torch.int64 and int(split.targets.max()) < node["num_outputs"]
    settings: Any = {"seed": 0, "augment": [], "shuffle": True, "channels_last": True}
    inputs = next(batches_of(splits.train, batch_size=4, mean=mean, std=std, **settings).epoch(0))["inputs"]
    assert inputs.dtype == torch.float32 and inputs.isfinite().all()


@pytest.mark.parametrize("name", ["fake", "arrays"])
def test_values_instead_of_classes(name: str, primary: Path, tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text("a,b\n" + "".join(f"{i},{i / 7}\n" for i in range(20)), encoding="utf-8")
    overrides = [f"data.file='{file}'"] if name == "arrays" else []
    node: Any = OmegaConf.to_container(composed(f"data={name}", "task=regression", *overrides).data, resolve=True)
    assert node["class_names"] is None and node["targets"] == "values"
    check_splits(target(node)(**{key: node[key] for key in inspect.signature(target(node)).parameters}), node)


@pytest.mark.parametrize("name", AUGMENT)
def test_augment_option(name: str, primary: Path) -> None:
    node: Any = OmegaConf.to_container(composed(f"augment={name}", "+epochs=8").augment, resolve=True)
    images, answers = torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8), torch.zeros(16, dtype=torch.int64)
    draw = Draw(torch.Generator().manual_seed(0), 0, torch.arange(16), seed=0)
    for operation in node.values():
        typing.get_type_hints(target(operation).__init__, include_extras=True)
        built = target(operation)(**{key: value for key, value in operation.items() if key != "_target_"})
        if isinstance(built, Mixing):
            assert built.mix(images.float(), answers, draw)[0].shape == images.shape
        else:
            images = built(images, draw)
    side = 24 if name == "growing" else 32
    assert images.shape == (16, 3, side, side) and images.dtype == torch.uint8
    assert (name == "none") == (list(node) == [])


def test_augmentations_compose_in_the_order_of_the_list(primary: Path) -> None:
    def names(*overrides: str) -> list[str]:
        return list(composed(*overrides).augment)

    assert names("augment=crop_flip_cutout") == names("augment=[crop_flip,cutout]") == ["crop", "flip", "cutout"]
    assert names("augment=[cutout,crop_flip]") == ["cutout", "crop", "flip"]
    assert names("data=cifar10", "augment=[crop,alternating_flip]") == ["crop", "flip"]
    assert composed("augment=[none,crop]").augment == composed("augment=crop").augment
    one, other = composed("augment=[crop,alternating_flip]"), composed("augment=crop_alternating_flip")
    assert (one.augment.crop.padding, other.augment.crop.padding) == (4, 2)
