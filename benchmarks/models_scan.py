"""Mamba's block, forward and backward, against mambapy and Transformers: time and peak memory, one process, one thread.

    python benchmarks/models_scan.py [--json] [--lengths 100 400] [--skip-transformers]

The arithmetic limit and the fraction of it reached are printed with their parts (see `limit`).
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
from torch import Tensor, nn

BATCH, WIDTH, STATE = 64, 64, 16
INNER, RANK = 2 * WIDTH, WIDTH // 16


def build(peer: str) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    torch.manual_seed(0)
    if peer == "separatrix":
        from separatrix.models.mamba import MambaMixer

        block = MambaMixer(WIDTH, STATE)
        return block, lambda x: block.scan(x)[0]
    if peer == "mambapy":
        from mambapy.mamba import MambaBlock, MambaConfig

        other = MambaBlock(MambaConfig(d_model=WIDTH, n_layers=1, d_state=STATE))
        return other, other
    from transformers import MambaConfig as Config
    from transformers.models.mamba.modeling_mamba import MambaMixer as Mixer

    third = Mixer(Config(hidden_size=WIDTH, state_size=STATE), layer_idx=0)
    return third, third


def once(peer: str, length: int, repeats: int, answers: Any) -> None:
    """In a process of its own: seconds of each pass, and the memory it added at its peak (bytes)."""
    torch.set_num_threads(1)
    _, run = build(peer)
    run(torch.randn(2, 4, WIDTH)).sum().backward()  # what is loaded once
    x = torch.randn(BATCH, length, WIDTH, requires_grad=True)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = memory("VmRSS")
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run(x).sum().backward()
        seconds.append(time.perf_counter() - start)
    answers.put((min(seconds), memory("VmHWM") - before))


def memory(field: str) -> int:
    """Bytes of resident memory, now (VmRSS) or at the peak (VmHWM), as Linux tells them."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition(f"{field}:")[2].split()[0])


def measure(peer: str, length: int, repeats: int) -> tuple[float, int]:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=once, args=(peer, length, repeats, answers))
    process.start()
    answer = answers.get()
    process.join()
    return answer


def best(run: Callable[[], Any], repeats: int = 10) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def limit(length: int) -> dict[str, float]:
    """Seconds of what the block cannot do without, at the rates this processor reaches in this run.

    Products: the block's four linear maps alone, forward and backward. Arithmetic of the scan, for each of B N I S
    states: 7 multiply-adds of an exponential and 3 of the recurrence, the same again in the backward pass, which
    computes states anew, and 8 of the gradients, at the rate of a large product. Bytes: every array of tokens read and
    written once, at the rate of a large copy.
    """
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    flops = 2 * 1024**3 / best(lambda: torch.mm(a, b))
    source = torch.randn(2**24)
    target = torch.empty_like(source)
    bandwidth = 2 * source.numel() * 4 / best(lambda: target.copy_(source))
    tokens = BATCH * length
    shapes = [(WIDTH, 2 * INNER), (INNER, RANK + 2 * STATE), (RANK, INNER), (INNER, WIDTH)]
    maps = [(torch.randn(tokens, m, requires_grad=True), nn.Linear(m, n, bias=False)) for m, n in shapes]
    grads = [torch.ones(tokens, n) for _, n in shapes]

    def products() -> None:
        for (x, linear), grad in zip(maps, grads, strict=True):
            linear(x).backward(grad)

    states = tokens * INNER * STATE
    parts = {
        "products": best(products),
        "exponentials": 2 * 14 * states / flops,
        "recurrence": 28 * states / flops,
        "bytes": 4 * tokens * (12 * WIDTH + 22 * INNER) / bandwidth,
    }
    return {**parts, "total": sum(parts.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--lengths", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--skip-transformers", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    from separatrix import ops

    rows = []
    for length in arguments.lengths:
        ours, memory = measure("separatrix", length, 10)
        bound = limit(length)
        row: dict[str, Any] = {"length": length, "kernels": ops.backend(), "seconds": ours, "peak bytes": memory}
        row |= {"limit": bound, "fraction of limit reached": bound["total"] / ours}
        for peer, repeats in (("mambapy", 3), ("transformers", 1)):
            if peer == "transformers" and arguments.skip_transformers:
                continue
            theirs, peak = measure(peer, length, repeats)
            row[peer] = {"seconds": theirs, "times slower": theirs / ours, "peak bytes": peak, "memory": memory / peak}
        rows.append(row)
        if not arguments.json:
            print(f"length {length}, {row['kernels']}: {ours * 1e3:.1f} ms, {memory / 2**20:.0f} MiB at the peak")
            parts = ", ".join(f"{name} {seconds * 1e3:.1f}" for name, seconds in bound.items())
            print(f"  arithmetic limit (ms): {parts}; fraction reached {row['fraction of limit reached']:.2f}")
            for peer in ("mambapy", "transformers"):
                if peer in row:
                    r = row[peer]
                    print(
                        f"  {peer}: {r['seconds']:.2f} s, {r['times slower']:.1f} times slower; "
                        f"{r['peak bytes'] / 2**20:.0f} MiB, our peak is {r['memory']:.2f} of it"
                    )
    if arguments.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
