"""What is handed to flash-linear-attention's kernels: stood in for by steps, so that no GPU is needed."""

from __future__ import annotations

from types import SimpleNamespace

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
    monkeypatch.setattr(fla, "allowed", lambda name, dtype: True)
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 9, 3, 16), torch.randn(2, 9, 3, 16), torch.randn(2, 9, 3, 20)
    decay, beta, state = -torch.rand(2, 9, 3), torch.rand(2, 9, 3), torch.randn(2, 3, 16, 20) if start else None
    run = {
        "decayed": lambda v: linear_attention.decayed_attention(q, k, v, decay[:1], state),
        "shared": lambda v: linear_attention.decayed_attention(q[:, :, :1], k[:, :, :1], v, decay, state),
        "gated": lambda v: linear_attention.gated_attention(q, k, v, -k.abs(), state),
        "delta": lambda v: delta_rule.delta_rule(q, k / 8, v, beta, None, state),
        "gated delta": lambda v: delta_rule.delta_rule(q, k / 8, v, beta, decay, state),
    }[op]
    with torch._C.DisableTorchFunctionSubclass():
        ours, theirs = run(v), run(v.as_subclass(OnGPU))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b.as_subclass(torch.Tensor), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("decay", [-1e4, -torch.inf])
def test_what_is_forgotten_at_once_stays_finite_in_its_kernels(decay: float, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}

    def seen(*tokens: Tensor, g: Tensor, **options: object) -> tuple[Tensor, Tensor]:
        given["g"] = g
        return tokens[2], torch.zeros(1, 1, 16, 16)

    monkeypatch.setattr(fla, "kernel", lambda module, name: seen)
    monkeypatch.setattr(fla, "allowed", lambda name, dtype: True)
    with torch._C.DisableTorchFunctionSubclass():
        linear_attention.gated_attention(
            *(torch.randn(1, 3, 1, 16).as_subclass(OnGPU) for _ in range(3)), torch.full((1, 3, 1, 16), decay)
        )
    assert given["g"].eq(fla.DECAY).all()


def test_its_kernels_run_where_they_are_as_exact_as_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fla, "kernel", lambda module, name: standing_in(STEPS[name]))
    names = ("delta_rule", "chunk_delta_rule"), ("gated_delta_rule", "chunk_gated_delta_rule")

    def runs(dtype: torch.dtype, width: int = 16, length: int = 5) -> list[bool]:
        with torch._C.DisableTorchFunctionSubclass():
            k = torch.zeros(1, length, 1, width, dtype=dtype).as_subclass(OnGPU)
            return [fla.fast(*name, k, k) is not None for name in names]

    assert runs(torch.bfloat16) == [True, True] and runs(torch.float64) == [False, False]
    assert runs(torch.float32) == [False, False], "float32 is float32 unless TF32 is asked for"
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        assert runs(torch.float32) == [False, True], "the plain delta rule has no kernel for float32"
    finally:
        torch.set_float32_matmul_precision(before)
    assert runs(torch.bfloat16, width=512) == runs(torch.bfloat16, width=8) == [False, False]
    assert runs(torch.bfloat16, length=0) == [False, False]


def test_a_triton_that_gets_gradients_wrong_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    utils = SimpleNamespace(IS_NVIDIA_HOPPER=True, TRITON_ABOVE_3_4_0=True, TRITON_ABOVE_3_7_1=False)
    modules = {"fla.utils": utils}
    monkeypatch.setattr(fla, "find_spec", lambda name: object() if name == "fla" else None)
    monkeypatch.setattr(fla, "import_module", lambda name: modules.get(name, SimpleNamespace(kernel=print)))
    taken = {}
    for right in (False, True):
        utils.TRITON_ABOVE_3_7_1 = right
        fla.kernel.cache_clear()
        taken[right] = [fla.kernel(name, "kernel") is print for name in ("gla", "simple_gla", "gated_delta_rule")]
    fla.kernel.cache_clear()
    assert taken == {False: [True, False, False], True: [True, True, True]}


def test_without_a_gpu_nothing_is_imported() -> None:
    assert fla.fast("gla", "chunk_gla", torch.zeros(1, 1), torch.zeros(1, 1)) is None
