"""Transformer for tokens: embeddings, torch's own encoder layers, logits for each token (Vaswani et al. 2017)."""

from typing import Annotated

import torch
from torch import Tensor, nn

from dlexp.errors import UserError
from dlexp.models.parts import MOST_LAYERS, WIDEST
from dlexp.ranges import Range


class Transformer(nn.Module):
    """Takes tokens N×L (int64) and returns logits N×L×num_outputs.

    With pre-normalisation (arXiv 2002.04745) and learnt places. causal: each token sees only itself and those before.
    Raises UserError where samples are no rows of tokens, or `width` can't be shared among the heads.
    """

    mask: Tensor | None

    def __init__(
        self,
        *,
        shape: list[int],
        num_outputs: Annotated[int, Range(ge=1)],
        depth: Annotated[int, Range(ge=1, le=MOST_LAYERS)],
        width: Annotated[int, Range(ge=1, le=WIDEST)],
        heads: Annotated[int, Range(ge=1)],
        widening: Annotated[float, Range(gt=0)],
        dropout: Annotated[float, Range(ge=0, lt=1)],
        causal: bool,
    ) -> None:
        super().__init__()
        if len(shape) != 1:
            raise UserError(f"model transformer needs rows of tokens, but data has shape {shape}; data=text has such")
        if width % heads:
            raise UserError(f"model.width={width} must be a multiple of model.heads={heads}")
        (length,) = shape
        self.tokens = nn.Embedding(num_outputs, width)
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, round(widening * width), dropout, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        for parameter in self.layers.parameters():  # the layers are copies of one another
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.output = nn.Linear(width, num_outputs)
        mask = nn.Transformer.generate_square_subsequent_mask(length) if causal else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        hidden = self.tokens(tokens) + self.places[:length]
        mask = None if self.mask is None else self.mask[:length, :length]
        outputs: Tensor = self.output(self.layers(hidden, mask=mask, is_causal=mask is not None))
        return outputs
