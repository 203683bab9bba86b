"""The chunked forms on a GPU beside the steps in float64, with flash-linear-attention's kernels where installed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from separatrix.ops import delta_rule, linear_attention

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]
NEAR = {torch.float32: 1e-4, torch.bfloat16: 0.03}
OPS: dict[str, tuple[Callable[..., tuple[Tensor, Tensor]], Callable[..., tuple[Tensor, Tensor]]]] = {
    "decayed": (linear_attention.decayed_attention, linear_attention.decayed_step),
    "gated": (linear_attention.gated_attention, linear_attention.gated_step),
    "delta": (delta_rule.delta_rule, delta_rule.delta_step),
    "gated delta": (delta_rule.delta_rule, delta_rule.delta_step),
}


def drawn(op: str, length: int, keys: int, decay: float) -> tuple[list[Tensor | None], Tensor]:
    """Tokens and gates in float64, every fifth log decay replaced by `decay`, and a state."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, length, 3, width, dtype=torch.float64) for width in (keys, keys, 20))
    k = torch.nn.functional.normalize(k, dim=-1)
    shape = (2, length, 3, keys) if op == "gated" else (2, length, 3)
    log_decay = -0.3 * torch.rand(shape, dtype=torch.float64)
    log_decay[:, ::5] = decay if decay else log_decay[:, ::5]
    beta = torch.rand(2, length, 3, dtype=torch.float64)
    gates = {"decayed": [log_decay], "gated": [log_decay], "delta": [beta, None], "gated delta": [beta, log_decay]}[op]
    return [q, k, v, *gates], torch.randn(2, 3, keys, 20, dtype=torch.float64)


def by_steps(step: Callable[..., tuple[Tensor, Tensor]], tokens: list[Tensor | None], state: Tensor) -> list[Tensor]:
    outputs = []
    for t in range(tokens[0].shape[1]):  # type: ignore[union-attr]
        y, state = step(*(None if x is None else x[:, t] for x in tokens), state)
        outputs.append(y)
    return [torch.stack(outputs, dim=1), state]


def gradients(results: list[Tensor], inputs: list[Tensor]) -> list[Tensor]:
    weights = (torch.linspace(-1, 1, x[0].numel(), dtype=torch.float64).view_as(x[0]).to(x.device) for x in results)
    total = sum((x.double() * weight).sum() for x, weight in zip(results, weights, strict=True))
    return list(torch.autograd.grad(total, inputs))  # type: ignore[arg-type]


@pytest.mark.parametrize("decay", [0.0, -100.0, -torch.inf])
@pytest.mark.parametrize("length, keys", [(1, 16), (5, 4), (64, 16), (200, 64), (70, 300)])
@pytest.mark.parametrize("dtype", NEAR, ids=str)
@pytest.mark.parametrize("op", OPS)
def test_a_chunked_form_is_its_steps(op: str, dtype: torch.dtype, length: int, keys: int, decay: float) -> None:
    if op == "delta" and decay:
        pytest.skip("the delta rule alone has no decay")
    tokens, state = drawn(op, length, keys, decay)
    rounded = [None if x is None else x.to(dtype).double().requires_grad_() for x in [*tokens, state]]
    given = [None if x is None else x.detach().to("cuda", dtype).requires_grad_() for x in rounded]
    wanted = by_steps(OPS[op][1], rounded[:-1], rounded[-1])  # type: ignore[arg-type]
    *ours, held = given
    found = list(OPS[op][0](*ours, state=held))
    # The decays' own gradients are left out: those of steps through exp(-inf) are not numbers.
    leaves = [i for i, x in enumerate(given) if x is not None and (i < 3 or i == len(given) - 1)]
    found += gradients(found, [given[i] for i in leaves])  # type: ignore[misc]
    wanted += gradients(wanted, [rounded[i] for i in leaves])  # type: ignore[misc]
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.isfinite().all()
        assert (ours.double().cpu() - theirs).norm() <= NEAR[dtype] * theirs.norm() + 1e-6
