"""A block: norm, mixer and residual, then norm, MLP and residual; and the norms there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer, ask, ask_rows, reduce
from separatrix.models.mlp import MLP
from separatrix.models.state import State
from separatrix.ops.alternatives import spread
from separatrix.ops.gated_norm import rms_norm


class RMSNorm(nn.RMSNorm):
    """PyTorch's, in one pass over its input each way."""

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return rms_norm(x, self.weight, torch.finfo(torch.promote_types(x.dtype, torch.float32)).eps)


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda width: nn.Identity(),
    "layer": nn.LayerNorm,
    "rms": RMSNorm,
}


class Block(nn.Module):
    """norm → mixer → (residual), then norm → MLP → residual when there is an MLP."""

    def __init__(self, config: ModelConfig, mixer: Mixer) -> None:
        super().__init__()
        self.residual = config.residual
        self.norm = NORMS[config.norm](config.width)
        self.mixer = mixer
        self.mlp: nn.Sequential | None = None
        if config.mlp_width:
            self.mlp = MLP(NORMS[config.norm](config.width), config.width, config.mlp_width, config.activation)

    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """The block's output from its input and its mixer's output."""
        x = x + mixed if self.residual else mixed
        return x if self.mlp is None else x + self.mlp(x)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None) -> tuple[Float[Tensor, "B N D"], State]:
        """Outputs at every token, and the mixer's state after the last."""
        mixed, state = self.mixer.scan(self.norm(x), state)
        return self.finish(x, mixed), state

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None) -> State:
        """The mixer's state after the last token."""
        return reduce(self.mixer, self.norm(x), state)

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        """Outputs for each of Q alternative next tokens."""
        return self.finish(x, ask(self.mixer, state, self.norm(x)))

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        """`decode` where query i of example b is row which[b, i] of a few distinct tokens."""
        mixed = ask_rows(self.mixer, state, self.norm(x), which)
        x = spread(x, which, mixed) if self.residual else mixed
        return x if self.mlp is None else x + self.mlp(x)


class BlockList(nn.ModuleList):
    """A ModuleList whose items are known to be blocks."""

    def __iter__(self) -> Iterator[Block]:
        return super().__iter__()  # type: ignore[return-value]

    def __getitem__(self, layer: int) -> Block:  # type: ignore[override]
        return super().__getitem__(layer)  # type: ignore[return-value]
