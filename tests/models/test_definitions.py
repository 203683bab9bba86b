"""Mixers against their definitions, written out token by token or as one matrix: outputs, and gradients of the input.

Where an author's reference exists in plain PyTorch, the oracle follows it, and says which.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from separatrix import models
from separatrix.models.based import LinearAttention, elu_features
from separatrix.models.forgetting import ForgettingAttention
from separatrix.models.h3 import H3Mixer
from separatrix.models.hyena import HyenaMixer
from separatrix.models.log_linear import LogLinearMixer
from separatrix.models.mamba3 import Mamba3Mixer
from separatrix.models.mixer import Mixer
from separatrix.models.parallel import ParallelMixer
from separatrix.models.rwkv6 import RWKV6Mixer
from separatrix.models.titans import TitansMixer
from separatrix.models.ttt import TTTMixer
from separatrix.tasks import create

TOKENS = 50


def started(layer: Mixer) -> Mixer:
    """A mixer in float64 none of whose weights is at a value that hides mistakes."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.1)
    return layer.double()


def agrees(layer: Mixer, wanted: Callable[[Tensor], Tensor], tokens: int = TOKENS) -> None:
    """Outputs and the gradient of the input are those of `wanted`, in float64."""
    x = torch.randn(2, tokens, 16, dtype=torch.float64, requires_grad=True)
    y, expected = layer.scan(x)[0], wanted(x)
    torch.testing.assert_close(y, expected, atol=1e-9, rtol=1e-8)
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    ours, theirs = (torch.autograd.grad((each * weights).sum(), x)[0] for each in (y, expected))
    torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=1e-7)


def heads(x: Tensor, count: int) -> Tensor:
    """(B, N, H K) as (B, H, N, K)."""
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


def merged(x: Tensor) -> Tensor:
    """The inverse of `heads`."""
    return x.transpose(1, 2).flatten(-2)


@pytest.mark.parametrize("features", ["taylor", "elu"])
def test_linear_attention_weighs_by_its_features(features: str) -> None:
    """`BasedLinearAttention.forward_reference` of flash-linear-attention: 1 + s + s²/2 in the place of e^s."""
    layer = started(LinearAttention(16, heads=2, key_width=5, features=features, chunk=7))

    def wanted(x: Tensor) -> Tensor:
        q, k, v = (heads(f(x), 2) for f in (layer.query, layer.key, layer.value))
        s = q @ k.mT / math.sqrt(5)
        weights = 1 + s + s**2 / 2 if features == "taylor" else elu_features(q) @ elu_features(k).mT
        weights = weights.tril()
        return layer.out(merged(weights @ v / weights.sum(-1, keepdim=True)))

    agrees(layer, wanted)


def test_forgetting_attention_adds_the_gates_since() -> None:
    """`naive_forgetting_attn` of flash-linear-attention."""
    layer = started(ForgettingAttention(16, heads=2))

    def wanted(x: Tensor) -> Tensor:
        q, k, v = (heads(f(x), 2) for f in (layer.query, layer.key, layer.value))
        gates = F.logsigmoid(layer.forget(x)).mT  # (B, H, N)
        since = torch.stack([gates[..., j + 1 : i + 1].sum(-1) for i in range(TOKENS) for j in range(TOKENS)], dim=-1)
        scores = q @ k.mT / math.sqrt(8) + since.unflatten(-1, (TOKENS, TOKENS))
        hidden = torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1)
        return layer.out(merged(torch.softmax(scores.masked_fill(hidden, -torch.inf), dim=-1) @ v))

    agrees(layer, wanted)


