"""The arithmetic a training step cannot do without: products, exponentials, recurrences and bytes, at measured rates.

Products are counted as they are asked for, with each distinct query once. Of our own kernels, every operand is read and
every result written once; an exponential is seven multiply-adds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

EXPONENTIAL = 14


def best(run: Callable[[], Any], repeats: int = 10) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def rates() -> tuple[float, float]:
    """Operations a second of a large product, and bytes a second of a copy of a batch's size."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    source = torch.randn(2**22)
    target = torch.empty_like(source)
    copying = best(lambda: target.copy_(source))
    return 2 * 1024**3 / best(lambda: torch.mm(a, b)), 2 * source.numel() * 4 / copying


def products(name: str, arguments: list[Any]) -> float:
    """Multiply-adds, twice, of the products inside one of our kernels."""
    tensors = [x for x in arguments if isinstance(x, Tensor)]
    back = "backward" in name
    if name.startswith("linear_attention"):
        q, k, v = arguments[:3]  # no q where the state alone is asked for
        (batch, length, heads, values), (groups, keys) = v.shape, k.shape[2:]
        chunk = min(length, next(x for x in arguments if isinstance(x, int) and not isinstance(x, bool)))
        delta = arguments[4] is not None
        among = 0 if q is None else groups * keys * chunk + heads * chunk * values  # half of each square is masked
        passed = 2 * (1 if q is None else 2) * heads * keys * values
        if delta:
            among += heads * chunk * (keys + values)
            passed += 2 * heads * keys * values
        return (2.5 if back else 1) * batch * length * (among + passed)
    if name.startswith("memory_read"):
        _, which, state = tensors[:3]
        delta = arguments[-2]
        return (3 if back else 1) * (1 + delta) * 2 * which.numel() * state[0].numel()
    if name.startswith("cell_scan"):
        x, weight_in, weight = tensors[:3]
        return (2 if back else 1) * 2 * x.shape[0] * x.shape[1] * (weight_in.numel() + weight.numel())
    if name.startswith("mlp"):
        enter, leave = (tensors[2], tensors[3]) if back else (tensors[1], tensors[3])
        return (2 if back else 1) * 2 * tensors[0].shape[0] * (enter.numel() + leave.numel())
    if name.startswith("slstm_scan"):
        gates, recurrent = tensors[:2]
        return 2 * gates.shape[0] * gates.shape[1] * recurrent.numel()
    return 0.0


def elementwise(name: str, arguments: list[Any]) -> tuple[float, float]:
    """(exponentials, further operations) of one of our kernels."""
    tensors = [x for x in arguments if isinstance(x, Tensor)]
    back = "backward" in name
    if name.startswith(("selective_scan", "selective_read")):
        u, _, a = tensors[:3]
        states = u.numel() * a.shape[1]
        return states + 2 * u.numel(), states * (22 if back else 6)
    if name.startswith("diagonal_scan"):
        u, rate = tensors[:2]
        return 0, u.numel() * rate.shape[1] * (44 if back else 12)
    if name.startswith("linear_recurrence"):
        return 0, 16 * tensors[1].numel()
    if name.startswith("cell_scan"):
        gates = tensors[0].shape[0] * tensors[0].shape[1] * tensors[1].shape[0]
        return (0 if back else 1.25 * gates), 6 * gates
    if name.startswith("cell_queries"):
        gates = tensors[1].numel() * tensors[0].shape[1]
        return 1.25 * gates, (12 if back else 2) * gates
    if name.startswith("slstm_scan"):
        return (0 if back else 1.5 * tensors[0].numel()), 6 * tensors[0].numel()
    if name.startswith(("causal_convolution", "activate", "gated_norm", "swiglu", "cross_entropy")):
        size = max(x.numel() for x in tensors)
        return size, 6 * size
    if name.startswith("memory_read"):
        rows, which = tensors[:2]
        activated = which.numel() * rows.shape[1] * (arguments[3] is not None)
        return activated, 4 * activated
    return 0, 0


class Count(TorchDispatchMode):
    """What our kernels are asked for inside a `with` block."""

    def __init__(self) -> None:
        super().__init__()
        self.products = self.exponentials = self.operations = self.bytes = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.namespace == "separatrix":
            name = func._schema.name.split("::")[1]
            arguments = list(args)
            self.products += products(name, arguments)
            exponentials, operations = elementwise(name, arguments)
            self.exponentials += exponentials
            self.operations += operations
            leaves = [x for x in tree_leaves((args, result)) if isinstance(x, Tensor)]
            self.bytes += sum(x.numel() * x.element_size() for x in leaves)
        return result


def limit(model: Any, batch: Any) -> dict[str, float]:
    """Seconds of the parts of the limit, and their sum."""
    from training_worker import loss_of

    count, flops = Count(), FlopCounterMode(display=False)
    with flops, count:
        loss_of(model(batch.context, batch.queries), batch.targets).backward()
    model.zero_grad(set_to_none=True)
    rate, bandwidth = rates()
    parts = {
        "products": (flops.get_total_flops() + count.products) / rate,
        "exponentials": EXPONENTIAL * count.exponentials / rate,
        "recurrences": count.operations / rate,
        "bytes": count.bytes / bandwidth,
    }
    return {**parts, "total": sum(parts.values()), "GFLOP/s": rate / 1e9, "GB/s": bandwidth / 1e9}
