"""Index lookup and its codes at full scale: wrong answers among millions, seconds, memory, the smallest formats.

Run: python benchmarks/constructions.py [--count 1000000] [--only answers] [--json]
Parts: certificate, forward, pairs, answers, precision. Times are of this process alone (CPU seconds, one thread) beside
those of the clock, since other work may be running.

All equal: one token in a context of equal ones, asked for it and all others. Nearest code: a drawn context in which all
positions one digit away from a place hold one token, and the place another. One flip: a drawn context with a place
changed. Of the last two the place and its nearest codes are asked for.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

import separatrix as sx
from separatrix.constructions import codes
from separatrix.constructions.check import check
from separatrix.constructions.rounding.precision import first_failure, growth
from separatrix.constructions.rounding.transformer import rounded
from separatrix.tasks.randomness import stream

LENGTH = 256
ROWS = 400


def timed(function: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """A result, with the processor's and the clock's seconds it took."""
    clock, processor = time.perf_counter(), time.process_time()
    result = function()
    return result, {"cpu_s": time.process_time() - processor, "clock_s": time.perf_counter() - clock}


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def certificate(count: int) -> Iterator[dict[str, Any]]:
    for name in ("bf16", "real"):
        sx.constructions.create("index-lookup", length=8, format=name)  # imports
        built, took = timed(lambda name=name: sx.constructions.create("index-lookup", length=2**60, format=name))
        yield {"what": f"certificate for N = 2^60, {name}", "margin": built.certificate.margin, **took}


def forward(count: int) -> Iterator[dict[str, Any]]:
    built = sx.constructions.create("index-lookup", length=2**20, alphabet=64, format="bf16")
    model, took = timed(lambda: built.model)
    yield {"what": "weights for N = 2^20, S = 64", "width": built.width, **took, "peak_gib": peak_gib()}
    for queries in (1, 64):
        batch = built.task.sample(1, stream(0, "test"), queries=queries)
        with torch.no_grad():
            logits, took = timed(lambda batch=batch: model(batch.context, batch.queries))
        wrong = int((logits.argmax(-1) != batch.targets).sum())
        yield {"what": f"forward pass, {queries} queries", "wrong": wrong, **took, "peak_gib": peak_gib()}
    verdict, took = timed(lambda: check(model, built.certificate))
    yield {"what": "check against the weights", "margin": verdict.margin, **took, "peak_gib": peak_gib()}


def pairs(count: int) -> Iterator[dict[str, Any]]:
    code = codes.create("jl", 2**16)
    signs = code.drawing(0)
    a, b, room = signs[:1024], signs[1024:2048].T, torch.empty(1024, 1024)
    torch.mm(a, b, out=room)  # warm
    _, one = timed(lambda: [torch.mm(a, b, out=room) for _ in range(100)])
    found, took = timed(lambda: codes.largest_cross(signs))
    products = 65 * 64 / 2  # blocks of 1024 x 1024 in the upper triangle, the diagonal included
    yield {
        "what": f"all pairs of 65,536 vectors of {code.width} signs",
        "largest": found.value,
        "guaranteed": code.cross,
        "share_of_matrix_product_speed": one["cpu_s"] / 100 * products / took["cpu_s"],
        **took,
    }


def hard(task: Any, generator: torch.Generator) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(kind, context, queries)"""
    n, digits = task.length, (task.length - 1).bit_length()
    everywhere = torch.arange(n).expand(ROWS, n)
    drawn = torch.randint(task.alphabet, (ROWS, n), generator=generator)
    yield "drawn", drawn, everywhere
    one = torch.randint(n, (ROWS, 1), generator=generator)
    token = torch.randint(task.alphabet, (ROWS, 1), generator=generator)
    other = (token + torch.randint(1, task.alphabet, (ROWS, 1), generator=generator)) % task.alphabet
    yield "all equal", other.expand(ROWS, n).scatter(1, one, token), everywhere
    for kind in ("nearest code", "one flip"):
        for _ in range(n // (digits + 1) + 1):
            place = torch.randint(n, (ROWS, 1), generator=generator)
            near = place ^ 1 << torch.arange(digits)
            context = torch.randint(task.alphabet, (ROWS, n), generator=generator)
            if kind == "nearest code":
                context.scatter_(1, near, other.expand(ROWS, digits)).scatter_(1, place, token)
            else:
                context.scatter_(1, place, (context.gather(1, place) + 1) % task.alphabet)
            yield kind, context, torch.cat([place, near], dim=1)


def answers(count: int) -> Iterator[dict[str, Any]]:
    for name, evaluated in (("fp32", "float32"), ("bf16", "PyTorch's bfloat16"), ("bf16", "every result rounded")):
        built = sx.constructions.create("index-lookup", length=LENGTH, alphabet=64, format=name)
        model = built.model
        evaluate: Callable[..., Tensor] = model
        if evaluated == "PyTorch's bfloat16":
            evaluate = model.to(torch.bfloat16)
        elif evaluated == "every result rounded":
            evaluate = rounded(model, name).forward
        begun, found = time.process_time(), {}
        for index in range(-(-count // (ROWS * LENGTH))):
            for kind, context, queries in hard(built.task, stream(0, "test", index)):
                with torch.no_grad():
                    said = evaluate(context, queries).argmax(dim=-1)
                entry = found.setdefault(kind, {"inputs": 0, "wrong": 0})
                entry["inputs"] += queries.numel()
                entry["wrong"] += int((said != built.task.answer(context, queries)).sum())
        yield {"what": f"N = {LENGTH}, {evaluated}", **found, "cpu_s": time.process_time() - begun}


def precision(count: int) -> Iterator[dict[str, Any]]:
    for name in ("e5m2", "e4m3", "fp16", "bf16"):
        found, took = timed(lambda name=name: first_failure("index-lookup", name, alphabet=64))
        yield {"what": f"{name}: proved up to", "length": found.certified, "fails_at": found.length, **took}
    for family in ("fixed", "float"):
        rows, took = timed(lambda family=family: growth("index-lookup", [2**e for e in (5, 10, 20, 40, 60)], family))
        yield {"what": f"smallest {family}", "formats": {row["length"]: row["format"] for row in rows}, **took}


PARTS = {each.__name__: each for each in (certificate, forward, pairs, answers, precision)}


def main() -> None:
    torch.set_num_threads(1)
    arguments = sys.argv[1:]
    count = int(arguments[arguments.index("--count") + 1]) if "--count" in arguments else 1_000_000
    only = arguments[arguments.index("--only") + 1] if "--only" in arguments else ""
    for name, part in PARTS.items():
        for row in part(count) if only in name else ():
            words = ", ".join(
                f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
            )
            print(
                json.dumps({"part": name, **row}) if "--json" in arguments else words.removeprefix("what "), flush=True
            )


if __name__ == "__main__":
    main()
