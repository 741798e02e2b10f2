"""Which token is it: the next one of a text, or the ones that were hidden from it; perplexity and accuracy a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from dlexp.augment.seeds import mixed_bits
from dlexp.batch import IGNORED, Batch
from dlexp.metric import Metric
from dlexp.metrics.classes import Accuracy
from dlexp.metrics.measure import Measure
from dlexp.metrics.probabilities import Perplexity
from dlexp.ranges import Choice, Range
from dlexp.tasks.task import Task, shape_in_words

# Of the tokens that are to be guessed (Devlin et al., arXiv 1810.04805, §3.1): hidden, and another one in their place.
HIDDEN, REPLACED = 0.8, 0.1


class Language(Task):
    """Tokens N×L (int64) are both input and answer; the model returns logits N×L×tokens.

    objective: "next": each token is guessed from those before it, so the model must not look ahead. "masked": a part of
    `hidden` is guessed from all others, as BERT has it; in training it is drawn anew for each batch from torch's
    default generator, in evaluation it follows from the tokens themselves, the same in every batch.
    padding: a token that is never guessed; None: there is none. mask_token: what hides a token; None: the last one.
    """

    metric = "perplexity"
    own: Mapping[str, Measure] = {"perplexity": Perplexity(), "accuracy": Accuracy()}
    metrics: Mapping[str, Metric] = {name: each.facts for name, each in own.items()}
    keeps_outputs = False

    def __init__(
        self,
        *,
        num_outputs: Annotated[int, Range(ge=2)],
        targets: Annotated[str, Choice("none")],
        objective: Annotated[str, Choice("next", "masked")],
        padding: Annotated[int | None, Range(ge=0)],
        mask_token: Annotated[int | None, Range(ge=0)],
        hidden: Annotated[float, Range(gt=0, lt=1)],
    ) -> None:
        super().__init__()
        self.num_outputs, self.targets, self.objective, self.hidden = num_outputs, targets, objective, hidden
        self.padding = padding
        self.mask_token = num_outputs - 1 if mask_token is None else mask_token
        self.chance: Mapping[str, float] = {"perplexity": num_outputs}

    @property
    def learns(self) -> str:
        """Classes, which is what tokens are to a metric."""
        return "classes"

    def answer(self, outputs: tuple[Tensor, Tensor]) -> Tensor:
        """Returns the logits."""
        return outputs[0]

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns logits N×L×tokens and the answers N×L, `IGNORED` where nothing is to be guessed."""
        (tokens,) = batch.values()
        answers = tokens if self.padding is None else tokens.masked_fill(tokens == self.padding, IGNORED)
        if self.objective == "next":
            nothing = torch.full_like(tokens[:, :1], IGNORED)
            return model(tokens), torch.cat([answers[:, 1:], nothing], dim=1)
        draws = self._draws(tokens)
        is_guessed = (draws < self.hidden) & (answers != IGNORED)
        part = draws / self.hidden
        other = mixed_bits((draws * 2**24).long(), 2) % self.num_outputs
        shown = torch.where(is_guessed & (part < HIDDEN + REPLACED), other, tokens)
        shown = torch.where(is_guessed & (part < HIDDEN), self.mask_token, shown)
        return model(shown), torch.where(is_guessed, answers, IGNORED)

    def _draws(self, tokens: Tensor) -> Tensor:
        """Returns a number between 0 and 1 for each token."""
        if self.training:
            return torch.rand(tokens.shape, device=tokens.device)
        places = torch.arange(tokens.shape[1], device=tokens.device)
        bits = mixed_bits(tokens * (places + 1), 0)
        if self.padding is not None:  # of which a row has more in another batch
            bits = bits * (tokens != self.padding)
        rows = bits.sum(dim=1, keepdim=True)
        return mixed_bits(rows + places, 1).float() / 2**32

    def misfit(self, outputs: Any, batch: Batch) -> str | None:
        """Returns what is wrong with outputs that are not N×L×tokens."""
        logits, answers = outputs
        if isinstance(logits, Tensor) and logits.shape == (*answers.shape, self.num_outputs):
            return None
        wanted = f"N×{answers.shape[1]}×{self.num_outputs}"
        return f"{shape_in_words(logits)}, but tokens of data.shape and data.num_outputs ask for {wanted}"

    def undecided(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns the same logit for each token, and the answers."""
        (tokens,) = batch.values()
        model: Any = lambda shown: torch.zeros(*shown.shape, self.num_outputs, device=tokens.device)  # noqa: E731
        return self.forward(model, batch)

    def judged(self, outputs: tuple[Tensor, Tensor], batch: Batch) -> tuple[Tensor, Batch]:
        """Returns logits N×tokens×L, and the answers as targets."""
        logits, answers = outputs
        return logits.transpose(1, 2), {"targets": answers}

    def loss(self, outputs: tuple[Tensor, Tensor], batch: Batch) -> Tensor:
        """Returns the loss, a mean over the tokens that are guessed."""
        logits, batch = self.judged(outputs, batch)
        return self.mean_loss(logits, batch["targets"], self.weight(outputs, batch))

    def weight(self, outputs: tuple[Tensor, Tensor], batch: Batch) -> Tensor:
        """Returns how many tokens are guessed."""
        return (outputs[1] != IGNORED).sum()