def test_fox_pro_normalises_shifts_and_gates() -> None:
    """`ForgettingAttentionLayer` of the authors, with `qk_norm`, `use_k_shift`, `use_v_shift`, `use_output_gate` and
    `use_output_norm`.
    """
    layer = started(ForgettingAttention(16, heads=2, qk_norm=True, output_gate=True, shift=True))

    def normalised(x: Tensor, weight: Tensor) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight

    def shifted(x: Tensor, linear: nn.Module, share: Tensor) -> Tensor:
        """`ShiftLinear`: alpha of the token before, 1 - alpha of this one."""
        new, alpha = linear(x).unflatten(-1, (2, 8)), torch.sigmoid(x @ share.T)[..., None]
        return alpha * F.pad(new, (0, 0, 0, 0, 1, 0))[:, :-1] + (1 - alpha) * new

    def wanted(x: Tensor) -> Tensor:
        k_share, v_share = layer.shift.weight.chunk(2)
        q = normalised(layer.query(x).unflatten(-1, (2, 8)), layer.q_norm).transpose(1, 2)
        k = normalised(shifted(x, layer.key, k_share), layer.k_norm).transpose(1, 2)
        v = shifted(x, layer.value, v_share).transpose(1, 2)
        total = F.logsigmoid(layer.forget(x)).mT.cumsum(-1)  # (B, H, N)
        scores = q @ k.mT / math.sqrt(8) + total[..., None] - total[..., None, :]
        hidden = torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1)
        y = (torch.softmax(scores.masked_fill(hidden, -torch.inf), dim=-1) @ v).transpose(1, 2)
        return layer.out(normalised(y, layer.norm.view(2, 8)).flatten(-2) * torch.sigmoid(layer.gate(x)))

    agrees(layer, wanted)


@pytest.mark.parametrize("fusion", ["sum", "norm"])
def test_mixers_side_by_side_read_the_same_tokens(fusion: str) -> None:
    layer = started(models.create("gla//attention", create("parity", length=4), width=16, heads=2, fusion=fusion)
                    .blocks[0].mixer)  # fmt: skip
    assert isinstance(layer, ParallelMixer)

    def wanted(x: Tensor) -> Tensor:
        outputs = [part.scan(x)[0] for part in layer.parts]
        if layer.scales is None:
            return outputs[0] + outputs[1]
        sizes = [(y.square().mean(-1, keepdim=True) + 1e-5).sqrt() for y in outputs]
        return sum(s * y / size for s, y, size in zip(layer.scales, outputs, sizes, strict=True)) / 2

    agrees(layer, wanted)


@pytest.mark.parametrize("batch", [1, 8])
def test_ttt_is_gradient_descent_by_autograd(batch: int) -> None:
    """W and b really trained: each mini-batch's gradients are PyTorch's, of half the squared distance to v - k."""
    layer = started(TTTMixer(16, heads=2, batch=batch))
    x = torch.randn(2, 21, 16, dtype=torch.float64)
    q, (k, v, rate) = layer.asked(x), layer.written(x)
    weight, bias, *_ = layer.begin(x)
    outputs: list[Tensor] = []
    for t in range(21):
        if t % batch == 0:
            base_weight, base_bias = weight, bias
        w, b = base_weight.detach().requires_grad_(), base_bias.detach().requires_grad_()
        predicted = F.layer_norm((k[:, :, t, None] @ w)[:, :, 0] + b, (8,), eps=1e-6) * layer.scale + layer.shift
        loss = 0.5 * ((predicted - (v - k)[:, :, t]) ** 2).sum()
        for_w, for_b = torch.autograd.grad(loss, [w, b])
        weight, bias = weight - rate[:, :, t, None, None] * for_w, bias - rate[:, :, t, None] * for_b
        answer = (q[:, :, t, None] @ weight)[:, :, 0] + bias
        outputs.append(q[:, :, t] + F.layer_norm(answer, (8,), eps=1e-6) * layer.scale + layer.shift)
    wanted = layer.out(layer.norm(torch.stack(outputs, dim=1).flatten(-2)))
    y, state = layer.scan(x)
    torch.testing.assert_close(y, wanted, atol=1e-9, rtol=1e-8)
    if batch == 1:  # the last model is then the state
        torch.testing.assert_close(state[0], weight)


