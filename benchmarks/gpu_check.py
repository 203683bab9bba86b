"""Everything on a GPU: forms agree with the CPU's, a trial of each family trains, and what a training step takes.

    python benchmarks/gpu_check.py [forms] [trials] [times] [mqar] [--json FILE] [--models NAME ...]

At most ten minutes. flash-linear-attention's kernels, where installed, choose their settings on first use, which takes
minutes of that; they keep the choice. Goes on after what fails, and ends with a line for each failure and status 1.
Without such a device it says so in one line, and fails. `--device cpu` tries the script itself.
"""

from __future__ import annotations

import argparse
import copy
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from streams import cell
from torch import Tensor

import separatrix as sx
from separatrix import models
from separatrix.experiments.engines.base import Resources
from separatrix.experiments.engines.local import LocalEngine
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.ops import fla

NEAR = {torch.float32: 2e-3, torch.bfloat16: 0.1}
"""Relative error allowed beside float32 on the CPU with the same weights: TF32 may be at work, and bfloat16 is."""
FORMATS = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
SHARE = 0.25
"""Of the GPU, that a trial asks for."""

PARTS = ("forms", "trials", "times", "mqar")
Row = dict[str, Any]


def forms(job: tuple[str, torch.dtype], device: str) -> Row:
    """Relative errors of logits, of those after a prefill in two pieces, and of the gradients."""
    (name, dtype), row = job, {"model": job[0], "format": FORMATS[job[1]]}
    torch.set_num_threads(1)
    torch.manual_seed(0)
    task = sx.tasks.create("index-lookup", length=96, alphabet=16)
    batch = task.sample(8, torch.Generator().manual_seed(0), queries=8)
    there = models.create(name, task, width=64).to(device, dtype)
    here = copy.deepcopy(there).to("cpu", torch.float32)
    ours, wanted = results(there, batch.to(torch.device(device))), results(here, batch)
    row |= {what: float((ours[what] - wanted[what]).norm() / wanted[what].norm()) for what in wanted}
    if not all(row[what] < NEAR[dtype] for what in wanted):
        raise ValueError(f"differs from the CPU: {row}")
    return row


def results(model: models.SequenceModel, batch: Any) -> dict[str, Tensor]:
    logits = model(batch.context, batch.queries)
    state = model.prefill(batch.context[:, 41:], model.prefill(batch.context[:, :41]), start=41)
    pieces = model.decode(state, batch.queries)
    F.cross_entropy(logits.float().flatten(0, 1), batch.targets.flatten()).backward()
    gradients = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    parts = {"logits": logits, "pieces": pieces, "gradients": gradients}
    return {what: part.detach().float().cpu() for what, part in parts.items()}


def trials(names: list[str], device: str, steps: int) -> list[Row]:
    """A short trial of each family, four at a time on one GPU."""
    task = {"name": "index-lookup", "length": 16, "alphabet": 4}
    configs = [
        TrialConfig(task=task, model={"name": name, "width": 32}, training={"steps": steps, "queries": 8})
        for name in names
    ]
    engine = LocalEngine(resources=Resources(1.0, 0.0 if device == "cpu" else SHARE))
    with tempfile.TemporaryDirectory() as folder:
        found = engine.run(Store(folder), configs)
    return [
        {"model": name, "status": result.status}
        | ({"failed": result.error} if result.status == "failed" else {})
        | ({"accuracy": result.test.accuracy} if result.test else {})
        for name, result in zip(names, found, strict=True)
    ]


