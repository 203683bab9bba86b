"""Registering the native kernels as PyTorch operators: CPU code, shapes on meta tensors, gradients, vmap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.native import instruction_set, native


def operator(
    name: str,
    schema: str,
    run: Callable,
    shapes: Callable,
    gradient: tuple[Callable, Callable] | None = None,
) -> Any:
    """Define `separatrix::name`; returns what to call.

    run: on CPU tensors; shapes: on meta and fake tensors; gradient: (setup_context, backward) of register_autograd,
    None where there is none.
    """
    full = f"separatrix::{name}"
    torch.library.define(full, schema, tags=(torch.Tag.pt2_compliant_tag, torch.Tag.needs_fixed_stride_order))
    torch.library.impl(full, "cpu", run)
    torch.library.register_fake(full, shapes)
    gradient = gradient or once_only(name)
    torch.library.register_autograd(full, gradient[1], setup_context=gradient[0])
    call = getattr(torch.ops.separatrix, name).default

    torch.library.register_vmap(full, one_by_one(call))
    return transformable(name, call, gradient)


def once_only(name: str) -> tuple[Callable, Callable]:
    """The gradient of what has none, such as a kernel's backward pass: a clear error instead of a silent zero."""

    def setup(ctx: Any, inputs: tuple, output: Any) -> None:
        pass

    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise InputError(
            f"{name.removesuffix('_backward')}: native kernels have no second derivatives: compute inside "
            "`with separatrix.ops.use('reference')`, which has them"
        )

    return setup, backward


def one_by_one(call: Callable) -> Callable:
    """A vmap rule: one call per member, since a kernel fills its processor core without help."""

    def rule(info: Any, dims: tuple, *arguments: Any) -> tuple[Any, Any]:
        members = [
            call(*(a if d is None else a.select(d, i) for a, d in zip(arguments, dims, strict=True)))
            for i in range(info.batch_size)
        ]
        if isinstance(members[0], Tensor):
            return torch.stack(members), 0
        return tuple(torch.stack(outputs) for outputs in zip(*members, strict=True)), (0,) * len(members[0])

    return rule


def transformable(name: str, call: Callable, gradient: tuple[Callable, Callable]) -> Callable:
    """`call`, also inside torch.func's transforms: they want an autograd function and no registered gradient."""
    function: Any = None

    def member(*arguments: Any) -> Any:
        return function.apply(*arguments)

    members = {
        "forward": staticmethod(call),
        "setup_context": staticmethod(gradient[0]),
        "backward": staticmethod(gradient[1]),
        "vmap": staticmethod(one_by_one(member)),
    }
    function = type(name, (torch.autograd.Function,), members)

    def run(*arguments: Any) -> Any:
        return function.apply(*arguments) if transformed() else call(*arguments)

    return run


def kernel(name: str, like: Tensor) -> Any:
    """The native function for a tensor's type of number, with the instruction set this thread is to use."""
    double = like.dtype in (torch.float64, torch.complex128)
    module = native()
    module.select(instruction_set())
    return getattr(module, f"{name}_{'float64' if double else 'float32'}")


def address(tensor: Tensor | None) -> int:
    """Where a contiguous tensor's numbers lie; 0 for None."""
    return 0 if tensor is None else tensor.data_ptr()


def token_rows(x: Tensor) -> Tensor:
    """`x` itself where its tokens lie evenly spaced (as in a slice of channels), else a contiguous copy.

    x: (batch, tokens, channels)
    """
    even = x.stride(2) == 1 and (x.shape[0] == 1 or x.stride(0) == x.shape[1] * x.stride(1))
    return x if even else x.contiguous()


def rows(x: Tensor | None) -> tuple[int, int]:
    """(address, distance of tokens) of what `token_rows` returned."""
    return (0, 0) if x is None else (x.data_ptr(), x.stride(1))


def transformed() -> bool:
    """Whether a transform of torch.func is at work, whose wrapped tensors do not tell what they require."""
    return not torch.compiler.is_compiling() and torch._C._functorch.peek_interpreter_stack() is not None


def recording(*tensors: Tensor | None) -> bool:
    """Whether a backward pass may follow, so that what it needs must be kept."""
    if not torch.is_grad_enabled():
        return False
    return transformed() or any(tensor is not None and tensor.requires_grad for tensor in tensors)


def check(op: str, like: Tensor, **arguments: tuple[Tensor | None, tuple[int, ...]]) -> None:
    """InputError unless every given tensor has its shape and the type and device of `like`."""
    for name, (tensor, shape) in arguments.items():
        if tensor is None:
            continue
        if tuple(tensor.shape) != shape:
            raise InputError(f"{op}: {name} must have shape {shape}, got {tuple(tensor.shape)}")
        if tensor.dtype != like.dtype or tensor.device != like.device:
            raise InputError(
                f"{op}: {name} must be {like.dtype} on {like.device} like the rest, got {tensor.dtype} on "
                f"{tensor.device}: convert the model or its input"
            )
