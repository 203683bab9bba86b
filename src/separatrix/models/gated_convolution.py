"""Gated short convolution: the operator most layers of LFM2 have (Liquid AI 2025), and H3's and Hyena's shortest."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import SwiGLUBlocks
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.alternatives import spread
from separatrix.ops.convolution import convolution_shares, last_inputs


class GatedConvolutionConfig(SwiGLUBlocks):
    """Blocks as in LFM2: RMS norm, convolution, residual, RMS norm, SwiGLU MLP, residual."""

    name: Literal["gated-convolution"] = "gated-convolution"
    taps: int = Field(3, ge=1, description="length of the convolution; the state holds taps - 1 inputs of it")


class GatedConvolutionMixer(SharedMixer):
    """y = C * conv(B * x), where B, C and x are projections of the token.

    State: the convolution's last inputs, (taps - 1) * width numbers: such a layer sees `taps` tokens and no more.
    """

    transitions = "nonnegative"

    def __init__(self, width: int, taps: int = 3) -> None:
        super().__init__()
        self.taps = taps
        self.enter = nn.Linear(width, 3 * width, bias=False)  # B, C, x
        self.conv = nn.Conv1d(width, width, taps, groups=width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def parts(self, x: Float[Tensor, "*B D"]) -> tuple[Float[Tensor, "*B D"], Float[Tensor, "*B D"]]:
        """The convolution's inputs B * x, and the gate C of its outputs."""
        before, after, value = self.enter(x).chunk(3, dim=-1)
        return before * value, after

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        window = None if state is None else state[0]
        entering, gate = self.parts(x)
        y = ops.causal_convolution(entering, self.conv.weight[:, 0], None, window, silu=False)
        return self.out(gate * y), (last_inputs(entering, window, self.taps),)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        entering, gate = self.parts(x)
        own, past = convolution_shares(entering, self.conv.weight[:, 0], None, state[0])
        return self.out(gate * (own + past)), (last_inputs(entering[:, None], state[0], self.taps),)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        entering, gate = self.parts(x)
        own, past = convolution_shares(entering, self.conv.weight[:, 0], None, state[0])
        return self.out(spread(gate, which) * (spread(own, which) + past[:, None]))


class GatedConvolution(SequenceModel):
    """Gated short convolution: a gated window of a few tokens."""

    Config = GatedConvolutionConfig
    state_formula = "(taps - 1) * width"
    parallel = "convolution"
    kernel = "native"
    source = "Liquid AI 2025, LFM2; Poli et al. 2023, arXiv 2302.10866"

    @classmethod
    def build_mixer(cls, config: GatedConvolutionConfig, layer: int) -> Mixer:
        return GatedConvolutionMixer(config.width, config.taps)