@pytest.mark.parametrize("batch", [1, 8])
def test_titans_is_gradient_descent_with_momentum(batch: int) -> None:
    """Equations 11 to 14 of the paper, each gradient by PyTorch, of half the squared distance to v."""
    layer = started(TitansMixer(16, heads=2, batch=batch))

    def wanted(x: Tensor) -> Tensor:
        q, (k, v, rate, momentum, keep) = layer.asked(x), layer.written(x)
        memory = surprise = torch.zeros(2, 2, 8, 8, dtype=x.dtype)
        outputs = []
        for t in range(21):
            base = memory if t % batch == 0 else base  # the memory the mini-batch began with
            predicted = torch.func.grad(
                lambda m, t=t: 0.5 * ((k[:, :, t, None] @ m)[:, :, 0] - v[:, :, t]).square().sum()
            )(base)
            surprise = momentum.exp()[:, :, t, None, None] * surprise - rate[:, :, t, None, None] * predicted
            memory = keep.exp()[:, :, t, None, None] * memory + surprise
            outputs.append(q[:, :, t, None] @ memory)
        return layer.finish(torch.cat(outputs, dim=2), x)

    agrees(layer, wanted, tokens=21)


def test_rwkv6_is_its_recurrence() -> None:
    """`naive_recurrent_rwkv6` of flash-linear-attention; shifts by equations 10 to 15 of the paper."""
    layer = started(RWKV6Mixer(16, heads=2, rank=3, chunk=7))

    def wanted(x: Tensor) -> Tensor:
        before = F.pad(x, (0, 0, 1, -1))
        own = torch.tanh(layer.enter(x + (before - x) * layer.shares[0])).chunk(5, dim=-1)
        shifts = (share + low @ up for share, low, up in zip(layer.shares[1:], own, layer.leave, strict=True))
        r, w, k, v, g = (x + (before - x) * shift for shift in shifts)
        r, w, k, v = (heads(f, 2) for f in (layer.receptance(r), layer.decay(w), layer.key(k), layer.value(v)))
        state, outputs = x.new_zeros(2, 2, 8, 8), []
        for t in range(TOKENS):
            written = k[:, :, t, :, None] * v[:, :, t, None]
            outputs.append((r[:, :, t, None] @ (state + layer.bonus[..., None] * written))[:, :, 0])
            state = torch.exp(-torch.exp(w[:, :, t]))[..., None] * state + written
        y = torch.stack(outputs, dim=1).flatten(-2)
        y = layer.norm(y.flatten(0, 1)).view_as(y)
        return layer.out(y * F.silu(layer.gate(g)))

    agrees(layer, wanted)


