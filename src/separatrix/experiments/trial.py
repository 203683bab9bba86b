"""One trial: configuration in, result out, through a store, resumed from its checkpoint where there is one."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from typing import Any

import torch

from separatrix.experiments.checkpoint import weights_sha256
from separatrix.experiments.config import TrialConfig
from separatrix.experiments.environment import environment
from separatrix.experiments.result import Measurement, Result
from separatrix.experiments.store import Store
from separatrix.experiments.trainer import NotFinite, Trainer
from separatrix.models import parameter_count, state_bits, state_numbers
from separatrix.tasks.streams import stream

Watch = Callable[[], None]
"""Called after every validation; may raise to abandon the trial, whose checkpoint stays."""


def run_trial(
    store: Store, config: TrialConfig, device: torch.device | str = "cpu", watch: Watch | None = None
) -> Result:
    """Run a trial to its end, or return its stored result. Raises Busy when another process is running it.

    A trial that raises or whose loss stops being finite gets a result of status "failed" with its error.
    """
    identity = config.identity()
    if (stored := store.result(identity)) is not None:
        return stored
    with store.claim(config) as path:
        if (stored := store.result(identity)) is not None:
            return stored
        try:
            result = _train(store, path, config, torch.device(device), watch)
        except (NotFinite, RuntimeError, ValueError) as error:
            result = Result(
                identity=identity,
                config=config.model_dump(mode="json"),
                status="failed",
                error=f"{type(error).__name__}: {error}",
                environment=environment(device),
            )
        store.write_result(result)
        return result


def _train(store: Store, path: str, config: TrialConfig, device: torch.device, watch: Watch | None) -> Result:
    trainer = Trainer(config, device)
    if (checkpoint := store.read(f"{path}/checkpoint.safetensors")) is not None:
        trainer.resume(checkpoint)
    for measured in trainer.run():
        store.write(f"{path}/checkpoint.safetensors", trainer.checkpoint())
        store.write(f"{path}/progress.json", _progress(trainer, measured))
        if watch:
            watch()
    test = trainer.test()
    store.write(f"{path}/history.parquet", _parquet(trainer.progress.history))
    return _result(trainer, test)


def _progress(trainer: Trainer, measured: Measurement) -> bytes:
    state = {
        "step": trainer.progress.step,
        "steps": trainer.training.steps,
        "accuracy": measured.accuracy,
        "loss_bits": measured.loss_bits,
        "time": time.time(),
    }
    return json.dumps(state).encode()


def _parquet(history: list[dict[str, float | int]]) -> bytes:
    import polars as pl  # noqa: PLC0415  # only the end of a trial needs it

    buffer = io.BytesIO()
    pl.DataFrame(history).write_parquet(buffer)
    return buffer.getvalue()


def _result(trainer: Trainer, test: Measurement) -> Result:
    config, task, progress = trainer.config, trainer.task, trainer.progress
    with torch.no_grad():
        example = task.sample(1, stream(config.seed, "test", 0)).to(trainer.device)
        state = trainer.model.prefill(example.context)
    status: Any = progress.stopped
    return Result(
        identity=config.identity(),
        config=config.model_dump(mode="json"),
        status=status,
        test=test,
        steps=progress.step,
        tokens=progress.tokens,
        parameters=parameter_count(trainer.model),
        state_numbers=state_numbers(state),
        state_bits=state_bits(state),
        recurrent_bits=task.recurrent_bits(),
        attention_bits=task.attention_bits(),
        accuracy_ceiling=task.accuracy_ceiling(state_bits(state)),
        weights_sha256=weights_sha256(trainer.model),
        seconds=round(progress.seconds, 3),
        environment=environment(trainer.device),
    )
