"""What becomes of a hypothesis before the first run: refused for a slip alone, and judged only where seeds are."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from test_prospect import PLAN

from dlexp.compare.hypothesis import in_words, refuse_misnamed
from dlexp.errors import UserError

OPTIMIZERS = ("sgd", "adam")
DEPTHS = ("relu depth 2", "relu depth 8", "tanh depth 2", "tanh depth 8")


@pytest.mark.parametrize(
    ("text", "arms", "slip", "meant"),
    [
        ("Adma beats SGD", OPTIMIZERS, "Adma", "adam"),
        ("sgd loses to adm", OPTIMIZERS, "adm", "adam"),
        ("sigmod beats relu", ("relu", "sigmoid"), "sigmod", "sigmoid"),
        ("vgg-16 beats vgg19", ("vgg16", "vgg19"), "vgg-16", "vgg16"),
        ("rleu depth 2 beats tanh depth 2", DEPTHS, "rleu depth 2", "relu depth 2"),
    ],
)
def test_a_slip_in_the_name_of_an_arm_is_refused(text: str, arms: Sequence[str], slip: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"there is no arm '{slip}'. Did you mean '{meant}'"):
        refuse_misnamed(text, arms)


@pytest.mark.parametrize(
    ("arms", "texts"),
    [
        (OPTIMIZERS, ["all will be well", "my method beats yours", "SGD beats Adam", "adam beats them"]),
        (OPTIMIZERS, ["SGD beats Adam and SGD too?", "adamw beats sgd", "RAdam beats sgd", "rmsprop beats adam"]),
        (
            DEPTHS,
            ["relu beats tanh", "relu depth 4 beats relu depth 2", "depth 8 relu beats depth 8"],
        ),
        (("adam mlp", "adam cnn", "sgd mlp", "sgd cnn"), ["Adam beats SGD", "cnn beats mlp", "mlp adam beats sgd"]),
        (("depth 2 relu", "depth 2 sigmoid"), ["relu beats sigmoid", "sigmoid is worse than relu"]),
        (("relu", "rmsprop", "vgg16"), ["selu beats elu", "rprop beats relu", "vgg19 beats vgg16"]),
    ],
)
def test_what_is_no_slip_stands_as_typed(arms: Sequence[str], texts: list[str]) -> None:
    for text in texts:
        refuse_misnamed(text, arms)


@pytest.mark.parametrize(
    ("seeds", "has_folds", "told"),
    [
        ([1, 2], False, "it is judged, b against a"),
        ([1], False, "it stands as typed and is not judged: one seed an arm tells nothing of chance"),
        ([1], True, "it stands as typed and is not judged: folds are no seeds"),
    ],
)
def test_a_hypothesis_is_judged_only_where_seeds_are(seeds: list[int], has_folds: bool, told: str) -> None:
    plan = replace(PLAN, seeds=seeds, hypothesis="b beats a")
    assert in_words(plan, has_folds=has_folds) == f"hypothesis “b beats a”: {told}"
    assert "not judged, since" in in_words(replace(PLAN, hypothesis="all is well"), has_folds=False)
