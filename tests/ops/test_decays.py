"""Chunked forms at any log decay from -inf to 0: the same numbers and gradients as token by token."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from kernel_cases import CHUNKED, case, distance, evaluate
from torch import Tensor

from separatrix import ops
from separatrix.ops.delta_rule import delta_step
from separatrix.ops.linear_attention import decayed_step, gated_step
from separatrix.ops.normalised_attention import last_maximum, normalised_attention, normalised_step, running_maximum

STRENGTHS = [0.0, -1e-8, -0.3, -5.0, -100.0, -1e4, -1e30, -torch.inf]
DECAYING = [op for op in CHUNKED if op != "delta"]
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-5}
FORMS = [*ops.status().available, "reference"]


def stepwise(op: str) -> Callable:
    """The op token by token: what defines it."""

    def run(*arguments: Tensor | int) -> tuple[Tensor, Tensor]:
        *tokens, state, _ = arguments
        step = delta_step if op == "gated delta" else gated_step if op == "gated" else decayed_step
        outputs = []
        for t in range(tokens[2].shape[1]):
            y, state = step(*(x[:, t] for x in tokens), state)
            outputs.append(y)
        return torch.stack(outputs, dim=1), state

    return run


def decaying(op: str, shape: tuple[int, int, int, int], dtype: torch.dtype, chunk: int) -> tuple[Callable, list]:
    """An op with log decays of all strengths mixed."""
    function, arguments = case(op, shape, dtype)
    drawn = torch.tensor(STRENGTHS, dtype=dtype)[torch.randint(len(STRENGTHS), arguments[-3].shape)]
    often = torch.rand(arguments[-3].shape) < torch.rand(())  # from gentle chunks to strong ones
    arguments[-3] = torch.where(often, drawn, -0.1 * torch.rand(drawn.shape, dtype=dtype)).requires_grad_()
    return function, [*arguments[:-1], chunk]


@settings(max_examples=60)
@given(
    op=st.sampled_from(DECAYING),
    dtype=st.sampled_from(list(TOLERANCE)),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 40), st.integers(1, 9), st.integers(1, 19)),
    chunk=st.sampled_from([1, 5, 16, 32]),
    seed=st.integers(0, 10**6),
)
def test_any_decay(op: str, dtype: torch.dtype, shape: tuple[int, int, int, int], chunk: int, seed: int) -> None:
    torch.manual_seed(seed)
    function, arguments = decaying(op, shape, dtype, chunk)
    wanted = evaluate(stepwise(op), arguments)
    assert all(x.isfinite().all() for x in wanted)
    for form in FORMS:
        with ops.use(form):
            assert distance(evaluate(function, arguments), wanted) < TOLERANCE[dtype], form


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("op", DECAYING)
def test_what_is_forgotten_may_be_huge(op: str, form: str) -> None:
    """Keys whose products with later queries do not fit the format, in memories that are wiped in time."""
    function, arguments = case(op, (1, 12, 3, 4), torch.float32)
    q, k, v, *strength, decay, state, chunk = (x.detach() if isinstance(x, Tensor) else x for x in arguments)
    decay[:, 6] = -torch.inf
    k[:, 5], v[:, 5] = k[:, 5] * 1e25, v[:, 5] * 1e-10
    q[:, 5], q[:, 6:] = q[:, 5] * 1e-10, q[:, 6:] * 1e15
    if strength:
        strength[0][:, 5] = 1e-30
    inputs = [x.requires_grad_() if isinstance(x, Tensor) else x for x in (q, k, v, *strength, decay, state, chunk)]
    with ops.use(form):
        ours, wanted = function(*inputs)[0].detach(), stepwise(op)(*inputs)[0].detach()
        torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
        for gradient, exact in zip(evaluate(function, inputs), evaluate(stepwise(op), inputs), strict=True):
            assert (gradient.isfinite() | ~exact.isfinite()).all()


@pytest.mark.parametrize("form", FORMS)
def test_large_keys(form: str) -> None:
    torch.manual_seed(0)
    function, (q, k, v, decay, state, chunk) = case("gated", (2, 20, 5, 7), torch.float32)
    arguments = [1e6 * q, 1e6 * k, v, 5 * decay, state, chunk]
    with ops.use(form):
        assert distance(evaluate(function, arguments), evaluate(stepwise("gated"), arguments)) < 1e-5


def in_full(state: Tensor, normaliser: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    """C e^m and n e^m, m's value taken for 0 but not its gradient: a maximum alone has none where its terms tie."""
    grown = torch.exp(m - m.detach())
    return state * grown[..., None, None], normaliser * grown[..., None]


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    length=st.integers(1, 20),
    dtype=st.sampled_from(list(TOLERANCE)),
    extreme=st.booleans(),
)
def test_any_gate_of_the_normalised_form(seed: int, length: int, dtype: torch.dtype, extreme: bool) -> None:
    torch.manual_seed(seed)
    q, k, v = (torch.randn(2, length, 2, 3, dtype=dtype).requires_grad_() for _ in range(3))
    enters, forgets = [-100.0, -5.0, 0.0, 5.0, 80.0], STRENGTHS[:5]
    if extreme:
        enters, forgets = [-1e4, *enters], STRENGTHS
    enter, forget = (
        torch.tensor(gates, dtype=dtype)[torch.randint(len(gates), (2, length, 2))].requires_grad_()
        for gates in (enters, forgets)
    )
    zeros = [torch.zeros(2, 2, *size, dtype=dtype) for size in ((3, 3), (3,), ())]

    left: list[Tensor] = []  # of each sum that is divided by, after its terms have cancelled

    def steps(*tokens: Tensor) -> tuple[Tensor, ...]:
        memory, outputs = tuple(x.double() for x in zeros), []
        for t in range(length):
            y, memory = normalised_step(*(x[:, t] for x in tokens), memory)
            outputs.append(y)
            terms, one = (memory[1] * tokens[0][:, t]).detach(), torch.exp(-memory[2].detach())  # (B, H, K), (B, H)
            left.append((terms.sum(-1).abs() / terms.abs().sum(-1))[terms.sum(-1).abs() > one])
        return torch.stack(outputs, dim=1), *in_full(*memory)

    def chunks(*tokens: Tensor) -> tuple[Tensor, ...]:
        y, memory = normalised_attention(*tokens, chunk=5)
        return y, *in_full(*memory)

    exact = evaluate(steps, [x.detach().double().requires_grad_() for x in (q, k, v, enter, forget)])
    assert all(x.isfinite().all() for x in exact)
    smallest = min((float(x.min()) for x in left if x.numel()), default=1.0)
    assume(smallest > 0.01)  # what a quotient loses there it loses in any form, also token by token
    lost = (4000 if extreme else 500) / smallest  # at most 900 and 250 in 2,000 draws; gates of 10^4 lose four digits
    tolerance = lost * torch.finfo(dtype).eps
    wanted = [x.to(dtype) for x in exact]
    for form in FORMS:
        with ops.use(form):
            assert distance(evaluate(chunks, [q, k, v, enter, forget]), wanted) < tolerance, form


def test_maxima_are_the_recurrence() -> None:
    enter, forget = torch.randn(3, 37, 2).double() * 5, -torch.rand(3, 37, 2).double()
    m = torch.randn(3, 2).double()
    inputs = [x.requires_grad_() for x in (enter, forget, m)]
    maxima, last = running_maximum(*inputs), last_maximum(*inputs)
    for t in range(37):
        m = torch.maximum(forget[:, t] + m, enter[:, t])
        torch.testing.assert_close(maxima[:, t], m)
    torch.testing.assert_close(last, m)
    torch.testing.assert_close(
        torch.autograd.grad(last.sin().sum(), inputs), torch.autograd.grad(m.sin().sum(), inputs)
    )
