"""Another option behind a preset: what the preset sets for its own option and the other lacks is left out, and said."""

from pathlib import Path

import pytest

from dlexp.config.cell import cell
from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.errors import UserError


@pytest.mark.parametrize(
    ("words", "left_out", "said"),
    [
        (
            ["experiment=spiral_linear", "optimizer=adam"],
            {"optimizer.momentum", "optimizer.nesterov"},
            "optimizer=adam takes lr=0.001, weight_decay=1e-05 from the preset, and leaves out the preset's momentum,"
            " nesterov, which it has not",
        ),
        (
            ["experiment=gates", "model=linear"],
            {f"model.{key}" for key in ("depth", "width", "activation", "dropout", "batch_norm")},
            "model=linear leaves out the preset's depth, width, activation, dropout, batch_norm, which it has not",
        ),
        (
            ["experiment=cifar10_resnet18", "augment=crop_flip"],
            {"augment.cutout"},
            "augment=crop_flip takes crop from the preset, and leaves out the preset's cutout, which it has not",
        ),
    ],
)
def test_what_another_option_lacks_is_left_out(words: list[str], left_out: set[str], said: str) -> None:
    composed = compose(words)
    assert composed.remarks == [said]
    for key in left_out:
        group, name = key.split(".")
        assert name not in composed.config[group]
    assert not left_out & set(composed.follows)
    if "cifar" not in words[0]:
        check(composed.config)


@pytest.mark.parametrize(
    "words",
    [
        ["experiment=spiral_linear"],
        ["experiment=spiral_linear", "optimizer=sgd"],
        ["experiment=spiral_linear", "optimizer.lr=0.1"],
        ["optimizer=adam"],
    ],
)
def test_nothing_is_said_where_nothing_is_left_out(words: list[str]) -> None:
    assert compose(words).remarks == []


PRESET = "experiment=cifar10_vgg_512"


def test_nothing_of_an_optimizer_with_parts_is_taken_for_another() -> None:
    """Its rates are relative to the size of the filters, and its null is that of parts with decays of their own."""
    words = ["model=course_vgg", "data=cifar10", "optimizer=adamw"]
    of_option, of_preset = (compose(each) for each in (words, [PRESET, words[-1]]))
    lr, decay = (of_option.config["optimizer"][key] for key in ("lr", "weight_decay"))
    assert (of_preset.config["optimizer"]["lr"], of_preset.config["optimizer"]["weight_decay"]) == (lr, decay)
    assert of_preset.remarks == [
        "optimizer=adamw leaves out the preset's momentum, parts, which it has not, and has its own"
        f" lr={lr:g}, weight_decay={decay:g}, since the preset's are of an optimizer with parts"
    ]
    assert compose([PRESET, words[-1], "optimizer.weight_decay=0.5"]).config["optimizer"]["weight_decay"] == 0.5
    sgd = compose(["experiment=cifar10_vgg16_short", "optimizer=sgd"])
    assert sgd.config["optimizer"]["lr"] != 0.03 and "has its own lr=" in sgd.remarks[0]


@pytest.mark.parametrize("preset", ["cifar10_94", "cifar10_96", "cifar10_vgg_512", "cifar10_vgg_2048"])
def test_the_presets_own_option_typed_changes_nothing(preset: str) -> None:
    one, other = compose([f"experiment={preset}"]), compose([f"experiment={preset}", "optimizer=muon"])
    assert cell(one.config) == cell(other.config) and other.remarks == []


OWN = """\
# @package _global_
defaults:
  - override /optimizer: muon
  - override /data: mnist
optimizer: {lr: 0.1, weight_decay: null, betas: null}
data: {mean: null, std: null}
"""
OPTION = """\
_target_: torch.optim.AdamW
lr: 1e-2  # which plain YAML reads as a text
betas: [0.8, '${..lr}']
weight_decay: ${.lr}
"""


def test_values_of_an_option_of_ones_own_are_what_hydra_makes_of_them(workdir: Path) -> None:
    for place, text in (("experiment/own", OWN), ("optimizer/mine", OPTION)):
        file = workdir / "conf" / f"{place}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
    composed = compose(["--config-dir", "conf", "experiment=own", "optimizer=mine", "data=mnist"])
    optimizer = composed.config["optimizer"]
    assert (optimizer["weight_decay"], optimizer["betas"]) == (0.01, [0.8, 0.01]) and type(optimizer["betas"]) is list
    assert composed.config["data"]["mean"] is None, "of data a null says that it is measured"


def test_what_was_typed_itself_is_not_left_out() -> None:
    """A person's own word that the option lacks is a mistake, and told."""
    with pytest.raises(UserError, match="optimizer.momentum is no setting of torch.optim.Adam"):
        check(compose(["experiment=spiral_linear", "optimizer=adam", "optimizer.momentum=0.5"]).config)
