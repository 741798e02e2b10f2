"""The help pages: they list what there is, and fit the terminal."""

import pytest

from dlexp.config import registry
from dlexp.config.help import HEIGHT, WIDTH, answer, page
from dlexp.errors import UserError

GROUPS = [group for group in registry.groups() if group != "recipe"]


def test_the_page_lists_what_there_is() -> None:
    text = page()
    for group, options in registry.groups().items():
        if group == "recipe":
            assert "recipe" not in text.split()
        elif group != "experiment":
            (line,) = [line for line in text.splitlines() if line.startswith(f"  {group} ")]
            words = line.replace("[", " ").replace("]", " ").split()
            assert len(set(options) & set(words)) >= min(3, len(options))
    for default in ("[spiral]", "[mlp]", "[sgd]", "[cosine]", "[cross_entropy]"):
        assert default in text
    for command in registry.commands():
        assert command in text.partition("Commands (")[2]
    for word in ("python -m dlexp ", "-m optimizer=sgd,adam", "tensorboard --logdir", "--cfg job", "allow="):
        assert word in text
    assert "hydra" not in text.replace("--hydra-help", "").lower()


def test_presets_are_shown_with_what_they_are_for() -> None:
    lines = page().partition("Presets: experiment=NAME\n")[2].partition("\nSettings")[0].splitlines()
    names = registry.groups()["experiment"]
    assert len(lines) >= 10 and "  cifar10_cnn         A small convolutional net on CIFAR-10" in lines
    if len(lines) < len(names):  # there are more than fit
        assert lines[-1] == f"  … {len(names) - len(lines) + 1} more: --help experiment"
    whole = answer("experiment")
    assert all(f"\n  {name}: " in whole for name in names)


def test_every_setting_of_the_schema_is_explained() -> None:
    from dlexp.config.schema import Settings

    text, first = answer("settings"), page()
    own = [name for name in Settings.__dataclass_fields__ if name not in registry.groups()]
    assert len(own) > 20
    for name in own:
        assert f"  {name} " in text or f"  {name}." in text
        assert name in first.partition("Settings, ")[2]
    assert "data.val_size" in text and answer("seed") == text == answer("checkpoint.keep")


def test_pages_fit_the_terminal() -> None:
    assert len(page().splitlines()) <= HEIGHT == 50 and "\n\nSettings, typed as" in page()
    pages = [page(), answer("settings"), *map(answer, GROUPS), *(answer(name) for name in registry.groups()["model"])]
    assert WIDTH == 80 and max(len(line) for text in pages for line in text.splitlines()) <= 80


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_is_told_with_its_options_and_their_settings(group: str) -> None:
    text = answer(group)
    assert all(f"\n  {option}: " in text for option in registry.groups()[group])
    for option in registry.groups()[group]:
        about = text.partition(f"\n  {option}: ")[2].partition("\n")[0]
        assert len(about) > 10 and about.count("(") == about.count(")"), option


def test_settings_of_options_are_those_of_their_files() -> None:
    text = answer("model")
    assert "depth=2  width=128  activation=relu  dropout=0.0  batch_norm=false" in text
    assert "model=OPTION [mlp]" in text and "shape=" not in text and "_target_" not in text
    assert "lr=0.01  momentum=0.9" in answer("optimizer"), "the rate of no recipe"
    assert "crop.padding=4" in answer("augment")
    assert answer("mlp") == answer("model=mlp") and "model.depth       hidden layers [2]" in answer("mlp")
    assert "augment=none: No augmentation" in answer("none") and "\n\nema=none: " in answer("none")


def test_options_of_ones_own_are_told_too(tmp_path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "# My net.\n_target_: mine.net\nwidth: 3  # units\n", encoding="utf-8"
    )
    assert "\n  mine: My net\n      width=3\n" in answer("model", [tmp_path]) + "\n"


@pytest.mark.parametrize(("topic", "meant"), [("modle", "'model'"), ("vgg61", "'vgg16'"), ("dwnload", "'download'")])
def test_an_unknown_topic_suggests(topic: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"--help knows no '{topic}'. Did you mean {meant}"):
        answer(topic)
