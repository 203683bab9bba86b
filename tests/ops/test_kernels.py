"""Every native kernel against its plain reference: outputs, states and gradients, on every instruction set."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from separatrix import ops

pytestmark = pytest.mark.usefixtures("native")

SETS = ops.status().available
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-5}
SHAPES = [(2, 37, 11, 5), (3, 16, 16, 16), (1, 1, 1, 1), (2, 5, 33, 3), (2, 0, 4, 2), (0, 3, 4, 2)]


@pytest.fixture
def native() -> None:
    assert ops.status().native, ops.backend()


def draw(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, dtype=dtype).requires_grad_()


def case(op: str, shape: tuple[int, int, int, int], dtype: torch.dtype) -> tuple[Callable, list]:
    """An op and random arguments for it."""
    batch, length, channels, states = shape
    number = dtype.to_complex()
    match op:
        case "selective_scan":
            tokens, small = (batch, length, channels), (batch, length, states)
            rate = (-3 * torch.rand(channels, states, dtype=dtype)).requires_grad_()
            arguments = [draw(*tokens, dtype=dtype), draw(*tokens, dtype=dtype), rate]
            arguments += [draw(*small, dtype=dtype), draw(*small, dtype=dtype), draw(channels, dtype=dtype)]
            arguments += [draw(*tokens, dtype=dtype), draw(channels, dtype=dtype)]
            arguments += [draw(batch, channels, states, dtype=dtype), True]
            return ops.selective_scan, arguments
        case "elman_tanh" | "elman_relu" | "gru" | "lstm":
            gates = {"gru": 3, "lstm": 4}.get(op, 1)
            weight = (torch.randn(gates * channels, channels, dtype=dtype) * channels**-0.5).requires_grad_()
            cell = draw(batch, channels, dtype=dtype) if op == "lstm" else None
            bias = draw(channels, dtype=dtype) if op == "gru" else None
            inputs = draw(batch, length, gates * channels, dtype=dtype)
            return ops.cell_scan, [op, inputs, weight, draw(batch, channels, dtype=dtype), cell, bias]
        case "fixed" | "fixed complex" | "varying" | "varying complex":
            kind = number if op.endswith("complex") else dtype
            size = (channels,) if op.startswith("fixed") else (batch, length, channels)
            rate = (torch.randn(*size, dtype=kind) * 0.5).requires_grad_()
            inputs = [draw(batch, length, channels, dtype=kind), draw(batch, channels, dtype=kind)]
            return ops.linear_recurrence, [rate, *inputs]
        case "diagonal_scan":
            rate = (torch.randn(channels, states, dtype=number) * 0.5).requires_grad_()
            arguments = [draw(batch, length, channels, dtype=dtype), rate, draw(channels, states, dtype=number)]
            return ops.diagonal_scan, [*arguments, draw(batch, channels, states, dtype=number)]
        case _:
            weights = [draw(channels, states, dtype=dtype), draw(channels, dtype=dtype)]
            window = draw(batch, states - 1, channels, dtype=dtype)
            return ops.causal_convolution, [draw(batch, length, channels, dtype=dtype), *weights, window, op == "silu"]


OPS = ["selective_scan", "elman_tanh", "elman_relu", "gru", "lstm", "fixed", "fixed complex", "varying"]
OPS += ["varying complex", "diagonal_scan", "convolution", "silu"]


def evaluate(function: Callable, arguments: list) -> list[Tensor]:
    """Outputs and the gradients of a fixed function of them."""
    outputs = function(*arguments)
    outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
    loss = sum((torch.view_as_real(y) if y.is_complex() else y).sin().sum() for y in outputs)
    inputs = [x for x in arguments if isinstance(x, Tensor)]
    return [*outputs, *torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)]


def distance(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """The largest difference, each tensor's measured against its own size (or 1, when it is smaller)."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if b.numel()]
    assert all(a.shape == b.shape and a.dtype == b.dtype for a, b in zip(ours, theirs, strict=True))
    return max((float((a - b).abs().max() / b.abs().max().clamp_min(1)) for a, b in pairs), default=0.0)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("isa", SETS)
def test_native_is_the_reference(isa: str, op: str, dtype: torch.dtype) -> None:
    for shape in SHAPES:
        torch.manual_seed(1)
        function, arguments = case(op, shape, dtype)
        with ops.use(isa):
            ours = evaluate(function, arguments)
        with ops.use("reference"):
            theirs = evaluate(function, arguments)
        assert distance(ours, theirs) < TOLERANCE[dtype], shape


@settings(max_examples=25, deadline=None)
@given(op=st.sampled_from(OPS), shape=st.tuples(*[st.integers(1, 20)] * 4), seed=st.integers(0, 1000))
def test_any_shape(op: str, shape: tuple[int, int, int, int], seed: int) -> None:
    torch.manual_seed(seed)
    function, arguments = case(op, shape, torch.float64)
    ours = evaluate(function, arguments)
    with ops.use("reference"):
        assert distance(ours, evaluate(function, arguments)) < 1e-10


@pytest.mark.parametrize("op", OPS)
def test_slices_and_no_gradient(op: str) -> None:
    function, arguments = case(op, (3, 9, 8, 4), torch.float64)
    with torch.no_grad():
        whole = function(*arguments)
        strided = [
            torch.cat([x, x], dim=-1)[..., : x.shape[-1]] if isinstance(x, Tensor) else x for x in arguments
        ]
        turned = [x.mT.contiguous().mT if isinstance(x, Tensor) and x.ndim > 1 else x for x in arguments]
        for other in (strided, turned):
            torch.testing.assert_close(function(*other), whole, rtol=0, atol=0)


