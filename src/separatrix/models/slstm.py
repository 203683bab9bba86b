"""sLSTM of xLSTM: scalar memories with exponential gates and a recurrence within each head (Beck et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import ModelConfig
from separatrix.models.heads import check_heads
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.convolution import convolution_step, last_inputs
from separatrix.ops.slstm import Memory


class SLSTMConfig(ModelConfig):
    """Blocks as in the paper: layer norm, mixer, residual, layer norm, gated MLP of 4/3 the width, residual."""

    name: Literal["slstm"] = "slstm"
    mlp: int | None = Field(None, ge=0, description="hidden width of each MLP; 0 for no MLP, None for 4/3 * width")
    activation: Literal["relu", "gelu", "swiglu"] = "swiglu"
    heads: int = Field(4, ge=1, description="heads H: the recurrence mixes numbers of one head only")
    taps: int = Field(4, ge=1, description="length of the convolution; the state holds taps - 1 inputs of it")

    @property
    def mlp_width(self) -> int:
        """Hidden width of each MLP, 0 for none."""
        return 4 * self.width // 3 if self.mlp is None else self.mlp

    @model_validator(mode="after")
    def _divisible(self) -> SLSTMConfig:
        check_heads(self.width, self.heads)
        return self


class SLSTMMixer(Mixer):
    """c' = f c + i z, n' = f n + i, h = o c / n, with i = exp(·), f = sigmoid(·), kept in range by a running maximum m.

    State: the convolution's last inputs, (taps - 1) * width numbers, and h, c, n, m, 4 * width.
    """

    transitions = "nonlinear"

    def __init__(self, width: int, heads: int = 4, taps: int = 4) -> None:
        super().__init__()
        self.heads, self.taps = heads, taps
        self.conv = nn.Conv1d(width, width, taps, groups=width)
        self.sharp = nn.Linear(width, 2 * width, bias=False)  # input and forget gates, from the convolution
        self.plain = nn.Linear(width, 2 * width, bias=False)  # values and output gates
        per_head = width // heads
        self.recurrent = nn.Parameter(torch.zeros(heads, per_head, 4 * per_head))
        # forget biases from 5 down to -7, most of them high
        place = torch.arange(per_head) / max(1, per_head - 1)
        forget = (5.0 - 12.0 * place**0.3).repeat(heads)
        self.bias = nn.Parameter(torch.cat([torch.zeros(width), forget, torch.zeros(2 * width)]))
        self.norm = nn.Parameter(torch.ones(width))
        self.out = nn.Linear(width, width)

    def gates(self, mixed: Float[Tensor, "*B D"], x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B G"]:
        """The input's share of i, f, z, o."""
        return torch.cat([self.sharp(mixed), self.plain(x)], dim=-1) + self.bias

    def finish(self, h: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Each head normalised, then the output projection."""
        heads = h.unflatten(-1, (self.heads, -1))
        return self.out(F.layer_norm(heads, heads.shape[-1:]).flatten(-2) * self.norm)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        window: Tensor | None = None
        memory: Memory = (x.new_zeros(x.shape[0], x.shape[2]),) * 4
        if state is not None:
            window, memory = state[0], tuple(state[1:])
        mixed = ops.causal_convolution(x, self.conv.weight[:, 0], self.conv.bias, window)
        h, memory = ops.slstm_scan(self.gates(mixed, x), self.recurrent, memory)
        return self.finish(h), (last_inputs(x, window, self.taps), *memory)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        mixed, window = convolution_step(x, self.conv.weight[:, 0], self.conv.bias, state[0])
        memory = ops.slstm_step(self.gates(mixed, x), self.recurrent, tuple(state[1:]))
        return self.finish(memory[0]), (window, *memory)


class SLSTM(SequenceModel):
    """sLSTM: scalar memories, exponential gates and memory mixing."""

    Config = SLSTMConfig
    state_formula = "(taps + 3) * width"
    parallel = "no (token by token)"
    kernel = "native"
    source = "Beck et al. 2024, arXiv 2405.04517"

    @classmethod
    def build_mixer(cls, config: SLSTMConfig, layer: int) -> Mixer:
        return SLSTMMixer(config.width, config.heads, config.taps)
