"""Tokens from words to a run: what is guessed, perplexity, masks that repeat, resume, what does not go."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from resuming import resumes_exactly
from torch import Tensor, nn

from dlexp import api
from dlexp.batch import IGNORED
from dlexp.config.build import load_data
from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.criteria.cross_entropy import CrossEntropy
from dlexp.errors import UserError
from dlexp.tasks.language import Language

TEXT = "the quick brown fox jumps over the lazy dog. " * 60
SMALL = ["data=text", "data.length=16", "model.width=16", "model.heads=2", "model.depth=1", "optimizer=adam",
         "optimizer.lr=0.01", "batch_size=16", "threads=1", "precision=float32"]  # fmt: skip


def language(**settings: Any) -> Language:
    default = {"num_outputs": 10, "targets": "none", "objective": "next", "padding": None, "mask_token": None}
    task = Language(**default | {"hidden": 0.15} | settings)
    task.criterion = CrossEntropy(label_smoothing=0.0, weight=None)
    return task


class Echo(nn.Module):
    """Answers with what it is shown."""

    def forward(self, tokens: Tensor) -> Tensor:
        return 5.0 * nn.functional.one_hot(tokens, 10)


def test_the_next_token_is_guessed_and_padding_never() -> None:
    task, tokens = language(padding=0), torch.tensor([[1, 2, 2, 3], [4, 4, 0, 0]])
    outputs = task(Echo(), {"inputs": tokens})
    assert outputs[1].tolist() == [[2, 2, 3, IGNORED], [4, IGNORED, IGNORED, IGNORED]]
    assert task.weight(outputs, {}) == 4
    logits = outputs[0].flatten(0, 1)[[0, 1, 2, 4]]
    expected = nn.functional.cross_entropy(logits, torch.tensor([2, 2, 3, 4]))
    torch.testing.assert_close(task.loss(outputs, {}), expected)
    found = task.conclude(task.measure(outputs, {}), 2)
    assert found == {"perplexity": pytest.approx(math.exp(expected)), "accuracy": 0.5}


def test_masks_are_those_of_bert() -> None:
    task = language(objective="masked")
    tokens = torch.randint(0, 9, (400, 50))
    shown: list[Tensor] = []

    class Seen(Echo):
        def forward(self, tokens: Tensor) -> Tensor:
            shown.append(tokens)
            return super().forward(tokens)

    for is_training in (True, False):
        torch.manual_seed(0)
        task.train(is_training)
        _, answers = task(Seen(), {"inputs": tokens})
        guessed, seen = answers != IGNORED, shown[-1]
        assert torch.equal(answers[guessed], tokens[guessed]) and torch.equal(seen[~guessed], tokens[~guessed])
        assert float(guessed.float().mean()) == pytest.approx(0.15, abs=0.01)
        hidden = (seen == 9)[guessed].float().mean()
        assert float(hidden) == pytest.approx(0.81, abs=0.02), "80 %, and a tenth of those that are replaced"
        assert float((seen == tokens)[guessed].float().mean()) == pytest.approx(0.11, abs=0.02)
        again = task(Seen(), {"inputs": tokens})[1]
        assert torch.equal(answers, again) is not is_training, "anew in training, the same in evaluation"
    whole = task(Echo(), {"inputs": tokens})[1]
    assert torch.equal(torch.cat([task(Echo(), {"inputs": part})[1] for part in tokens.split(7)]), whole)


def test_nothing_waits_for_the_device() -> None:
    tokens = torch.zeros(4, 6, dtype=torch.int64, device="meta")
    for objective in ("next", "masked"):
        task = language(objective=objective, padding=0).eval()
        outputs = task(lambda shown: torch.zeros(*shown.shape, 10, device="meta"), {"inputs": tokens})
        assert task.loss(outputs, {}).is_meta and task.weight(outputs, {}).is_meta
        assert all(total.is_meta for total in task.measure(outputs, {}).values())


@pytest.fixture
def file(workdir: Path) -> str:
    (workdir / "text.txt").write_text(TEXT, encoding="utf-8")
    return "data.file=text.txt"


@pytest.mark.parametrize("words", [[], ["task.objective=masked", "model.causal=false"]])
def test_a_text_is_learnt(words: list[str], file: str, workdir: Path) -> None:
    result = api.run([*SMALL, *words, file, "epochs=30", "metric=[perplexity,accuracy,top5]"], folder=workdir / "run")
    metrics = result.metrics
    tokens = len(set(TEXT)) + 1
    assert metrics["test/perplexity"] < 0.5 * tokens and metrics["test/accuracy"] > 0.3
    model = api.load(result.folder)
    test = load_data(compose([*SMALL, *words, file]).config["data"]).test
    tokens_shown, model.task.training = test.inputs, False
    logits, (_, answers) = model(tokens_shown), model.task(model.model, {"inputs": tokens_shown})
    kept = answers != IGNORED
    loss = float(nn.functional.cross_entropy(logits[kept].double(), answers[kept]))
    assert metrics["test/perplexity"] == pytest.approx(math.exp(loss), rel=1e-4)


@pytest.mark.parametrize("words", [["model.dropout=0.1"], ["task.objective=masked", "model.causal=false"]])
def test_it_goes_on_in_the_middle_of_an_epoch(
    every_state_is_kept: None, words: list[str], file: str, workdir: Path
) -> None:
    resumes_exactly([*SMALL, *words, file, "epochs=2", "pictures=false"], workdir, steps=[3, 12])


def test_the_model_that_looks_ahead_differs() -> None:
    from dlexp.models.transformer import Transformer

    settings: dict[str, Any] = {"shape": [8], "num_outputs": 5, "depth": 1, "width": 8, "heads": 2, "widening": 2.0}
    first = torch.randint(0, 5, (3, 8))
    changed = first.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 5
    for causal in (True, False):
        model = Transformer(**settings, dropout=0.0, causal=causal).eval()
        same = torch.isclose(model(first), model(changed), atol=1e-6).all(dim=2)
        assert same[:, :5].all() == causal and not same[:, 5:].any()
        assert model(first[:, :3]).shape == (3, 3, 5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model=mlp"], "mlp"),
        (["model.heads=5"], "model.width=16 must be a multiple of model.heads=5"),
        (["data.file=nowhere.txt"], "data.file=nowhere.txt can't be read as text in UTF-8"),
        (["metric=mae"], "learns classes"),
        (["data=spiral", "model=transformer"], "layer 'tokens' (Embedding) can't take"),
    ],
)
def test_what_does_not_go_is_a_sentence(words: list[str], sentence: str, file: str) -> None:
    typed = {word.partition("=")[0]: word for word in [*SMALL, file, *words]}
    if "data=spiral" in words:
        typed = {word: word for word in words}
    if "model=mlp" in words:
        typed = {key: word for key, word in typed.items() if not key.startswith("model.")}
    with pytest.raises(UserError) as error:
        check(compose(list(typed.values())).config)
    assert sentence in str(error.value), error.value


def test_a_text_that_is_too_short(workdir: Path) -> None:
    (workdir / "short.txt").write_text("too short", encoding="utf-8")
    with pytest.raises(UserError, match="has 9 characters, too few"):
        api.run([*SMALL, "data.file=short.txt"], folder=workdir / "run")


def test_the_text_that_ships_with_python() -> None:
    config = compose(["data=text"]).config
    splits = load_data(config["data"])
    characters = config["data"]["class_names"]
    assert len(splits.train) + len(splits.test) > 5000 and config["data"]["num_outputs"] == len(characters) < 200
    assert "".join(characters[token] for token in splits.train.inputs[:20].flatten()).isprintable() is False
