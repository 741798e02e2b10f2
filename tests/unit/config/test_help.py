"""The help page: it lists what there is, and fits the terminal."""

from dlexp.config import registry
from dlexp.config.help import WIDTH, page


def test_the_page_lists_what_there_is() -> None:
    text = page()
    for group, options in registry.groups().items():
        if group == "recipe":
            assert "recipe" not in text.split()
            continue
        assert f"  {group}" in text
        assert all(f" {option}" in text.replace("[", " ").replace("]", " ") for option in options), group
    for default in ("[spiral]", "[mlp]", "[sgd]", "[cosine]", "[cross_entropy]"):
        assert default in text
    for setting in ("seed", "epochs", "max_steps", "overfit_batches", "device", "precision", "data.limit", "n_jobs"):
        assert f"  {setting} " in text
    for command in registry.commands():
        assert f"  {command} " in text
    for word in (
        "python -m dlexp ",
        "-m optimizer=sgd,adam",
        "tensorboard --logdir",
        "--cfg job",
        "allow=",
    ):
        assert word in text
    assert "hydra" not in text.replace("--hydra-help", "").lower()


def test_every_setting_of_the_schema_is_explained() -> None:
    from dlexp.config.schema import Settings

    text = page()
    groups = set(registry.groups())
    assert all(
        f"  {name} " in text or f"  {name}." in text for name in Settings.__dataclass_fields__ if name not in groups
    )


def test_lines_fit_the_terminal() -> None:
    long = [line for line in page().splitlines() if len(line) > 1.3 * WIDTH]
    assert not long
