"""The MLP some rows at a time is the MLP: in blocks of any size, and where its parts were altered."""

from __future__ import annotations

import pytest
import torch
from kernel_cases import distance, evaluate, read_case
from torch import nn

from separatrix import InputError
from separatrix.models.mlp import MLP
from separatrix.ops import mlp as module


@pytest.mark.parametrize("rows", [1, 7, 512])
@pytest.mark.parametrize("activation", ["relu", "gelu", "swiglu"])
def test_blocks_of_rows(activation: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", rows)
    for shape in ((2, 11, 5, 9), (3, 0, 4, 2), (1, 1, 1, 1)):
        function, arguments = read_case(f"mlp {activation}", shape, torch.float64)
        assert distance(evaluate(function, arguments), evaluate(module.reference, arguments)) < 1e-12


def test_nothing_hidden_is_held_twice() -> None:
    """Of the hidden layer one copy is saved for the backward pass, whatever the activation."""
    for activation in ("relu", "gelu", "swiglu"):
        function, arguments = read_case(f"mlp {activation}", (4, 100, 8, 64), torch.float32)
        saved: list[torch.Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, saved=saved: (saved.append(x), x)[1], lambda x: x):
            function(*arguments)
        hidden = [x for x in saved if x.shape == (400, arguments[1].shape[0])]
        assert len(hidden) == 1 and len(saved) == 4, [x.shape for x in saved]


@pytest.mark.parametrize("activation", ["relu", "gelu", "swiglu"])
def test_an_altered_mlp_runs_as_it_stands(activation: str) -> None:
    torch.manual_seed(0)
    built, x = MLP(nn.LayerNorm(6), 6, 10, activation), torch.randn(3, 4, 6)
    plain = nn.Sequential(*built)
    torch.testing.assert_close(built(x), plain(x))
    seen: list[torch.Tensor] = []
    handle = built[2].register_forward_hook(lambda module, inputs, output: seen.append(output))
    torch.testing.assert_close(built(x), plain(x))
    assert seen[0].shape == (3, 4, 10)
    handle.remove()
    built[3] = nn.Sequential(nn.Linear(10, 6), nn.Tanh())
    torch.testing.assert_close(built(x), nn.Sequential(*built)(x))


def test_shapes_that_do_not_fit_are_one_line() -> None:
    _, (x, enter, enter_bias, leave, leave_bias, _) = read_case("mlp relu", (2, 3, 4, 5), torch.float32)
    with pytest.raises(InputError, match="mlp: enter must have shape"):
        module.mlp(x, enter[:, 1:], enter_bias, leave, leave_bias, "relu")
