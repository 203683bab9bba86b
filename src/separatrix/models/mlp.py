"""The MLP of a block: linear, nonlinearity, linear, with its norm before."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from separatrix.ops.mlp import mlp
from separatrix.ops.native import HALF_DTYPES
from separatrix.ops.precision import autocasting
from separatrix.ops.swiglu import swiglu


class SwiGLU(nn.Module):
    """silu(first half) * second half (Shazeer 2020)."""

    def forward(self, x: Float[Tensor, "*B M"]) -> Float[Tensor, "*B M/2"]:
        return swiglu(x)


_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "swiglu": SwiGLU}


class MLP(nn.Sequential):
    """norm, linear, nonlinearity, linear. As it was built it runs a few rows at a time, altered like any Sequential."""

    def __init__(self, norm: nn.Module, width: int, hidden: int, activation: str) -> None:
        entering = (2 if activation == "swiglu" else 1) * hidden
        between = nn.ReLU(inplace=True) if activation == "relu" else _ACTIVATIONS[activation]()
        super().__init__(norm, nn.Linear(width, entering), between, nn.Linear(hidden, width))
        self.activation = activation

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        norm, enter, between, leave = self
        if not (type(enter) is type(leave) is nn.Linear and type(between) is _ACTIVATIONS[self.activation]):
            return super().forward(x)
        if any(map(_watched, (enter, between, leave))) or _mixed(x):
            return super().forward(x)
        return mlp(norm(x), enter.weight, enter.bias, leave.weight, leave.bias, self.activation)


def _watched(module: nn.Module) -> bool:
    """Whether somebody asked to be shown what passes here."""
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


def _mixed(x: Tensor) -> bool:
    """Whether products are of half formats, the tensors' own or autocast's choice: those are PyTorch's."""
    return x.dtype in HALF_DTYPES or autocasting(x.device.type)
