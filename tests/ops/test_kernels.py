"""Every native kernel against its plain reference: outputs, states and gradients, on every instruction set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import CHUNKED, OPS, case, distance, evaluate
from torch import Tensor

from separatrix import InputError, ops

pytestmark = pytest.mark.usefixtures("native")

SETS = ops.status().available
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-5}
SHAPES = [(2, 37, 11, 5), (2, 150, 5, 3), (3, 16, 16, 16), (1, 1, 1, 1), (2, 5, 33, 3), (2, 0, 4, 2), (0, 3, 4, 2)]


@pytest.fixture
def native() -> None:
    assert ops.status().native, ops.backend()


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
        apart = distance(ours, theirs)
        assert apart < TOLERANCE[dtype], (shape, apart)


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
        strided = [torch.cat([x, x], dim=-1)[..., : x.shape[-1]] if isinstance(x, Tensor) else x for x in arguments]
        turned = [x.mT.contiguous().mT if isinstance(x, Tensor) and x.ndim > 1 else x for x in arguments]
        for other in (strided, turned):
            torch.testing.assert_close(function(*other), whole, rtol=0, atol=0)


@pytest.mark.parametrize("op", OPS)
def test_nan_is_never_hidden(op: str) -> None:
    for isa in SETS:
        function, arguments = case(op, (2, 6, 9, 3), torch.float32)
        tokens = 1 if op in ("elman_tanh", "elman_relu", "gru", "lstm", "fixed", "fixed complex") else 0
        tokens = 1 if "varying" in op or op in CHUNKED else tokens
        with torch.no_grad():
            arguments[tokens][0, 2] = torch.nan
            with ops.use(isa):
                outputs = function(*arguments)
        y = outputs[0] if isinstance(outputs, tuple) else outputs
        assert y[0, 2:].isnan().flatten(1).any(-1).all() or "convolution" in op or op == "silu"
        assert y[0, 2].isnan().all()
        assert not y[1].isnan().any()
        assert op in CHUNKED or not y[0, :2].isnan().any()  # a chunk's earlier tokens see it times zero


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # PyTorch 2.14's opcheck
@pytest.mark.parametrize("op", OPS)
def test_registered_as_operators(op: str) -> None:
    function, arguments = case(op, (2, 5, 8, 3), torch.float64)
    operator = {
        "selective_scan": (torch.ops.separatrix.selective_scan, [True]),
        "diagonal_scan": (torch.ops.separatrix.diagonal_scan, [True]),
        "slstm_scan": (torch.ops.separatrix.slstm_scan, [True]),
    }.get(op)
    if op in ("elman_tanh", "elman_relu", "gru", "lstm"):
        operator = (torch.ops.separatrix.cell_scan, [True])
    if op in CHUNKED:  # q, k, v, decay, beta, state, chunk
        strength = arguments.pop(3) if "delta" in op else None
        arguments.insert(4, strength)
        operator = (torch.ops.separatrix.linear_attention, [True])
    if operator is None:
        operator = (getattr(torch.ops.separatrix, function.__name__), [])
    torch.library.opcheck(operator[0].default, (*arguments, *operator[1]))


@pytest.mark.parametrize("op", OPS)
def test_second_derivatives_are_refused_or_right(op: str) -> None:
    function, arguments = case(op, (2, 4, 3, 2), torch.float64)
    inputs = [x for x in arguments if isinstance(x, Tensor)]

    def penalty() -> list[Tensor]:
        outputs = function(*arguments)
        y = outputs[0] if isinstance(outputs, tuple) else outputs
        y = torch.view_as_real(y) if y.is_complex() else y
        first = torch.autograd.grad(y.sin().sum(), inputs[0], create_graph=True)[0]
        return list(torch.autograd.grad(first.abs().square().sum(), inputs, allow_unused=True, materialize_grads=True))

    with pytest.raises(InputError, match="no second derivatives"):
        penalty()
    with ops.use("reference"):
        assert all(gradient.isfinite().all() for gradient in penalty())


@pytest.mark.parametrize("op", OPS)
def test_shapes_on_meta_tensors(op: str) -> None:
    function, arguments = case(op, (2, 5, 8, 3), torch.float32)
    plain = function(*arguments)
    meta = function(*[x.detach().to("meta") if isinstance(x, Tensor) else x for x in arguments])
    plain, meta = (x if isinstance(x, tuple) else (x,) for x in (plain, meta))
    assert [(x.shape, x.dtype) for x in meta] == [(x.shape, x.dtype) for x in plain]


def test_compiles_as_one_graph() -> None:
    code = """
import torch
from kernel_cases import CHUNKED, OPS, case, distance, evaluate
for op in OPS:
    function, arguments = case(op, (2, 5, 8, 3), torch.float32)
    compiled = torch.compile(function, backend="aot_eager", fullgraph=True)
    assert distance(evaluate(compiled, arguments), evaluate(function, arguments)) < 1e-6, op
"""  # in a process of its own: what checks shapes in these tests cannot be traced
    paths = [str(Path(__file__).parents[1]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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
            elman = (one[0], torch.zeros(1, 1), torch.zeros(1), torch.zeros(len(x), 1))
            tanh = ops.cell_scan("elman_tanh", x[:, None, None], *elman)[0][:, 0, 0]
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
