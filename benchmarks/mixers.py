"""A mixer's scan of a whole sequence against its own steps, token by token: forward and backward, one thread.

    python benchmarks/mixers.py [--json] [--length 400] [--width 64] [--batch 16] [NAMES]

A name may carry whole numbers for its options: mamba3,rank=4.
What is counted is the processor's time, which other programs on the machine disturb least.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch

from separatrix import models
from separatrix.models.mixer import Mixer
from separatrix.tasks import create

NAMES = ["deltanet", "deltaproduct", "kda", "rwkv7", "hgrn2", "gated-convolution", "rg-lru", "mingru", "minlstm",
         "based", "forgetting", "mla", "ttt", "titans", "rwkv6", "mamba3", "mamba3,rank=4", "h3", "hyena", "log-linear",
         "gla//attention"]  # fmt: skip


def passes(layer: Mixer, x: torch.Tensor) -> tuple[Callable[[], None], Callable[[], None]]:
    """Forward and backward at once, and token by token."""

    def scan() -> None:
        layer.scan(x)[0].sum().backward()

    def steps() -> None:
        y, state = layer.scan(x[:, :1])
        outputs = [y[:, 0]]
        for t in range(1, x.shape[1]):
            y, state = layer.step(state, x[:, t])
            outputs.append(y)
        torch.stack(outputs, dim=1).sum().backward()

    return scan, steps


def best(run: Callable[[], None], repeats: int) -> float:
    """Seconds of the fastest of several runs, after one that is not counted."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--length", type=int, default=400)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = create("index-lookup", length=arguments.length, alphabet=8)
    rows = []
    for name in arguments.names:
        torch.manual_seed(0)
        mixer, *fields = name.split(",")
        options = {field: int(number) for field, number in (each.split("=") for each in fields)}
        layer = models.create(mixer, task, width=arguments.width, **options).blocks[0].mixer
        scan, steps = passes(layer, torch.randn(arguments.batch, arguments.length, arguments.width, requires_grad=True))
        fast, slow = best(scan, 5), best(steps, 1)
        rows.append({"mixer": name, "ms": fast * 1e3, "steps ms": slow * 1e3, "times faster": slow / fast})
        if not arguments.json:
            print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else v for k, v in rows[-1].items()), flush=True)
    if arguments.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