def step_ms(name: str, device: str, dtype: torch.dtype, length: int, fused: bool) -> tuple[float, bool]:
    """The fastest of several training steps, forward and backward, width 256, batch 32; `fused`: with fla's kernels.

    And whether any of its kernels ran.
    """
    torch.manual_seed(0)
    task = sx.tasks.create("index-lookup", length=length, alphabet=64)
    batch = task.sample(32, torch.Generator().manual_seed(0), queries=64).to(torch.device(device))
    model = models.create(name, task, width=256).to(device)
    seconds: list[float] = []
    kernel, given = fla.kernel, []

    def noted(module: str, function: str) -> Callable[..., Any] | None:
        given.append(kernel(module, function) if fused else None)
        return given[-1]

    try:
        fla.kernel = noted  # type: ignore[assignment]
        while len(seconds) < 4 or (len(seconds) < 20 and sum(seconds[1:]) < 0.4):
            wait(device)
            start = time.perf_counter()
            with torch.autocast(device, dtype, enabled=dtype != torch.float32):
                logits = model(batch.context, batch.queries)
            F.cross_entropy(logits.float().flatten(0, 1), batch.targets.flatten()).backward()
            wait(device)
            seconds.append(time.perf_counter() - start)
    finally:
        fla.kernel = kernel
    return 1e3 * min(seconds), any(given)


def wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def times(name: str, device: str, length: int) -> Row:
    """Milliseconds a step, with flash-linear-attention's kernels where they are installed and used, and without."""
    row: Row = {"model": name}
    for dtype, called in FORMATS.items():
        row[f"{called} ms"], _ = step_ms(name, device, dtype, length, fused=False)
        fused, ran = step_ms(name, device, dtype, length, fused=True)
        if ran:
            row[f"{called} ms with fla"] = fused
    return row


def tried(action: Callable[[Any], Row], job: Any) -> Row:
    """What it gives, or a row that says what went wrong."""
    try:
        return action(job)
    except Exception as error:
        name, *rest = job if isinstance(job, tuple) else (job,)
        return {"model": name, "format": "".join(FORMATS[part] for part in rest), "failed": f"{error}"[:600]}


def compared(names: list[str], device: str, workers: int) -> Iterator[Row]:
    """`forms` of every family in both formats, in processes of their own."""
    jobs = [(name, dtype) for name in names for dtype in NEAR]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(partial(tried, partial(forms, device=device)), jobs)


def show(what: str, row: Row) -> Row:
    shown = "  ".join(f"{k} {v:.3g}" if isinstance(v, float) else str(v) for k, v in row.items())
    print(f"{what}  {shown}", flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", type=Path, help="write all rows here")
    parser.add_argument("--quick", action="store_true", help="shorter lengths and trials, and no mqar")
    parser.add_argument("--steps", type=int, default=400, help="of a trial")
    parser.add_argument("--models", nargs="+", default=models.names())
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    asked = parser.parse_args()
    if asked.device != "cpu" and not torch.cuda.is_available():
        sys.exit("gpu_check: no CUDA device here, so nothing was checked and nothing measured")
    where = asked.device if asked.device == "cpu" else torch.cuda.get_device_name()
    print(f"{where}, PyTorch {torch.__version__}, flash-linear-attention {'installed' if fla.found() else 'absent'}")
    length = 32 if asked.quick else 512
    timed = partial(tried, partial(times, device=asked.device, length=length))
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "forms": lambda: compared(asked.models, asked.device, asked.workers),
        "trials": lambda: iter(trials(asked.models, asked.device, 20 if asked.quick else asked.steps)),
        "times": lambda: map(timed, asked.models),
        "mqar": lambda: (cell(seed, asked.device) for seed in (() if asked.quick else (0, 1))),
    }
    answers: dict[str, Any] = {"device": where, "torch": torch.__version__}
    failed = []
    for part in asked.parts or PARTS:
        answers[part] = [show(part, row) for row in parts[part]()]
        failed += [f"{part} {row['model']}: {row['failed']}" for row in answers[part] if "failed" in row]
        if asked.json:
            asked.json.write_text(json.dumps(answers, indent=2))
    sys.exit("\n".join(f"gpu_check: {line}" for line in failed) or None)


if __name__ == "__main__":
    main()
