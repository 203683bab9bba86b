"""Answers to many queries from one memory under several delta rule steps each, without a copy of the memory."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.precision import in_full_precision


@in_full_precision
def delta_queries(
    q: Float[Tensor, "B Q H K"],
    k: Float[Tensor, "B Q n H K"],
    v: Float[Tensor, "B Q n H V"],
    beta: Float[Tensor, "B Q n H"],
    state: Float[Tensor, "B H K V"],
    decay: Float[Tensor, "B Q H K"] | None = None,
) -> Float[Tensor, "B Q H V"]:
    """Y = q^T S_n for each query, S_0 = diag(decay) S and S_i = S_{i-1} + beta_i k_i (v_i - S_{i-1}^T k_i)^T.

    S_n = S_0 + sum_i k_i u_i^T, so only products of S with q and the k_i are needed, and of these with one another.
    """
    steps = k.shape[2]
    read = torch.cat([q[:, :, None], k], dim=2)  # (B, Q, 1 + n, H, K)
    faded = read if decay is None else read * decay[:, :, None]
    held = torch.einsum("bqnhk,bhkv->bqnhv", faded, state)
    alike = torch.einsum("bqnhk,bqmhk->bqnmh", read, k)[..., None]  # (B, Q, 1 + n, n, H, 1)
    y = held[:, :, 0]
    written: list[Tensor] = []
    for i in range(steps):
        seen = held[:, :, 1 + i]
        for j, u in enumerate(written):
            seen = seen + alike[:, :, 1 + i, j] * u
        written.append(beta[:, :, i, :, None] * (v[:, :, i] - seen))
        y = y + alike[:, :, 0, i] * written[-1]
    return y
