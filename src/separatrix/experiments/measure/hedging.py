"""What a sequence of predictions proves to be known, when nobody says which of them to trust: hedged coding.

Symbols are told one by one; before each, several predictors give it a distribution. A mixture that shifts its trust to
those that did well so far (Herbster and Warmuth 1998, fixed share) is one predictor more, and needs no choosing on
other data: at every step it says what it will bet before the symbol is known.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

TEMPERATURES = (0.5, 1.0, 2.0, 4.0)
"""A model's logits are divided by each: trained ones may be too sure of themselves."""


def predictors(logits: Float[Tensor, "B M T"], truth: Tensor) -> Float[Tensor, "B M K"]:
    """Bits that each predictor pays for the true symbols: the model at each temperature, and the uniform guess.

    logits: of the T symbols that are possible, and of them alone; truth: Int[B, M], which one it is
    """
    paid = [
        -torch.log_softmax(logits / temperature, dim=-1).gather(-1, truth[..., None])[..., 0] / math.log(2)
        for temperature in TEMPERATURES
    ]
    return torch.stack([*paid, torch.full_like(paid[0], math.log2(logits.shape[-1]))], dim=-1)


def hedged(paid: Float[Tensor, "B M K"]) -> Float[Tensor, "B M"]:
    """Bits that the mixture pays for each symbol; never less than 0, and over a sequence at most log2 K + 2 more than
    the best of its predictors, and log2 (K M) + 1 more for each time that another one becomes the best.

    >>> from separatrix.experiments.measure.hedging import hedged
    >>> paid = torch.tensor([[[9.0, 1.0], [9.0, 1.0], [0.0, 1.0], [0.0, 1.0]]])  # the first one learns in the middle
    >>> bool(hedged(paid.repeat_interleave(100, dim=1)).sum() < 200 + 12)
    True
    """
    batch, length, count = paid.shape
    share = 1 / max(2, length)
    trust = paid.new_full((batch, count), -math.log2(count))  # log2 of the weights
    total = []
    for step in paid.unbind(dim=1):
        joint = trust - step
        all_of_them = torch.logsumexp(joint * math.log(2), dim=-1) / math.log(2)
        total.append(-all_of_them)
        weights = torch.exp2(joint - all_of_them[:, None])
        trust = torch.log2((1 - share) * weights + share / count)
    return torch.stack(total, dim=1).clamp(min=0)
