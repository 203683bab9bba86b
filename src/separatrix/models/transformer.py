"""Transformer: softmax attention (Vaswani et al. 2017), causal unless asked otherwise, pre-norm as in GPT-2.

Relative positions: rotary (Su et al. 2021) and linear biases (ALiBi, Press et al. 2022); sliding windows as in
Longformer (Beltagy et al. 2020).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.errors import InputError
from separatrix.models.config import ModelConfig
from separatrix.models.heads import rotate
from separatrix.models.mixer import Mixer, SharedMixer, own_rows
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.attention_read import attention_read, weights

SCORES = 2**22
"""Scores held at a time when many queries are asked without gradients: a bound on memory, and fast (measured)."""


class TransformerConfig(ModelConfig):
    """A `head_width` of None means width / heads."""

    name: Literal["transformer"] = "transformer"
    heads: int = Field(1, ge=1, description="attention heads H")
    head_width: int | None = Field(None, ge=1, description="width of keys, queries and values of one head")
    mlp: int | None = Field(None, ge=0, description="hidden width of each MLP; 0 for no MLP, None for 4 * width")
    positions: Literal["none", "learned", "sinusoidal", "rope", "alibi"] = Field(
        "learned", description="position embedding; rope and alibi act inside attention"
    )
    embedding_std: float = Field(0.02, gt=0, description="as in GPT-2: with 1.0, brackets were not learned at N = 50")
    window: int | None = Field(None, ge=1, description="tokens attended to, the present one included; None for all")
    bias: bool = Field(False, description="biases in the attention projections")
    scale: float | None = Field(
        None,
        gt=0,
        description="what scores are multiplied by; None for head_width ** -0.5",
        exclude_if=lambda scale: scale is None,  # configurations older than the field keep their identities
    )
    causal: bool = Field(
        True,
        description="context tokens see only those before them; otherwise the whole context (Raffel et al. 2020)",
        exclude_if=lambda causal: causal,
    )

    @model_validator(mode="after")
    def _divisible(self) -> TransformerConfig:
        if self.head_width is None and self.width % self.heads:
            raise ValueError(f"width must be divisible by heads, got width {self.width} and {self.heads} heads")
        if self.positions == "rope" and (self.head_width or self.width // self.heads) % 2:
            raise ValueError(f"head_width must be even for rope, got {self.head_width or self.width // self.heads}")
        if not self.causal and (self.window is not None or self.positions == "alibi"):
            raise ValueError("windows and alibi look back: they need causal=True")
        return self


class Attention(SharedMixer):
    """Multi-head softmax attention, causal by default. State: the cache, 2 * heads * head_width numbers a token.

    Keys are kept as they were made and rotated when they are used, by their place in the cache: only distances
    matter, so that the cache of a sliding window needs no counter of the tokens before it.
    """

    transitions = "attention"

    def __init__(
        self,
        width: int,
        heads: int = 1,
        head_width: int | None = None,
        bias: bool = False,
        relative: Literal["none", "rope", "alibi"] = "none",
        window: int | None = None,
        scale: float | None = None,
        causal: bool = True,
    ) -> None:
        super().__init__()
        self.heads, self.head_width = heads, head_width or width // heads
        self.scale = self.head_width**-0.5 if scale is None else scale
        self.relative, self.window, self.causal = relative, window, causal
        inner = self.heads * self.head_width
        self.query = nn.Linear(width, inner, bias=bias)
        self.key = nn.Linear(width, inner, bias=bias)
        self.value = nn.Linear(width, inner, bias=bias)
        self.out = nn.Linear(inner, width, bias=bias)

    def split(self, x: Float[Tensor, "B N HK"]) -> Float[Tensor, "B H N K"]:
        """One row of numbers per head."""
        return x.unflatten(-1, (self.heads, self.head_width)).transpose(1, 2)

    def merge(self, x: Float[Tensor, "B H N K"]) -> Float[Tensor, "B N D"]:
        """The heads' outputs, projected back to the residual stream."""
        return self.out(x.transpose(1, 2).flatten(-2))

    def place(self, x: Float[Tensor, "B H N K"], start: int, same: bool = False) -> Float[Tensor, "B H N K"]:
        """Queries or keys rotated by their positions from `start` on (all by `start` when `same`), with RoPE."""
        if self.relative != "rope":
            return x
        positions = torch.full((1,), start) if same else torch.arange(start, start + x.shape[2])
        frequencies = 10000.0 ** (-torch.arange(0, self.head_width, 2, dtype=torch.float64) / self.head_width)
        return rotate(x, (positions[:, None] * frequencies).to(x.device))

    def penalty(self, distances: Int[Tensor, "#N M"], dtype: torch.dtype) -> Float[Tensor, "H #N M"]:
        """What ALiBi adds to the scores of keys so far away."""
        heads = torch.arange(1, self.heads + 1, device=distances.device, dtype=torch.float32)
        return (-(2.0 ** (-8.0 * heads / self.heads))[:, None, None] * distances).to(dtype)

    def mask(self, tokens: int, keys: int, like: Tensor) -> Float[Tensor, "H N M"] | None:
        """What is added to the scores of the last `tokens` of `keys` positions; None for plain causal attention."""
        reach = keys if self.window is None else min(self.window, keys)
        if self.relative != "alibi" and reach == tokens == keys:
            return None
        at = torch.arange(keys, device=like.device)  # whole numbers: half formats cannot tell 256 from 257
        distances = at[keys - tokens :, None] - at  # (N, M)
        hidden = (distances < 0) | (distances >= reach)
        if self.relative == "alibi":
            added = self.penalty(distances, like.dtype)
        else:
            added = torch.zeros(1, *distances.shape, device=like.device, dtype=like.dtype)
        return added.masked_fill(hidden, -torch.inf)

    def extend(self, x: Float[Tensor, "B N D"], state: State | None) -> tuple[Tensor, Tensor]:
        """All keys and values the tokens of x may attend to."""
        keys, values = self.split(self.key(x)), self.split(self.value(x))  # (B, H, N, K)
        if state is not None:
            keys, values = torch.cat([state[0], keys], dim=2), torch.cat([state[1], values], dim=2)
        return keys, values

    def keep(self, keys: Tensor, values: Tensor) -> State:
        """What the next token may still attend to."""
        if self.window is None or keys.shape[2] < self.window:
            return keys, values
        last = keys.shape[2] - self.window + 1
        return keys[:, :, last:].clone(), values[:, :, last:].clone()  # views would hold on to the rest

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        if self.window is not None:
            x = x[:, max(0, x.shape[1] - self.window + 1) :]
        return self.keep(*self.extend(x, state))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        if state is not None and not self.causal:
            raise InputError("attention to the whole context takes it in one piece: with causal=False nothing is added")
        keys, values = self.extend(x, state)
        tokens, past = x.shape[1], keys.shape[2] - x.shape[1]
        queries = self.place(self.split(self.query(x)), past)
        mask = self.mask(tokens, keys.shape[2], queries) if self.causal else None
        mixed = F.scaled_dot_product_attention(
            queries,
            self.place(keys, 0),
            values,
            attn_mask=mask,
            is_causal=bool(self.causal and mask is None and tokens > 0),
            scale=self.scale,
        )
        return self.merge(mixed), self.keep(keys, values)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y = self.decode(state, x[:, None])[:, 0]
        return y, self.prefill(x[:, None], state)

    def asking(self, state: State, x: Float[Tensor, "R D"]) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Placed queries (R, H * K), own scores (R, H), the past's placed keys, and what its places add to scores."""
        q, k = (f(x).unflatten(-1, (self.heads, self.head_width)) for f in (self.query, self.key))  # (R, H, K)
        count, own = state[0].shape[2], (q * k).sum(-1) * self.scale
        placed = self.place(q.transpose(0, 1)[None], count, same=True)[0].transpose(0, 1).flatten(1)
        away = torch.arange(count, 0, -1, device=x.device)[None]
        bias = self.penalty(away, placed.dtype)[:, 0] if self.relative == "alibi" else None
        return placed, own, self.place(state[0], 0), bias

    def attend(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B H Q places"]:
        """The weight each query gives to every place of the past and, last, to itself; queries see no other query."""
        rows, which = own_rows(x)
        q, own, keys, bias = self.asking(state, rows)
        return weights(q, own, which, keys, self.scale, bias)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        q, own, keys, bias = self.asking(state, x)
        v, values = self.value(x), state[1]
        parts: tuple[Tensor, ...] = (which,)
        if not (torch.compiler.is_compiling() or torch.is_grad_enabled()):  # gradients keep all scores anyway
            parts = which.split(max(1, SCORES // (keys[..., 0].numel() + 1)), dim=1)
        read = [attention_read(q, own, v, part, keys, values, self.scale, bias) for part in parts]
        return self.out(torch.cat(read, dim=1) if len(read) > 1 else read[0])


class Transformer(SequenceModel):
    """Transformer: causal, or (`causal=False`) with the whole context in sight of each of its tokens."""

    Config = TransformerConfig
    state_formula = "2 * heads * head_width * N, N at most window - 1"
    parallel = "attention"
    source = "Vaswani et al. 2017, arXiv 1706.03762"

    @classmethod
    def build_mixer(cls, config: TransformerConfig, layer: int) -> Mixer:
        c = config
        relative = c.positions if c.positions in ("rope", "alibi") else "none"
        return Attention(c.width, c.heads, c.head_width, c.bias, relative, c.window, c.scale, c.causal)
