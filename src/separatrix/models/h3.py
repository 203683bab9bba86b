"""H3: a shift and a diagonal state space between gates (Fu et al. 2023)."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.s4d import S4DMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.alternatives import spread
from separatrix.ops.convolution import convolution_shares, last_inputs


class H3Config(ModelConfig):
    """Blocks as in the paper: layer norm, H3, residual, layer norm, MLP, residual."""

    name: Literal["h3"] = "h3"
    mlp: int | None = Field(None, ge=0, description="hidden width of each MLP; 0 for no MLP, None for 4 * width")
    activation: Literal["relu", "gelu", "swiglu"] = "gelu"
    state: int = Field(32, ge=1, description="conjugate pairs of states behind each channel")
    taps: int = Field(4, ge=1, description="length of the shift of keys; the state holds taps - 1 of them")


class DiagonalSpace(S4DMixer):
    """S4D's state space alone, with nothing after it."""

    def __init__(self, width: int, state: int) -> None:
        super().__init__(width, state)
        del self.out

    def mix(self, y: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return y


class H3Mixer(SharedMixer):
    """y = q * space(shift(k) * v): the shift compares neighbours, the diagonal space remembers, q reads.

    State: the shift's last inputs, (taps - 1) * width numbers, and the space's, 2 * width * state.
    """

    transitions = "rotating"

    def __init__(self, width: int, state: int = 32, taps: int = 4) -> None:
        super().__init__()
        self.taps = taps
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.shift = nn.Conv1d(width, width, taps, groups=width)
        self.space = DiagonalSpace(width, state)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        window, before = (None, None) if state is None else state
        k = self.key(x)
        shifted = ops.causal_convolution(k, self.shift.weight[:, 0], self.shift.bias, window, silu=False)
        y, after = self.space.scan(shifted * self.value(x), before)
        return self.out(self.query(x) * y), (last_inputs(k, window, self.taps), after)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        k = self.key(x)
        own, past = convolution_shares(k, self.shift.weight[:, 0], self.shift.bias, state[0])
        y, after = self.space.step(state[1], (own + past) * self.value(x))
        return self.out(self.query(x) * y), (last_inputs(k[:, None], state[0], self.taps), after)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        own, past = convolution_shares(self.key(x), self.shift.weight[:, 0], self.shift.bias, state[0])
        k = spread(own, which) + past[:, None]
        y = self.space.decode(state[1], k * spread(self.value(x), which))
        return self.out(spread(self.query(x), which) * y)


class H3(SequenceModel):
    """H3: keys compared by a shift, remembered by a diagonal state space, and read by a gate."""

    Config = H3Config
    state_formula = "width * (2 * state + taps - 1)"
    parallel = "scan"
    kernel = "native"
    source = "Fu et al. 2023, arXiv 2212.14052"

    @classmethod
    def build_mixer(cls, config: H3Config, layer: int) -> Mixer:
        return H3Mixer(config.width, config.state, config.taps)
