"""A head whose weights are the embedding's (Press and Wolf 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TiedHead(nn.Linear):
    """Logits of tokens by the embedding's own weights, and a bias."""

    def __init__(self, embedding: nn.Embedding) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = embedding.weight.shape
        self.shared = (embedding,)  # in a tuple: it is no part of the head, and is not saved twice
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The embedding's weights."""
        return self.shared[0].weight
