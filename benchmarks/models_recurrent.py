"""LSTM, GRU and Elman, forward and backward, against PyTorch's own layers: ratios in one run, one thread.

python benchmarks/models_recurrent.py [--json] [--lengths 100 400] [--widths 32 64 128 256] [--batch 64]
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
            start = time.perf_counter()
            run()
            place.append(time.perf_counter() - start)
    return min(seconds[0]), min(seconds[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lengths", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128, 256])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for length in arguments.lengths:
        for width in arguments.widths:
            for name, mixer in MIXERS.items():
                layer = mixer(width)
                x = torch.randn(arguments.batch, length, width, requires_grad=True)

                def ours(layer: Any = layer, x: Tensor = x) -> None:
                    layer.native(x, layer.start(x))[0].sum().backward()

                def theirs(layer: Any = layer, x: Tensor = x) -> None:
                    layer.cell(x)[0].sum().backward()

                mine, other = alternate(ours, theirs, 5 if length * width > 20000 else 15)
                times = {"ms": mine * 1e3, "PyTorch ms": other * 1e3, "ratio": other / mine}
                chosen = "native" if layer.suits(x) else "PyTorch"
                rows.append({"model": name, "length": length, "width": width, **times, "chosen": chosen})
                if not arguments.json:
                    row = rows[-1]
                    text = f"{row['ms']:8.1f} ms, PyTorch {row['PyTorch ms']:8.1f} ms, ratio {row['ratio']:.2f}"
                    print(f"{name:6} N {length:4} width {width:4}: {text}, uses {row['chosen']}")
    if arguments.json:
        print(json.dumps({"kernels": ops.backend(), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
