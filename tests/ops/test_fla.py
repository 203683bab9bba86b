"""What is handed to flash-linear-attention's kernels: stood in for by steps, so that no GPU is needed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from separatrix.ops import delta_rule, fla, linear_attention


def standing_in(step: object) -> object:
    """A function with the calling convention of flash-linear-attention's chunk_* functions, done token by token."""

    def run(
        q: Tensor, k: Tensor, v: Tensor, *, scale: float, initial_state: Tensor | None, output_final_state: bool,
        g: Tensor | None = None, beta: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        assert scale == 1.0 and output_final_state
        assert q.shape[2] == k.shape[2] == v.shape[2]
        state = initial_state
        if state is None:
            state = torch.zeros(v.shape[0], v.shape[2], k.shape[3], v.shape[3])
        outputs = []
        for t in range(v.shape[1]):
            decay = None if g is None else g[:, t]
            gates = (decay,) if beta is None else (beta[:, t], decay)
            y, state = step(q[:, t], k[:, t], v[:, t], *gates, state)  # type: ignore[operator]
            outputs.append(y)
        return torch.stack(outputs, dim=1), state

    return run


class OnGPU(torch.Tensor):
    """A tensor that says it is on a GPU."""

    device = torch.device("cuda")  # type: ignore[assignment]


STEPS = {
    "chunk_simple_gla": linear_attention.decayed_step,
    "chunk_gla": linear_attention.gated_step,
    "chunk_delta_rule": delta_rule.delta_step,
    "chunk_gated_delta_rule": delta_rule.delta_step,
}


@pytest.mark.parametrize("op", ["decayed", "shared", "gated", "delta", "gated delta"])
@pytest.mark.parametrize("start", [False, True])
def test_kernels_get_what_the_chunked_form_gets(op: str, start: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fla, "kernel", lambda module, name: standing_in(STEPS[name]))
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 9, 3, 4), torch.randn(2, 9, 3, 4), torch.randn(2, 9, 3, 5)
    decay, beta, state = -torch.rand(2, 9, 3), torch.rand(2, 9, 3), torch.randn(2, 3, 4, 5) if start else None
    run = {
        "decayed": lambda v: linear_attention.decayed_attention(q, k, v, decay[:1], state),
        "shared": lambda v: linear_attention.decayed_attention(q[:, :, :1], k[:, :, :1], v, decay, state),
        "gated": lambda v: linear_attention.gated_attention(q, k, v, -k.abs(), state),
        "delta": lambda v: delta_rule.delta_rule(q, k / 2, v, beta, None, state),
        "gated delta": lambda v: delta_rule.delta_rule(q, k / 2, v, beta, decay, state),
    }[op]
    with torch._C.DisableTorchFunctionSubclass():
        ours, theirs = run(v), run(v.as_subclass(OnGPU))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b.as_subclass(torch.Tensor), atol=1e-4, rtol=1e-4)


def test_without_a_gpu_nothing_is_imported() -> None:
    assert fla.fast("gla", "chunk_gla", torch.zeros(1)) is None
