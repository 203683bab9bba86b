"""What Elman, GRU and LSTM share: classic stacks of cells, without residuals or norms unless asked for."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import ModelConfig
from separatrix.models.mixer import SharedMixer
from separatrix.models.state import State
from separatrix.ops.cell_queries import cell_queries
from separatrix.ops.cells import Kind

# cuDNN gathers a cell's four weights at every call; PyTorch's own layers keep them in one piece, which shares storage.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")


class RecurrentConfig(ModelConfig):
    """Defaults of the classic recurrent networks: cells stacked directly on one another."""

    residual: bool = False
    norm: Literal["none", "layer", "rms"] = "none"


class Cell(nn.Module):
    """The weights of one of PyTorch's recurrent layers, named and drawn as there, and PyTorch's loop over them.

    Not one of those layers itself, because torch.compile takes none of them into its graphs.
    """

    def __init__(self, width: int, kind: Kind) -> None:
        super().__init__()
        self.hidden_size, self.kind = width, kind
        size = {"gru": 3, "lstm": 4}.get(kind, 1) * width
        self.weight_ih_l0, self.weight_hh_l0 = (nn.Parameter(torch.empty(size, width)) for _ in range(2))
        self.bias_ih_l0, self.bias_hh_l0 = (nn.Parameter(torch.empty(size)) for _ in range(2))
        for weight in self.parameters():
            nn.init.uniform_(weight, -(width**-0.5), width**-0.5)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """[[W_ih, W_hh, b_ih, b_hh]], in PyTorch's order of gates."""
        return [[self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0]]

    def forward(self, x: Float[Tensor, "B N D"], state: Any = None) -> tuple[Float[Tensor, "B N D"], Any]:
        """As PyTorch's layers with `batch_first`: outputs, and the last state, (1, B, D) or for an LSTM two of them."""
        run: Any = getattr(torch, {"elman_tanh": "rnn_tanh", "elman_relu": "rnn_relu"}.get(self.kind, self.kind))
        if state is None:
            state = x.new_zeros(1, x.shape[0], self.hidden_size)
            state = (state, state) if self.kind == "lstm" else state
        train = torch.is_grad_enabled()  # cuDNN keeps what its backward pass needs only where it is told to train
        y, *after = run(x, state, self.all_weights[0], True, 1, 0.0, train, False, True)
        return y, tuple(after) if self.kind == "lstm" else after[0]


class CellMixer(SharedMixer):
    """A mixer with the weights of one of PyTorch's recurrent layers. State: h, and c where the cell has one.

    `scan` runs the native kernel where there is one for the device and type of number, PyTorch's own loop elsewhere.
    """

    transitions = "nonlinear"

    def __init__(self, width: int, kind: Kind) -> None:
        super().__init__()
        self.cell, self.kind = Cell(width, kind), kind

    def bias(self) -> Float[Tensor, " G"]:
        """Every bias that is simply added."""
        bias: Tensor = self.cell.all_weights[0][2]
        hidden: Tensor = self.cell.all_weights[0][3]
        if self.kind == "gru":  # the hidden bias of n stays inside: the reset gate multiplies it
            hidden = torch.cat([hidden[: 2 * self.cell.hidden_size], torch.zeros_like(self.bias_new())])
        return bias + hidden

    def bias_new(self) -> Float[Tensor, " D"]:
        """A GRU's hidden bias of n."""
        return self.cell.all_weights[0][3][2 * self.cell.hidden_size :]

    def start(self, x: Float[Tensor, "B N D"]) -> State:
        """The state before the first token."""
        zeros = x.new_zeros(x.shape[0], self.cell.hidden_size)
        return (zeros, zeros) if self.kind == "lstm" else (zeros,)

    def native(self, x: Float[Tensor, "B N D"], state: State) -> tuple[Float[Tensor, "B N D"], State]:
        """`scan` by separatrix.ops."""
        (weight_in, weight, *_), cell = self.cell.all_weights[0], state[1] if self.kind == "lstm" else None
        bias_new = self.bias_new() if self.kind == "gru" else None
        y, h, c = ops.cell_scan(self.kind, x, weight_in, weight, self.bias(), state[0], cell, bias_new)
        return y, ((h, c) if self.kind == "lstm" else (h,))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        state = self.start(x) if state is None else state
        if not x.shape[1]:
            return x, state
        if ops.native.takes(x):
            return self.native(x, state)
        dtype = self.cell.weight_hh_l0.dtype
        before = tuple(part[None].to(dtype).contiguous() for part in state)
        with torch.autocast(x.device.type, enabled=False):
            y, after = self.cell(x.to(dtype), before if self.kind == "lstm" else before[0])
        return y, tuple(part[0] for part in (after if self.kind == "lstm" else (after,)))

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        (weight_in, weight, *_), cell = self.cell.all_weights[0], state[1] if self.kind == "lstm" else None
        bias_new = self.bias_new() if self.kind == "gru" else None
        h, c = ops.cell_step(self.kind, F.linear(x, weight_in, self.bias()), weight, state[0], cell, bias_new)
        return h, (h,) if c is None else (h, c)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        (weight_in, weight, *_), cell = self.cell.all_weights[0], state[1] if self.kind == "lstm" else None
        bias_new = self.bias_new() if self.kind == "gru" else None
        return cell_queries(self.kind, F.linear(x, weight_in, self.bias()), which, weight, state[0], cell, bias_new)
