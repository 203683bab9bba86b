"""What mixers with several heads share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def check_heads(width: int, heads: int) -> None:
    """ValueError unless the heads divide the width evenly (configurations report it as bad input)."""
    if width % heads:
        raise ValueError(f"width must be divisible by heads, got width {width} and {heads} heads")


def head_norm(x: Float[Tensor, "*B V"], epsilon: float = 1e-5) -> Float[Tensor, "*B V"]:
    """Each head's numbers divided by their root mean square."""
    return F.rms_norm(x, x.shape[-1:], eps=epsilon)


def rotate(x: Float[Tensor, "*B K"], angles: Float[Tensor, "*#A"]) -> Float[Tensor, "*B K"]:
    """Pairs (x_2i, x_2i+1) turned by the angles (last dimension K / 2)."""
    cos, sin = torch.cos(angles).to(x.dtype), torch.sin(angles).to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)
