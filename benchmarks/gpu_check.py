"""Everything on a GPU: forms agree with the CPU's, a trial of each family trains, and what a training step takes.

    python benchmarks/gpu_check.py [--device cuda] [--json] [--quick]    (or: make gpu-check)

At most ten minutes. Says so in one line, and fails, without such a device. `--device cpu` tries the script itself.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
import time
from typing import Any

import torch
import torch.nn.functional as F
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


def forms(name: str, device: str, dtype: torch.dtype) -> dict[str, float]:
    """Relative errors of logits, of those after a prefill in two pieces, and of the gradients."""
    torch.manual_seed(0)
    task = sx.tasks.create("index-lookup", length=96, alphabet=16)
    batch = task.sample(8, torch.Generator().manual_seed(0), queries=8)
    there = models.create(name, task, width=64).to(device, dtype)
    here = copy.deepcopy(there).to("cpu", torch.float32)
    ours, wanted = results(there, batch.to(torch.device(device))), results(here, batch)
    errors = {what: float((ours[what] - wanted[what]).norm() / wanted[what].norm()) for what in wanted}
    if not all(error < NEAR[dtype] for error in errors.values()):
        raise SystemExit(f"gpu_check: {name} in {dtype} differs from the CPU: {errors}")
    return errors


def results(model: models.SequenceModel, batch: Any) -> dict[str, Tensor]:
    logits = model(batch.context, batch.queries)
    state = model.prefill(batch.context[:, 41:], model.prefill(batch.context[:, :41]), start=41)
    pieces = model.decode(state, batch.queries)
    F.cross_entropy(logits.float().flatten(0, 1), batch.targets.flatten()).backward()
    gradients = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    parts = {"logits": logits, "pieces": pieces, "gradients": gradients}
    return {what: part.detach().float().cpu() for what, part in parts.items()}


def trials(names: list[str], device: str, steps: int) -> list[dict[str, Any]]:
    """A short trial of each family, four at a time on one GPU."""
    task = {"name": "index-lookup", "length": 16, "alphabet": 4}
    configs = [
        TrialConfig(task=task, model={"name": name, "width": 32}, training={"steps": steps, "queries": 8})
        for name in names
    ]
    engine = LocalEngine(resources=Resources(1.0, 0.0 if device == "cpu" else 0.25))
    with tempfile.TemporaryDirectory() as folder:
        found = engine.run(Store(folder), configs)
    for result in found:
        if result.status == "failed":
            raise SystemExit(f"gpu_check: {result.label}: {result.error}")
    return [
        {"model": name, "status": result.status, "accuracy": result.test.accuracy if result.test else None}
        for name, result in zip(names, found, strict=True)
    ]


def step_ms(name: str, device: str, dtype: torch.dtype, length: int) -> float:
    """The fastest of several training steps, forward and backward, width 256, batch 32."""
    torch.manual_seed(0)
    task = sx.tasks.create("index-lookup", length=length, alphabet=64)
    batch = task.sample(32, torch.Generator().manual_seed(0), queries=64).to(torch.device(device))
    model = models.create(name, task, width=256).to(device)
    seconds = []
    for _ in range(8):
        wait(device)
        start = time.perf_counter()
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            logits = model(batch.context, batch.queries)
        F.cross_entropy(logits.float().flatten(0, 1), batch.targets.flatten()).backward()
        wait(device)
        seconds.append(time.perf_counter() - start)
    return 1e3 * min(seconds)


def wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def times(name: str, device: str, length: int) -> dict[str, Any]:
    """Milliseconds a step, with flash-linear-attention's kernels where they are installed and without them."""
    row: dict[str, Any] = {"model": name}
    for dtype in (torch.float32, torch.bfloat16):
        row[f"{dtype} ms"] = step_ms(name, device, dtype, length)
        used, fla.kernel = fla.kernel, lambda module, function: None  # type: ignore[assignment]
        row[f"{dtype} ms, PyTorch forms"] = step_ms(name, device, dtype, length)
        fla.kernel = used
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="shorter lengths and trials")
    options = parser.parse_args()
    if options.device != "cpu" and not torch.cuda.is_available():
        sys.exit("gpu_check: no CUDA device here, so nothing was checked and nothing measured")
    names, answers = models.names(), {}
    answers["forms"] = [
        {"model": name, "format": str(dtype), **forms(name, options.device, dtype)} for name in names for dtype in NEAR
    ]
    answers["trials"] = trials(names, options.device, 20 if options.quick else 400)
    answers["times"] = [times(name, options.device, 32 if options.quick else 512) for name in names]
    if options.json:
        print(json.dumps(answers, indent=2))
        return
    for what, rows in answers.items():
        print(what)
        for row in rows:
            print("  " + "  ".join(f"{k} {v:.3g}" if isinstance(v, float) else str(v) for k, v in row.items()))


if __name__ == "__main__":
    main()
