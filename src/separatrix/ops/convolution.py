"""Causal depthwise convolution with a few taps, as before Mamba's scan."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, check, kernel, operator, rows, token_rows


@in_full_precision
def causal_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    window: Tensor | None = None,
    silu: bool = True,
) -> Tensor:
    """y_t = silu(bias + sum_k weight_k x_{t-K+1+k}), without silu when asked.

    x: Float[B, N, D]; weight: Float[D, K]; bias: Float[D]
    window: Float[B, K - 1, D], the inputs before the first token, zeros when None
    Raises InputError for shapes, types or devices that do not go together.

    >>> x = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    >>> weight = torch.tensor([[1.0, 10.0]])  # of the last input, and of this one
    >>> sx.ops.causal_convolution(x, weight, silu=False).flatten().tolist()
    [10.0, 21.0, 32.0, 43.0]
    """
    if x.ndim != 3 or weight.ndim != 2 or weight.shape[1] < 1:
        shapes = f"{tuple(x.shape)} and {tuple(weight.shape)}"
        raise InputError(f"causal_convolution: x must be (B, N, D) and weight (D, K >= 1), got {shapes}")
    batch, _, channels = x.shape
    taps = weight.shape[1]
    window = x.new_zeros(batch, taps - 1, channels) if window is None else window
    check(
        "causal_convolution",
        x,
        weight=(weight, (channels, taps)),
        bias=(bias, (channels,)),
        window=(window, (batch, taps - 1, channels)),
    )
    return (_forward if takes(x) else reference)(x, weight, bias, window, silu)


@in_full_precision
def convolution_step(
    x: Float[Tensor, "B D"], weight: Float[Tensor, "D K"], bias: Tensor | None, window: Float[Tensor, "B W D"]
) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B W D"]]:
    """One token of `causal_convolution` with silu: its output, and the window of the next token."""
    window = torch.cat([window, x[:, None]], dim=1)
    y = (window * weight.T).sum(1)
    return F.silu(y if bias is None else y + bias), window[:, 1:]


@in_full_precision
def convolution_shares(
    x: Float[Tensor, "R D"], weight: Float[Tensor, "D K"], bias: Tensor | None, window: Float[Tensor, "B W D"]
) -> tuple[Float[Tensor, "R D"], Float[Tensor, "B D"]]:
    """What each of R alternative next tokens, and what each window, adds to `causal_convolution` before its silu."""
    taps = weight.T  # (K, D)
    past = torch.einsum("bwd,wd->bd", window, taps[:-1])
    return x * taps[-1], past if bias is None else past + bias


def last_inputs(x: Float[Tensor, "B N D"], window: Tensor | None, taps: int) -> Float[Tensor, "B W D"]:
    """The window the next token will need: the last `taps` - 1 of window and x."""
    if window is None:
        window = x.new_zeros(x.shape[0], taps - 1, x.shape[2])
    # a copy in either case: a view would keep the whole sequence in memory
    return (
        torch.cat([window, x], dim=1)[:, x.shape[1] :].contiguous()
        if x.shape[1] < taps - 1
        else (x[:, x.shape[1] - taps + 1 :].clone())
    )


def reference(x: Tensor, weight: Tensor, bias: Tensor | None, window: Tensor, silu: bool) -> Tensor:
    """The same in plain PyTorch."""
    if not x.shape[1]:
        return x.clone()
    channels = weight.shape[0]
    y = F.conv1d(torch.cat([window, x], dim=1).transpose(1, 2), weight[:, None], bias, groups=channels).transpose(1, 2)
    return F.silu(y) if silu else y


def _run(x: Tensor, weight: Tensor, bias: Tensor | None, window: Tensor, silu: bool) -> Tensor:
    x, weight, window = token_rows(x), weight.contiguous(), window.contiguous()
    bias = None if bias is None else bias.contiguous()
    y = x.new_empty(x.shape)
    addresses = [address(t) for t in (weight, bias, window, y)]
    kernel("convolution_forward", x)(*x.shape, weight.shape[1], silu, *rows(x), *addresses)
    return y


def _run_backward(
    x: Tensor, weight: Tensor, bias: Tensor | None, window: Tensor, grad_y: Tensor, silu: bool
) -> tuple[Tensor, ...]:
    x, weight, window, grad_y = token_rows(x), weight.contiguous(), window.contiguous(), grad_y.contiguous()
    bias = None if bias is None else bias.contiguous()
    grads = _backward_shapes(x, weight, bias, window, grad_y, silu)
    addresses = [address(t) for t in (weight, bias, window, grad_y, grads[0], grads[1])]
    kernel("convolution_backward", x)(
        *x.shape,
        weight.shape[1],
        silu,
        *rows(x),
        *addresses,
        0 if bias is None else address(grads[2]),
        address(grads[3]),
    )
    return grads


def _backward_shapes(
    x: Tensor, weight: Tensor, bias: Tensor | None, window: Tensor, grad_y: Tensor, silu: bool
) -> tuple[Tensor, ...]:
    shapes = (x.shape, weight.shape, 0 if bias is None else bias.shape, window.shape)
    return tuple(x.new_empty(shape) for shape in shapes)


_backward = operator(
    "causal_convolution_backward",
    "(Tensor x, Tensor weight, Tensor? bias, Tensor window, Tensor grad_y, bool silu) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    *tensors, ctx.silu = inputs
    ctx.save_for_backward(*tensors)


def _gradient(ctx: Any, grad_y: Tensor) -> tuple:
    tensors = ctx.saved_tensors
    grads = _backward(*tensors, grad_y, ctx.silu)
    return (*(None if x is None else grad for x, grad in zip(tensors, grads, strict=True)), None)


_forward = operator(
    "causal_convolution",
    "(Tensor x, Tensor weight, Tensor? bias, Tensor window, bool silu) -> Tensor",
    _run,
    lambda x, weight, bias, window, silu: x.new_empty(x.shape),
    (_setup, _gradient),
)
