"""LSTM, GRU and Elman, forward and backward, against PyTorch's own layers: ratios in one run, one thread.

python benchmarks/models_recurrent.py [--json] [--lengths 100 400] [--widths 32 64 128 256] [--batch 64]

The limit is the layer's multiply-adds (two products forward, four backward) at the rate of a product that stays in the
cache, measured at the start: a fraction above 1 says that the machine was busier then. What is counted is the
processor's time, which other programs on the machine disturb least.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from separatrix import ops
from separatrix.models.elman import ElmanMixer
from separatrix.models.gru import GRUMixer
from separatrix.models.lstm import LSTMMixer

MIXERS: dict[str, Any] = {"lstm": LSTMMixer, "gru": GRUMixer, "elman": ElmanMixer}


def alternate(first: Callable[[], Any], second: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """The shortest time of each, measured in turns so that both meet the same disturbances."""
    first(), second()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for place, run in zip(seconds, (first, second), strict=True):
            start = time.process_time()
            run()
            place.append(time.process_time() - start)
    return min(seconds[0]), min(seconds[1])


def arithmetic_rate() -> float:
    """Operations a second (a multiply-add is two) of the fastest product we know: an Elman layer of one token.

    Its two products of (batch, width) with (width, width) stay in the cache, and nearly nothing else is done.
    """
    batch, width = 768, 128
    layer, x = ElmanMixer(width, "relu"), torch.randn(batch, 1, width)
    with torch.no_grad():
        times = alternate(lambda: layer.native(x, layer.start(x)), lambda: torch.mm(x[:, 0], x[:width, 0]), 200)
    return max(4 * batch * width**2 / times[0], 2 * batch * width**2 / times[1])


def compare(layer: Any, batch: int, length: int, width: int) -> tuple[float, float]:
    """Seconds of a forward and backward pass by our kernel, and by PyTorch's."""
    x = torch.randn(batch, length, width, requires_grad=True)
    grad = torch.randn(batch, length, width)

    def train(run: Callable[[Tensor], Any]) -> None:
        x.grad = None
        layer.zero_grad(set_to_none=True)
        run(x)[0].backward(grad)

    def ours() -> None:
        train(lambda x: layer.native(x, layer.start(x)))

    return alternate(ours, lambda: train(layer.cell), 7 if length * width > 20000 else 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lengths", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128, 256])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows, rate = [], arithmetic_rate()
    if not arguments.json:
        print(f"{ops.backend()}; products at {rate / 1e9:.0f} GFLOP/s")
    for length in arguments.lengths:
        for width in arguments.widths:
            for name, mixer in MIXERS.items():
                layer = mixer(width)
                mine, other = compare(layer, arguments.batch, length, width)
                weights = sum(weight.numel() for weight in layer.parameters() if weight.ndim == 2)
                bound = 6 * arguments.batch * length * weights / rate
                rows.append({
                    "model": name, "length": length, "width": width, "ms": mine * 1e3, "PyTorch ms": other * 1e3,
                    "ratio": other / mine, "limit ms": bound * 1e3, "fraction of limit": bound / mine,
                    "PyTorch's fraction": bound / other,
                })  # fmt: skip
                if not arguments.json:
                    row = rows[-1]
                    text = f"{row['ms']:8.1f} ms, PyTorch {row['PyTorch ms']:8.1f} ms, ratio {row['ratio']:.2f}"
                    theirs = row["PyTorch's fraction"]
                    reached = f"{row['fraction of limit']:.2f} of the limit, PyTorch {theirs:.2f}"
                    print(f"{name:6} N {length:4} width {width:4}: {text}; {reached}", flush=True)
    if arguments.json:
        print(json.dumps({"kernels": ops.backend(), "GFLOP/s": rate / 1e9, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
