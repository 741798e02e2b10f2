"""The words of stages: what a preset lists, what is said to all of them or to one, and what can't be."""

from pathlib import Path

import pytest

from dlexp.config.words import Words
from dlexp.errors import UserError
from dlexp.sweep.chain import Chain, chains
from dlexp.sweep.grid import Job, grid

PRESET = """\
# @package _global_
defaults:
  - override /model: mlp
stages:
  first: [model.depth=1, epochs=7]
  second: [model.depth=2, init_from=stages.first]
"""


@pytest.fixture
def presets(workdir: Path) -> list[Path]:
    """A folder of options of somebody's own, with the preset `two`."""
    (workdir / "conf" / "experiment").mkdir(parents=True)
    (workdir / "conf" / "experiment" / "two.yaml").write_text(PRESET, encoding="utf-8")
    return [workdir / "conf"]


def found(presets: list[Path], *said: str) -> list[Chain] | None:
    words = ["experiment=two", *said]
    jobs = grid([[word] if "=a," not in word else [f"{word.split('=')[0]}={v}" for v in ("2", "3")] for word in words])
    return chains(jobs, Words(words, presets, True, []))


def test_each_stage_has_its_own_words_and_those_of_the_line(presets: list[Path]) -> None:
    (chain,) = found(presets, "seed=3", "stages.second.optimizer=adam") or []
    first, second = chain.links
    assert first.job({}).overrides == ["experiment=two", "seed=3", "model.depth=1", "epochs=7", "stages=null"]
    assert first.job({}).name == "first" and not first.is_last and first.source is None
    assert second.source == "first" and second.is_last
    job = second.job({"first": Path("outputs/two/first")})
    own = ["experiment=two", "seed=3", "model.depth=2", "optimizer=adam", "stages=null"]
    assert job.overrides == [*own, "init_from=outputs/two/first"]
    assert second.job({}).overrides == own
    assert second.job({"first": Path("my runs/it's")}).overrides[-1] == r"init_from='my runs/it\'s'"


def test_the_command_line_wins_and_what_is_said_to_one_over_what_is_said_to_all(presets: list[Path]) -> None:
    (chain,) = found(presets, "epochs=2", "stages.second.epochs=3", "stages.second.init_from=null") or []
    words = [link.job({"first": Path("x")}).overrides for link in chain.links]
    assert [[word for word in own if "epochs" in word] for own in words] == [["epochs=2"], ["epochs=3"]]
    assert "init_from=null" in words[1] and chain.links[1].source is None


def test_arms_share_a_stage_until_they_part(presets: list[Path]) -> None:
    arms = found(presets, "stages.second.epochs=a,") or []
    assert [chain.links[0].job({}) for chain in arms] == [arms[0].links[0].job({})] * 2
    assert [chain.links[1].job({}).name for chain in arms] == ["epochs-2_second", "epochs-3_second"]


def test_words_without_stages_are_nobodys_here(presets: list[Path]) -> None:
    words = ["model=mlp"]
    assert chains([Job("", words, {})], Words(words, presets, True, [])) is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("stages.secnd.epochs=3", "there is no stage 'secnd'. Did you mean 'second'? There are: first, second"),
        ("init_from=outputs/x", "stages.first.init_from= says it to one"),
        ("model.depth=3", "(first with model.depth=1, second with model.depth=2); stages.first.model.depth=3 says it"),
        ("stages.first.init_from=stages.second", "must name a stage before it, none, being the first"),
        ("stages.second.init_from=stages.frst", "must name a stage before it, one of first"),
        ("stages.second.experiment=mnist_mlp", "experiment=mnist_mlp can't be said to one stage alone"),
    ],
)
def test_what_cannot_be_said(presets: list[Path], said: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        found(presets, said)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ("stages: {first: 3}", "stages.first must be a list of words"),
        ("stages: {first: [epochs]}", "stages.first must be a list of words"),
        ("stages: {}", "stages must name at least one stage"),
        ("stages: {a/b: [epochs=1]}", "'a/b' is no name for a stage"),
    ],
)
def test_what_cannot_be_listed(presets: list[Path], listed: str, told: str) -> None:
    (presets[0] / "experiment" / "two.yaml").write_text(f"# @package _global_\n{listed}\n", encoding="utf-8")
    with pytest.raises(UserError) as error:
        found(presets)
    assert told in str(error.value)


def test_a_word_for_a_stage_where_there_are_none(presets: list[Path]) -> None:
    words = ["model=mlp", "stages.first.epochs=3"]
    with pytest.raises(UserError, match="is said to a stage, and this command has none"):
        chains([Job("", words, {})], Words(words, presets, True, []))