@pytest.mark.parametrize("op", OPS)
def test_nan_is_never_hidden(op: str) -> None:
    for isa in SETS:
        function, arguments = case(op, (2, 6, 9, 3), torch.float32)
        tokens = 1 if op in ("elman_tanh", "elman_relu", "gru", "lstm", "fixed", "fixed complex") else 0
        tokens = 1 if "varying" in op else tokens
        with torch.no_grad():
            arguments[tokens][0, 2] = torch.nan
            with ops.use(isa):
                outputs = function(*arguments)
        y = outputs[0] if isinstance(outputs, tuple) else outputs
        assert y[0, 2:].isnan().any(-1).all() or "convolution" in op or op == "silu"
        assert y[0, 2].isnan().all()
        assert not y[0, :2].isnan().any() and not y[1].isnan().any()


@pytest.mark.parametrize("op", OPS)
def test_registered_as_operators(op: str) -> None:
    function, arguments = case(op, (2, 5, 8, 3), torch.float64)
    operator = {
        "selective_scan": (torch.ops.separatrix.selective_scan, [True]),
        "diagonal_scan": (torch.ops.separatrix.diagonal_scan, [True]),
    }.get(op)
    if op in ("elman_tanh", "elman_relu", "gru", "lstm"):
        operator = (torch.ops.separatrix.cell_scan, [True])
    if operator is None:
        operator = (getattr(torch.ops.separatrix, function.__name__), [])
    torch.library.opcheck(operator[0].default, (*arguments, *operator[1]))


@pytest.mark.parametrize("op", OPS)
def test_meta_and_compile(op: str) -> None:
    function, arguments = case(op, (2, 5, 8, 3), torch.float32)
    plain = evaluate(function, arguments)
    meta = function(*[x.detach().to("meta") if isinstance(x, Tensor) else x for x in arguments])
    meta = list(meta) if isinstance(meta, tuple) else [meta]
    assert [x.shape for x in meta] == [x.shape for x in plain[: len(meta)]]
    compiled = torch.compile(function, backend="aot_eager", fullgraph=True)
    assert distance(evaluate(compiled, arguments), plain) < 1e-6


@pytest.mark.parametrize("op", OPS)
def test_vmap(op: str) -> None:
    members = [case(op, (2, 5, 8, 3), torch.float64)[1] for _ in range(3)]
    function, first = case(op, (2, 5, 8, 3), torch.float64)
    places = [i for i, x in enumerate(first) if isinstance(x, Tensor)]

    def run(*tensors: Tensor) -> Tensor | tuple[Tensor, ...]:
        arguments = list(first)
        for place, tensor in zip(places, tensors, strict=True):
            arguments[place] = tensor
        return function(*arguments)

    stacked = [torch.stack([m[place] for m in members]).detach() for place in places]
    packed = torch.vmap(run)(*stacked)
    single = [run(*[m[place].detach() for place in places]) for m in members]
    packed, single = (
        (list(packed), [list(s) for s in single]) if isinstance(packed, tuple) else ([packed], [[s] for s in single])
    )
    for i, output in enumerate(packed):
        torch.testing.assert_close(output, torch.stack([s[i] for s in single]))

    def loss(*tensors: Tensor) -> Tensor:
        outputs = run(*tensors)
        parts = outputs if isinstance(outputs, tuple) else (outputs,)
        return sum((torch.view_as_real(y) if y.is_complex() else y).sin().sum() for y in parts)

    if not any(x.is_complex() for x in stacked):
        gradients = torch.vmap(torch.func.grad(loss, argnums=tuple(range(len(places)))))(*stacked)
        for i, member in enumerate(members):
            tensors = [member[place] for place in places]
            wanted = torch.autograd.grad(loss(*tensors), tensors, allow_unused=True, materialize_grads=True)
            for ours, theirs in zip(gradients, wanted, strict=True):
                torch.testing.assert_close(ours[i], theirs)


def test_elementary_functions_to_the_last_digits() -> None:
    """The kernels' own exp, tanh, sigmoid and softplus, seen through ops that are little else."""
    x = torch.linspace(-80, 80, 20001)
    exact = x.double()
    for isa in SETS:
        with ops.use(isa):
            one = torch.ones(1, 1, 1)
            decay, _ = ops.selective_scan(
                torch.zeros(len(x), 1, 1), x[:, None, None], one[0], 0 * one.expand(len(x), 1, 1),
                one.expand(len(x), 1, 1).contiguous(), state=torch.ones(len(x), 1, 1),
            )  # fmt: skip
            relative = (decay[:, 0, 0].double() / exact.exp() - 1).abs() / (1 + exact.abs())
            assert relative.max() < 2.4e-7  # the argument's own rounding grows with it
            tanh = ops.cell_scan("elman_tanh", x[:, None, None], torch.zeros(1, 1), torch.zeros(len(x), 1))[0][:, 0, 0]
            torch.testing.assert_close(tanh.double(), exact.tanh(), rtol=5e-7, atol=0)
            silu = ops.causal_convolution(x[:, None, None], torch.ones(1, 1))[:, 0, 0]
            torch.testing.assert_close(silu.double(), exact * exact.sigmoid(), rtol=6e-7, atol=1e-35)
            step, _ = ops.selective_scan(
                torch.ones(len(x), 1, 1), x[:, None, None], -0 * one[0], one.expand(len(x), 1, 1).contiguous(),
                one.expand(len(x), 1, 1).contiguous(), softplus=True,
            )  # fmt: skip
            torch.testing.assert_close(
                step[:, 0, 0].double(), torch.nn.functional.softplus(exact, threshold=1e9), rtol=6e-7, atol=1e-35
            )
