"""Margins: by how much the nearest point of one label beats the nearest of all the others."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def sides(
    labels: Int[Tensor, "B k"], label: Int[Tensor, "B Q"]
) -> tuple[Float[Tensor, "B Q k"], Float[Tensor, "B Q k"]]:
    """What hides the points of other labels when it is added to scores, and what hides those of this label."""
    same = labels[:, None, :] == label[..., None]
    nothing = torch.zeros(same.shape, device=labels.device)
    return nothing.masked_fill(~same, -torch.inf), nothing.masked_fill(same, -torch.inf)


def margins(
    scores: Float[Tensor, "B Q k"], others: Float[Tensor, "B Q k"], mates: Float[Tensor, "B Q k"]
) -> Float[Tensor, "B Q"]:
    """The largest score of a point of the label less the largest of another one, at most 2."""
    return ((scores + others).amax(dim=-1) - (scores + mates).amax(dim=-1)).clamp(max=2.0)