@pytest.mark.parametrize(("turned", "rank"), [(0.5, 1), (1.0, 1), (0.5, 3)])
def test_mamba3_is_its_recurrence(turned: float, rank: int) -> None:
    """`mamba3_siso_step_ref` and `mamba3_MIMO_step_ref` in the tests of state-spaces/mamba, with the projections of its
    `Mamba3`.
    """
    layer = started(Mamba3Mixer(16, state=8, heads=4, turned=turned, chunk=7, rank=rank))
    ones = torch.ones(4, 1, 8, dtype=torch.float64)
    scales = [ones if each is None else each for each in (layer.x_scale, layer.gate_scale, layer.y_scale)]

    def rotated(tensor: Tensor, angles: Tensor) -> Tensor:
        """Pairs turned by angles, the pairs that have none by 0."""
        angles = F.pad(angles, (0, tensor.shape[-1] // 2 - angles.shape[-1]))
        one, other = tensor.unflatten(-1, (-1, 2)).unbind(-1)
        cos, sin = angles.cos(), angles.sin()
        return torch.stack([one * cos - other * sin, one * sin + other * cos], dim=-1).flatten(-2)

    def normalised(x: Tensor, weight: Tensor) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + torch.finfo(x.dtype).eps).sqrt() * weight

    def wanted(x: Tensor) -> Tensor:
        z, own, b, c, dd_dt, dd_a, trap, angles = layer.enter(x).split(layer.sizes, dim=-1)
        v, z = (torch.einsum("bthp,hrp->bthrp", part.unflatten(-1, (4, -1)), scale) for part, scale in
                ((own, scales[0]), (z, scales[1])))  # fmt: skip
        step = F.softplus(dd_dt + layer.dt_bias)
        a = -torch.where(dd_a >= 0, 1 + dd_a, 1 / (1 - dd_a)).clamp_min(1e-4)
        k, q = (normalised(part.unflatten(-1, (rank, 8)), norm.weight)[:, :, None] + bias.view(4, rank, 8) for
                part, norm, bias in ((b, layer.b_norm, layer.b_bias), (c, layer.c_norm, layer.c_bias)))  # fmt: skip
        state = x.new_zeros(2, 4, 8, 8)  # (B, H, P, S)
        angle, last_k, last_v, outputs = x.new_zeros(2, 4, angles.shape[-1]), torch.zeros_like(k[:, 0]), v[:, 0], []
        for t in range(TOKENS):
            angle = angle + torch.pi * torch.tanh(angles[:, t, None]) * step[:, t, :, None]
            key, share = rotated(k[:, t], angle[:, :, None]), torch.sigmoid(trap[:, t])
            alpha, new = torch.exp(a[:, t] * step[:, t]), share * step[:, t]
            old = (1 - share) * step[:, t] * alpha
            state = alpha[..., None, None] * state
            state = state + old[..., None, None] * torch.einsum("bhrd,bhrp->bhpd", last_k, last_v)
            state = state + new[..., None, None] * torch.einsum("bhrd,bhrp->bhpd", key, v[:, t])
            y = torch.einsum("bhpd,bhrd->bhrp", state, rotated(q[:, t], angle[:, :, None]))
            y = (y + layer.D[:, None, None] * v[:, t]) * F.silu(z[:, t])
            outputs.append(torch.einsum("bhrp,hrp->bhp", y, scales[2]).flatten(-2))
            last_k, last_v = key, v[:, t]
        return layer.out(torch.stack(outputs, dim=1))

    agrees(layer, wanted)


def test_h3_is_two_convolutions_between_gates() -> None:
    layer = started(H3Mixer(16, state=3, taps=4))

    def wanted(x: Tensor) -> Tensor:
        rate, weight = layer.space.dynamics()
        response = torch.stack([(weight * rate**t).real.sum(-1) for t in range(TOKENS)])  # (N, D)
        k = layer.shift(F.pad(layer.key(x).mT, (3, 0))).mT
        u = k * layer.value(x)
        y = torch.stack([sum(response[t - j] * u[:, j] for j in range(t + 1)) for t in range(TOKENS)], dim=1)
        return layer.out(layer.query(x) * (y + layer.space.skip * u))

    agrees(layer, wanted)


def test_hyena_is_a_convolution_with_its_filter() -> None:
    layer = started(HyenaMixer(16, hidden=5, length=40, chunk=8))

    def wanted(x: Tensor) -> Tensor:
        q, k, v = layer.conv(F.pad(layer.enter(x).mT, (2, 0))).mT.chunk(3, dim=-1)
        taps, u = layer.taps_of(TOKENS, x), k * v
        y = F.conv1d(F.pad(u.mT, (TOKENS - 1, 0)), taps.flip(0).T[:, None], groups=16).mT
        return layer.out(q * (y + layer.skip * u))

    agrees(layer, wanted)
    taps = layer.taps_of(400, torch.zeros((), dtype=torch.float64)).detach().abs()
    assert float(taps[300:].mean()) < float(taps[:30].mean())  # it fades


@pytest.mark.parametrize("chunk", [1, 8])
def test_log_linear_attention_is_its_matrix(chunk: int) -> None:
    """`naive_log_linear_attn` of flash-linear-attention: level masks as it constructs them."""
    layer = started(LogLinearMixer(16, heads=2, levels=9, chunk=chunk))

    def mask(number: int) -> Tensor:
        i, j = torch.arange(TOKENS)[:, None], torch.arange(TOKENS)
        if number == 0:
            return i == j
        half = 1 << (number - 1)
        first = i - i % half
        return (i % (2 * half) >= half) & (j + half >= first) & (j < first)

    def wanted(x: Tensor) -> Tensor:
        q, k, v, log_decay, weights = (part.transpose(1, 2) for part in layer.parts(x))
        total = log_decay.cumsum(-1)
        fading = torch.exp(total[..., :, None] - total[..., None, :])
        matrix = sum(mask(number) * weights[..., number, None] for number in range(7)) * fading
        y = ((q @ k.mT) * matrix) @ v
        return layer.finish(y.transpose(1, 2), x)

    agrees(layer, wanted)
