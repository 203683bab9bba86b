"""Forgetting attention: softmax attention whose scores fade with forget gates (Lin et al. 2025)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.config import SwiGLUBlocks
from separatrix.models.heads import check_heads, head_norm
from separatrix.models.mixer import Mixer, SharedMixer, own_rows
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.alternatives import spread
from separatrix.ops.attention_read import attention_read
from separatrix.ops.precision import in_full_precision


def _unset(wanted: bool) -> bool:
    """Whether a field says nothing: configurations older than it keep their identities."""
    return not wanted


class ForgettingConfig(SwiGLUBlocks):
    """Blocks of RMS norm, attention, residual, RMS norm, SwiGLU MLP, residual; no positions are needed."""

    name: Literal["forgetting"] = "forgetting"
    embedding_std: float = Field(0.02, gt=0, description="standard deviation of initial embeddings")
    heads: int = Field(1, ge=1, description="attention heads H, each with a forget gate")
    qk_norm: bool = Field(False, description="queries and keys divided by their root mean square", exclude_if=_unset)
    output_gate: bool = Field(
        False, description="each head's output normalised, then gated by the token", exclude_if=_unset
    )
    shift: bool = Field(False, description="keys and values mixed with the last token's", exclude_if=_unset)

    @model_validator(mode="after")
    def _divisible(self) -> ForgettingConfig:
        check_heads(self.width, self.heads)
        return self


@in_full_precision
def faded_attention(
    q: Float[Tensor, "B H N K"],
    k: Float[Tensor, "B H M K"],
    v: Float[Tensor, "B H M K"],
    forget: Float[Tensor, "B H M"],
    scale: float,
) -> Float[Tensor, "B H N K"]:
    """Causal softmax attention of the last N tokens, to scores q_i · k_j + the log gates `forget` after j up to i.

    The sums of gates are two coordinates more of queries and keys, so that no scores are kept for the backward pass.
    """
    tokens, past = q.shape[2], k.shape[2] - q.shape[2]
    total = forget.cumsum(-1)[..., None] / scale  # (B, H, M, 1)
    one = torch.ones_like(total)
    y = F.scaled_dot_product_attention(
        torch.cat([q, total[:, :, past:], one[:, :, past:]], dim=-1),
        torch.cat([k, one, -total], dim=-1),
        F.pad(v, (0, 2)),
        attn_mask=torch.ones(tokens, past + tokens, dtype=torch.bool, device=q.device).tril(past) if past else None,
        is_causal=not past and tokens > 0,
        scale=scale,
    )
    return y[..., :-2]


class ForgettingAttention(SharedMixer):
    """Multi-head softmax attention; a score loses the log forget gates of the tokens since, -log sigmoid(w x + b).

    FoX Pro is all of: queries and keys normalised head by head; heads normalised and gated by sigmoid(W x) behind the
    attention; and keys and values a k_- + (1 - a) k, mixed with those of the token before by a = sigmoid(w x) of each
    head. State: the cache of keys, values and log gates, heads * (2 * width / heads + 1) numbers a token; with `shift`
    the last token's key and value before they are mixed, 2 * width numbers more.
    """

    transitions = "attention"

    def __init__(
        self, width: int, heads: int = 1, qk_norm: bool = False, output_gate: bool = False, shift: bool = False
    ) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.forget = nn.Linear(width, heads)
        self.shift = nn.Linear(width, 2 * heads, bias=False) if shift else None
        self.gate = nn.Linear(width, width, bias=False) if output_gate else None
        self.norm = nn.Parameter(torch.ones(width)) if output_gate else None
        self.q_norm, self.k_norm = (
            nn.Parameter(torch.ones(heads, width // heads)) if qk_norm else None for _ in range(2)
        )

    def asked(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B H K"]:
        """Queries."""
        q = self.query(x).unflatten(-1, (self.heads, -1))
        return q if self.q_norm is None else head_norm(q) * self.q_norm

    def entering(self, x: Float[Tensor, "*B D"]) -> list[Float[Tensor, "*B H K"]]:
        """Keys and values, before they are mixed with those of the token before."""
        return [f(x).unflatten(-1, (self.heads, -1)) for f in (self.key, self.value)]

    def written(
        self, x: Float[Tensor, "*B D"], own: list[Tensor], last: list[Tensor]
    ) -> tuple[Tensor, Tensor, Float[Tensor, "*B H"]]:
        """Keys, values and log gates, from what the tokens and those before them enter with."""
        if self.shift is not None:
            shares = torch.sigmoid(self.shift(x)).unflatten(-1, (2, -1))[..., None].unbind(-3)  # (*B, H, 1) each
            own = [(a * before + (1 - a) * new).to(new.dtype) for a, before, new in zip(shares, last, own, strict=True)]
        k, v = own
        return k if self.k_norm is None else head_norm(k) * self.k_norm, v, F.logsigmoid(self.forget(x))

    def finish(self, y: Float[Tensor, "*B H K"], gate: Float[Tensor, "*B D"] | None) -> Float[Tensor, "*B D"]:
        """Each head normalised and gated, where that is wanted, and the output projection."""
        if gate is None or self.norm is None:
            return self.out(y.flatten(-2))
        return self.out(head_norm(y).flatten(-2) * self.norm * torch.sigmoid(gate))

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        entering, before, last = self.entering(x), [], []
        if self.shift is not None:
            first = [part[:, :0].sum(1) for part in entering] if state is None else state[3:]  # zeros before any token
            joined = [torch.cat([one[:, None], part], dim=1) for one, part in zip(first, entering, strict=True)]
            before, last = [part[:, :-1] for part in joined], [part[:, -1] for part in joined]
        own = [part.transpose(1, 2) for part in self.written(x, entering, before)]  # (B, H, N, ·)
        kept = own if state is None else [torch.cat(pair, dim=2) for pair in zip(state, own, strict=False)]
        return *kept, *last

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        after = self.prefill(x, state)
        keys, values, gates = after[:3]
        y = faded_attention(self.asked(x).transpose(1, 2), keys, values, gates, self.scale)
        return self.finish(y.transpose(1, 2), None if self.gate is None else self.gate(x)), after

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y, after = self.scan(x[:, None], state)
        return y[:, 0], after

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        keys, values, gates, *last = state
        if last:  # what a query writes depends on the token before it
            x, which = own_rows(spread(x, which))
            last = [part.repeat_interleave(which.shape[1], dim=0) for part in last]
        q, (k, v, forget) = self.asked(x), self.written(x, self.entering(x), last)  # (R, H, K), (R, H)
        since = gates.flip(-1).cumsum(-1).flip(-1) - gates  # (B, H, N): the log gates after each token
        faded = torch.cat([keys, since[..., None] / self.scale, torch.ones_like(since)[..., None] / self.scale], dim=-1)
        asking = torch.cat([q, torch.ones_like(forget)[..., None], forget[..., None]], dim=-1)
        y = attention_read(
            asking.flatten(1), (q * k).sum(-1) * self.scale, F.pad(v, (0, 2)).flatten(1), which, faded,
            F.pad(values, (0, 2)), self.scale,
        )  # fmt: skip
        gate = None if self.gate is None else spread(self.gate(x), which)
        return self.finish(y.unflatten(-1, (self.heads, -1))[..., :-2], gate)


class Forgetting(SequenceModel):
    """Forgetting Transformer: attention to everything, fading at a rate that each token chooses."""

    Config = ForgettingConfig
    state_formula = "(2 * width + heads) * N, with shift 2 * width more"
    parallel = "attention"
    source = "Lin et al. 2025, arXiv 2503.02130"

    @classmethod
    def build_mixer(cls, config: ForgettingConfig, layer: int) -> Mixer:
        c = config
        return ForgettingAttention(c.width, c.heads, c.qk_norm, c.output_gate, c.shift)
