"""Another option behind a preset: what the preset sets for its own option and the other lacks is left out, and said."""

import pytest

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


def test_what_the_preset_takes_out_is_as_the_option_has_it() -> None:
    """A preset's null, of an optimizer whose parts have decays of their own, is no decay of another optimizer."""
    words = ["model=course_vgg", "data=cifar10", "optimizer=adamw"]
    of_option, of_preset = (compose(each).config["optimizer"] for each in (words, [PRESET, words[-1]]))
    assert of_preset["weight_decay"] == of_option["weight_decay"] > 0
    typed = compose([PRESET, words[-1], "optimizer.weight_decay=0.5"])
    assert typed.config["optimizer"]["weight_decay"] == 0.5


def test_what_was_typed_itself_is_not_left_out() -> None:
    """A person's own word that the option lacks is a mistake, and told."""
    with pytest.raises(UserError, match="optimizer.momentum is no setting of torch.optim.Adam"):
        check(compose(["experiment=spiral_linear", "optimizer=adam", "optimizer.momentum=0.5"]).config)
