"""A linear model trained while it reads, in mini-batches: the dual form of TTT-Linear (Sun et al. 2024).

The state is the model (W, b). Each token is an example: from k, W^T k + b, normalised and scaled, is to be v - k. One
mini-batch of M tokens takes every gradient at the model before it, and a token is answered by the model that the
gradients up to its own have made. So within a mini-batch the changes are linear attention with values - eta_i g_i.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.precision import in_full_precision

EPSILON = 1e-6


@in_full_precision
def trained_memory(
    q: Float[Tensor, "B H N K"],
    k: Float[Tensor, "B H N K"],
    v: Float[Tensor, "B H N K"],
    rate: Float[Tensor, "B H N"],
    scale: Float[Tensor, "H K"],
    shift: Float[Tensor, "H K"],
    weight: Float[Tensor, "B H K K"],
    bias: Float[Tensor, "B H K"],
    batch: int,
) -> tuple[Float[Tensor, "B H N K"], Float[Tensor, "B H K K"], Float[Tensor, "B H K"]]:
    """W_t^T q_t + b_t at each token, and the model after the last whole mini-batch; the first token begins one.

    scale, shift: what the normalised prediction is multiplied by, and what is added
    """
    scale, shift, outputs = scale[:, None], shift[:, None], []
    for part in zip(*(x.split(batch, dim=2) for x in (q, k, v, rate[..., None])), strict=True):
        asked, key, value, step = part  # (B, H, M, ·)
        change = -step * gradient(key @ weight + bias[:, :, None], value - key, scale, shift)  # (B, H, M, K)
        scores = (asked @ key.transpose(-1, -2) + 1).tril()  # (B, H, M, M): 1 for the bias
        outputs.append(asked @ weight + bias[:, :, None] + scores @ change)
        if key.shape[2] == batch:
            weight, bias = weight + key.transpose(-1, -2) @ change, bias + change.sum(2)
    return torch.cat(outputs, dim=2) if outputs else torch.zeros_like(v), weight, bias


@in_full_precision
def trained_read(
    q: Float[Tensor, "B H Q K"],
    own: tuple[Tensor, ...],
    waiting: tuple[Tensor, ...],
    scale: Float[Tensor, "H K"],
    shift: Float[Tensor, "H K"],
    weight: Float[Tensor, "B H K K"],
    bias: Float[Tensor, "B H K"],
) -> Float[Tensor, "B H Q K"]:
    """The answer to each of Q alternative next tokens, after the tokens that wait for their mini-batch to be whole.

    own, waiting: keys, values and rates of the alternatives, and of what waits
    """
    scale, shift, bias = scale[:, None], shift[:, None], bias[:, :, None]
    changes = [-rate[..., None] * gradient(k @ weight + bias, v - k, scale, shift) for k, v, rate in (own, waiting)]
    past = q @ weight + bias + (q @ waiting[0].transpose(-1, -2) + 1) @ changes[1]
    return past + ((q * own[0]).sum(-1, keepdim=True) + 1) * changes[0]


def gradient(z: Tensor, target: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Of half the squared distance between scale * normalised z + shift and the target, with respect to z."""
    centred = z - z.mean(-1, keepdim=True)
    deviation = torch.sqrt(centred.square().mean(-1, keepdim=True) + EPSILON)
    normal = centred / deviation
    g = scale * (scale * normal + shift - target)
    return (g - g.mean(-1, keepdim=True) - normal * (g * normal).mean(-1, keepdim=True)) / deviation


def normalised(y: Float[Tensor, "B H N K"], scale: Float[Tensor, "H K"], shift: Float[Tensor, "H K"]) -> Tensor:
    """A prediction normalised, scaled and shifted, head by head."""
    return F.layer_norm(y, y.shape[-1:], eps=EPSILON) * scale[:, None] + shift[:, None]
