"""The last state alone is the one that comes with the outputs, and so are its gradients."""

from __future__ import annotations

import pytest
import torch
from kernel_cases import CHUNKED, STATES, case, distance, evaluate, state_case
from torch import Tensor

from separatrix import ops

SHAPES = [(2, 37, 11, 5), (2, 70, 33, 17), (1, 1, 1, 1), (2, 0, 4, 2)]


def through_outputs(op: str, shape: tuple[int, int, int, int], dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
    """The state that `case`'s op gives beside its outputs, and the gradients of the inputs it depends on."""
    torch.manual_seed(1)
    function, arguments = case(op, shape, dtype)
    unread = (4, 5, 6) if op == "selective_scan" else (0,)
    inputs = [x for i, x in enumerate(arguments) if isinstance(x, Tensor) and i not in unread]
    state = function(*arguments)[1]
    weights = torch.linspace(0.5, 1, state.numel(), dtype=dtype).view_as(state)
    return state, torch.autograd.grad((state * weights).sum(), inputs, allow_unused=True, materialize_grads=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("op", STATES)
@pytest.mark.parametrize("isa", [*ops.status().available, "reference"])
def test_the_state_without_outputs(isa: str, op: str, dtype: torch.dtype) -> None:
    for shape in SHAPES:
        with ops.use(isa):
            state, gradients = through_outputs(op, shape, dtype)
            torch.manual_seed(1)
            ours = evaluate(*state_case(op, shape, dtype))
        assert torch.equal(ours[0], state), shape
        assert distance(ours[1:], list(gradients)) < (1e-12 if dtype == torch.float64 else 1e-5), shape


@pytest.mark.parametrize("op", [op for op in CHUNKED if op != "delta"])
def test_where_everything_is_forgotten(op: str) -> None:
    function, arguments = state_case(op, (2, 40, 5, 3), torch.float64)
    decay = torch.where(torch.rand_like(arguments[-3]) < 0.2, -torch.inf, arguments[-3]).detach().requires_grad_()
    arguments = [*arguments[:-3], decay, *arguments[-2:]]
    ours = evaluate(function, arguments)
    assert all(x.isfinite().all() for x in ours)
    with ops.use("reference"):
        assert distance(ours, evaluate(function, arguments)) < 1e-11


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # PyTorch 2.14's opcheck
@pytest.mark.parametrize("op", STATES)
def test_registered_without_outputs(op: str) -> None:
    _, arguments = case(op, (2, 5, 8, 3), torch.float64)
    if op == "selective_scan":
        arguments[4:7] = [None] * 3
        operator = torch.ops.separatrix.selective_scan
    else:  # q, k, v, decay, beta, state, chunk
        strength = arguments.pop(3) if "delta" in op else None
        arguments.insert(4, strength)
        arguments[0] = None
        operator = torch.ops.separatrix.linear_attention
    torch.library.opcheck(operator.default, (*arguments, True))
