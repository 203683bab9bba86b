"""Chunked parallel forms against their step-by-step references and against their matrix products alone.

    python benchmarks/ops_chunks.py [--json] [--length 400] [--batch 64]

Both forward and backward, batch 64, width 64, one thread. The bound is the time of the same batched products of the
chunk's shapes, forward and backward, in PyTorch, and nothing else. What is counted is the processor's time, which other
programs on the machine disturb least; memory is what one pass adds at its peak.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from separatrix.ops.delta_rule import delta_rule, delta_step
from separatrix.ops.linear_attention import decayed_attention, decayed_step, gated_attention, gated_step
from separatrix.ops.normalised_attention import normalised_attention, normalised_step


def best(run: Callable[[], Any], repeats: int) -> float:
    run()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def peak(name: str, steps: bool, batch: int, length: int) -> int:
    """Bytes of resident memory that one pass adds at its peak, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=once, args=(name, steps, batch, length, answers))
    process.start()
    answer: int = answers.get()
    process.join()
    return answer


def once(name: str, steps: bool, batch: int, length: int, answers: Any) -> None:
    def memory(field: str) -> int:  # now (VmRSS) or at the peak (VmHWM), as Linux tells them
        return 1024 * int(Path("/proc/self/status").read_text().partition(f"{field}:")[2].split()[0])

    torch.set_num_threads(1)
    passes(name, 2, 4)[steps]()  # what is loaded once
    run = passes(name, batch, length)[steps]
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = memory("VmRSS")
    run()
    answers.put(memory("VmHWM") - before)


def passes(name: str, batch: int, length: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Forward and backward in chunks, and token by token."""
    chunked, step, inputs, (_, heads, keys, values, _) = cases(batch, length)[name]

    def fast() -> None:
        chunked(*inputs)[0].sum().backward()

    def slow() -> None:
        state: Any = torch.zeros(batch, heads, keys, values)
        if name == "mlstm":
            state = (state, torch.zeros(batch, heads, keys), torch.zeros(batch, heads))
        outputs = []
        for t in range(length):
            y, state = step(*(x[:, t] for x in inputs), state)
            outputs.append(y)
        torch.stack(outputs, dim=1).sum().backward()

    return fast, slow


def products(
    batch: int, length: int, groups: int, heads: int, keys: int, values: int, chunk: int, delta: bool
) -> Callable:
    """The matrix products of one chunked pass: scores, their use, the chunk's own states, reading the state before."""
    chunks = -(-length // chunk)

    def random(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, requires_grad=True)

    q, k = random(groups, chunks, chunk, keys), random(groups, chunks, chunk, keys)
    v, scores = random(heads, chunks, chunk, values), random(heads, chunks, chunk, chunk)
    wide_q, wide_k = random(heads, chunks, chunk, keys), random(heads, chunks, chunk, keys)
    state = random(heads, chunks, keys, values)

    def run() -> None:
        needed = [q @ k.mT, scores @ v, wide_k.mT @ v, wide_q @ state]
        if delta:  # corrected values: keys against keys, the solved system, and what the state before held
            needed += [k @ k.mT, scores @ torch.cat([v, wide_k], dim=-1), wide_k @ state]
        for y in needed:
            y.backward(y.detach())

    return run


def cases(batch: int, length: int) -> dict[str, tuple[Callable, Callable, list[Tensor], tuple[int, ...]]]:
    """Chunked form, step, arguments for (B, N, …) and (groups, heads, keys, values, chunk) of each architecture."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(batch, length, *shape).requires_grad_()

    def decay(*shape: int) -> Tensor:
        return (-0.1 * torch.rand(batch, length, *shape)).requires_grad_()

    unit = F.normalize(torch.randn(batch, length, 1, 64), dim=-1).requires_grad_()
    steady = torch.log(1 - 2.0 ** (-5 - torch.arange(4.0))).expand(1, length, 4)
    return {
        "retnet": (
            decayed_attention,
            decayed_step,
            [draw(4, 16), draw(4, 16), draw(4, 32), steady],
            (4, 4, 16, 32, 64),
        ),
        "mamba2": (
            decayed_attention,
            decayed_step,
            [draw(1, 64), draw(1, 64), draw(2, 64), decay(2)],
            (1, 2, 64, 64, 64),
        ),
        "gla": (gated_attention, gated_step, [draw(4, 8), draw(4, 8), draw(4, 16), decay(4, 8)], (4, 4, 8, 16, 16)),
        "deltanet": (
            delta_rule,
            lambda q, k, v, beta, state: delta_step(q, k, v, beta, None, state),
            [draw(1, 64), unit, draw(1, 64), torch.rand(batch, length, 1).requires_grad_()],
            (1, 1, 64, 64, 32),
        ),
        "gated-deltanet": (
            delta_rule,
            delta_step,
            [draw(1, 64), unit, draw(1, 128), torch.rand(batch, length, 1).requires_grad_(), decay(1)],
            (1, 1, 64, 128, 32),
        ),
        "mlstm": (
            normalised_attention,
            normalised_step,
            [draw(4, 32), draw(4, 32), draw(4, 32), draw(4), decay(4)],
            (4, 4, 32, 32, 64),
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--length", type=int, default=400)
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    batch, length = arguments.batch, arguments.length
    for name, (*_, sizes) in cases(batch, length).items():
        fast, slow = passes(name, batch, length)
        seconds, steps = best(fast, 7), best(slow, 1)
        bound = best(products(batch, length, *sizes, "delta" in name), 7)
        memory = {"MiB": peak(name, False, batch, length) / 2**20, "steps MiB": peak(name, True, batch, length) / 2**20}
        rows.append({"model": name, "chunk": sizes[-1], "ms": seconds * 1e3, "steps ms": steps * 1e3,
                     "times faster than steps": steps / seconds, "products ms": bound * 1e3,
                     "times the products": seconds / bound, **memory})  # fmt: skip
        if not arguments.json:
            print(
                "  ".join(
                    f"{key} {value:.4g}" if isinstance(value, float) else f"{value}" for key, value in rows[-1].items()
                )
            )
    if arguments.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
