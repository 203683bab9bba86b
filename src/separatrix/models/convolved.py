"""A short causal convolution before any mixer, so that architectures can be compared with it and without."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer, SharedMixer, ask, reduce
from separatrix.models.state import State
from separatrix.ops.alternatives import activate
from separatrix.ops.convolution import convolution_shares, convolution_step, last_inputs


class Convolved(SharedMixer):
    """A mixer that reads silu of a depthwise convolution over the last tokens in place of each token.

    State: the convolution's last inputs, (taps - 1) * width numbers, and the mixer's own.
    """

    def __init__(self, mixer: Mixer, width: int, taps: int) -> None:
        super().__init__()
        self.mixer, self.taps, self.causal = mixer, taps, mixer.causal
        self.conv = nn.Conv1d(width, width, taps, groups=width, bias=False)

    def convolve(self, x: Float[Tensor, "B N D"], window: Tensor | None) -> tuple[Tensor, Tensor]:
        """What the mixer reads, and the convolution's last inputs."""
        return ops.causal_convolution(x, self.conv.weight[:, 0], None, window), last_inputs(x, window, self.taps)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        window, before = (None, None) if state is None else state
        mixed, window = self.convolve(x, window)
        y, after = self.mixer.scan(mixed, before)
        return y, (window, after)

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        window, before = (None, None) if state is None else state
        mixed, window = self.convolve(x, window)
        return window, reduce(self.mixer, mixed, before)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        mixed, window = convolution_step(x, self.conv.weight[:, 0], None, state[0])
        y, after = self.mixer.step(state[1], mixed)
        return y, (window, after)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        rows, past = convolution_shares(x, self.conv.weight[:, 0], None, state[0])
        return ask(self.mixer, state[1], activate(rows, which, past))


def mixer_of(architecture: Any, config: ModelConfig, layer: int) -> Mixer:
    """The mixer of a layer, with the short convolution that the configuration asks for, in place of any it has.

    Where a mixer has one of its own, none is one tap: it only scales, which the projection before it does as well.
    """
    taps = config.convolution
    if taps is not None and "taps" in type(config).model_fields:
        return architecture.build_mixer(config.replace(taps=max(1, taps), convolution=None), layer)
    mixer: Mixer = architecture.build_mixer(config, layer)
    return Convolved(mixer, config.width, taps) if taps and taps > 1 else mixer
