"""Every op that asks many queries of shared states against its plain reference, on every instruction set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import READS, case, distance, evaluate
from torch import Tensor

from separatrix import InputError, ops
from separatrix.ops.alternatives import spread
from separatrix.ops.cross_entropy import cross_entropy

SETS = ops.status().available
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-5}
SHAPES = [(2, 37, 11, 5), (2, 150, 5, 3), (3, 16, 16, 16), (1, 1, 1, 1), (2, 5, 33, 3), (2, 9, 4, 20), (0, 3, 4, 2)]
each_op = pytest.mark.parametrize("op", READS)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@each_op
@pytest.mark.parametrize("isa", SETS)
def test_native_is_the_reference(isa: str, op: str, dtype: torch.dtype) -> None:
    for shape in SHAPES:
        if op == "cross entropy" and 0 in shape:
            continue  # the mean of nothing is no number
        torch.manual_seed(1)
        function, arguments = case(op, shape, dtype)
        with ops.use(isa):
            ours = evaluate(function, arguments)
        with ops.use("reference"):
            theirs = evaluate(function, arguments)
        apart = distance(ours, theirs)
        assert apart < TOLERANCE[dtype], (shape, apart)


@settings(max_examples=25, deadline=None)
@given(op=st.sampled_from(READS), shape=st.tuples(*[st.integers(1, 20)] * 4), seed=st.integers(0, 1000))
def test_any_shape(op: str, shape: tuple[int, int, int, int], seed: int) -> None:
    torch.manual_seed(seed)
    function, arguments = case(op, shape, torch.float64)
    ours = evaluate(function, arguments)
    with ops.use("reference"):
        assert distance(ours, evaluate(function, arguments)) < 1e-10


@each_op
def test_gradients_are_those_of_differences(op: str) -> None:
    torch.manual_seed(2)
    function, arguments = case(op, (2, 3, 3, 2), torch.float64)
    places = [i for i, x in enumerate(arguments) if isinstance(x, Tensor) and x.requires_grad]

    def run(*tensors: Tensor) -> Tensor:
        given = list(arguments)
        for place, tensor in zip(places, tensors, strict=True):
            given[place] = tensor
        return function(*given)

    assert torch.autograd.gradcheck(run, [arguments[place] for place in places])


@each_op
def test_second_derivatives_are_refused(op: str) -> None:
    function, arguments = case(op, (2, 4, 3, 2), torch.float64)
    first = next(x for x in arguments if isinstance(x, Tensor) and x.requires_grad)
    y = function(*arguments)
    gradient = torch.autograd.grad(y.sin().sum(), first, create_graph=True)[0]
    with pytest.raises(InputError, match="no second derivatives"):
        torch.autograd.grad(gradient.square().sum(), first)


@each_op
def test_shapes_on_meta_tensors(op: str) -> None:
    function, arguments = case(op, (2, 5, 8, 3), torch.float32)
    meta = function(*[x.detach().to("meta") if isinstance(x, Tensor) else x for x in arguments])
    assert meta.shape == function(*arguments).shape


@each_op
def test_nan_is_never_hidden(op: str) -> None:
    for isa in SETS:
        function, arguments = case(op, (2, 6, 9, 3), torch.float32)
        first = next(i for i, x in enumerate(arguments) if isinstance(x, Tensor))
        with torch.no_grad(), ops.use(isa):
            arguments[first].fill_(torch.nan)
            assert function(*arguments).isnan().all()


def test_compiles_as_one_graph() -> None:
    code = """
import torch
from kernel_cases import READS, case, distance, evaluate
for op in READS:
    function, arguments = case(op, (2, 5, 8, 3), torch.float32)
    compiled = torch.compile(function, backend="aot_eager", fullgraph=True)
    assert distance(evaluate(compiled, arguments), evaluate(function, arguments)) < 1e-6, op
"""  # in a process of its own: what checks shapes in these tests cannot be traced
    paths = [str(Path(__file__).parents[1]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_rows_that_are_not_there_are_refused() -> None:
    with pytest.raises(IndexError, match="row 3 of 3"):
        spread(torch.randn(3, 2), torch.tensor([[0, 3]]))
    with pytest.raises(IndexError, match="row -1 of 3"):
        cross_entropy(torch.randn(2, 3), torch.tensor([0, -1]))
