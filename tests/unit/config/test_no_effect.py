"""What was typed of a model and changes nothing is told."""

import pytest

from dlexp.config.compose import compose


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["model=googlenet", "data=cifar10", "model.auxiliary_weight=0.7"],
            "auxiliary_weight changes nothing: with model.aux",
        ),
        (["model=googlenet", "data=cifar10", "model.auxiliary_weight=0.7", "model.auxiliary=true"], None),
        (["model.depth=0", "model.width=7", "model.dropout=0.5"], "model.width, model.dropout change nothing: with"),
        (["model.depth=0"], None),
        (["model.width=7"], None),
        (["model=autoencoder", "data=mnist", "model.depth=0", "model.dropout=0.5"], None),
    ],
)
def test_what_has_no_effect_is_told(words: list[str], told: str | None) -> None:
    remarks = compose(words).remarks
    assert len(remarks) == (told is not None) and (told is None or told in remarks[0])
