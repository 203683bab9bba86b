"""How fast an architecture reads, trains and answers, beside a baseline timed in turn with it in the same run.

On a processor the ratios are of processor time, which other work on the machine hardly disturbs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from separatrix.experiments.card.card import Speed, SpeedAt, Timing
from separatrix.experiments.engines.process import one_thread
from separatrix.experiments.trial.config import TrialConfig
from separatrix.models import SequenceModel, architecture, initialised
from separatrix.models.own import keeps_whole_past
from separatrix.tasks.base import context_task
from separatrix.tasks.randomness import stream

BASELINE: dict[str, Any] = {"name": "lstm", "layers": 1, "width": 64}
LENGTHS = (128, 512)
BATCH = 8
REPEATS = 7


class Spent(NamedTuple):
    """Seconds by the clock, and seconds of work: the processor's, where that is what works."""

    seconds: float
    worked: float


def measure_speed(model: dict[str, Any], seconds: float, device: torch.device | str = "cpu") -> Speed:
    """Time a model configuration on index lookup, one thread, lengths ascending until `seconds` would be exceeded."""
    found: list[SpeedAt] = []
    why = None
    budget = time.perf_counter() + seconds
    with one_thread():
        for length in LENGTHS:
            begun = time.perf_counter()
            try:
                found.append(_speed_at(model, length, budget, torch.device(device)))
            except (RuntimeError, ValueError) as error:
                why = f"it failed on contexts of {length} tokens ({error})"
                break
            taken = time.perf_counter() - begun
            if length != LENGTHS[-1] and time.perf_counter() + taken * (LENGTHS[-1] / length) ** 2 / REPEATS > budget:
                why = f"longer contexts than {length} do not fit into the {seconds:.0f} s for timing"
                break
    return Speed(
        baseline=f"{BASELINE['name']}-({BASELINE['layers']}, {BASELINE['width']})",
        batch_size=BATCH,
        threads=1,
        device=torch.device(device).type,
        at=found,
        why=why,
    )


def _speed_at(model: dict[str, Any], length: int, budget: float, device: torch.device) -> SpeedAt:
    jobs = [_jobs(settings, length, device) for settings in (model, BASELINE)]
    times: dict[str, tuple[list[Spent], list[Spent]]] = {}
    for kind in jobs[0]:
        for job in jobs:
            job[kind]()  # the first call pays for set-up
        own: list[Spent] = []
        base: list[Spent] = []
        while len(own) < REPEATS and (len(own) < 2 or time.perf_counter() < budget):
            for job, kept in zip(jobs, (own, base), strict=True):
                kept.append(_timed(job[kind], device))
        times[kind] = own, base
    tokens = BATCH * length
    return SpeedAt(
        length=length,
        prefill=_rate(*times["prefill"], tokens),
        training=_rate(*times["training"], tokens),
        decode=_latency(*times["decode"]),
    )


def _jobs(settings: dict[str, Any], length: int, device: torch.device) -> dict[str, Callable[[], Any]]:
    config = TrialConfig(task={"name": "index-lookup", "length": length, "alphabet": 16}, model=settings)
    model = initialised(architecture(config.model.name), config.task, config.model, seed=0).to(device)
    batch = context_task(config.task).sample(BATCH, stream(0, "train"), queries=1).to(device)
    with torch.no_grad():
        state = model.prefill(batch.context[:1])

    def ask() -> None:
        model(batch.context, batch.queries)

    def read() -> None:
        model.prefill(batch.context)

    def train() -> None:
        model.zero_grad(set_to_none=True)
        logits = model(batch.context, batch.queries)
        F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten()).backward()

    return {
        "prefill": torch.no_grad()(ask if keeps_whole_past(model) else read),
        "training": train,
        "decode": torch.no_grad()(lambda: _decode(model, state, batch.queries[:1])),
    }


def _decode(model: SequenceModel, state: Any, queries: torch.Tensor) -> torch.Tensor:
    return model.decode(state, queries)


def _timed(job: Callable[[], Any], device: torch.device) -> Spent:
    begun, busy = time.perf_counter(), time.process_time()
    job()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - begun
    return Spent(seconds, time.process_time() - busy if device.type == "cpu" else seconds)


def _rate(own: list[Spent], base: list[Spent], tokens: int) -> Timing:
    speeds = [tokens / spent.seconds for spent in own]
    return Timing(
        value=round(median(speeds)),
        low=round(min(speeds)),
        high=round(max(speeds)),
        ratio=_ratio(own, base),
        repeats=len(own),
    )


def _latency(own: list[Spent], base: list[Spent]) -> Timing:
    seconds = [spent.seconds for spent in own]
    return Timing(value=median(seconds), low=min(seconds), high=max(seconds), ratio=_ratio(own, base), repeats=len(own))


def _ratio(own: list[Spent], base: list[Spent]) -> float:
    return round(median(spent.worked for spent in base) / median(spent.worked for spent in own), 4)
