"""One trial: configuration in, result out, through a store, resumed from its checkpoint where there is one."""

from __future__ import annotations

import io
import json
import os
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from separatrix.errors import InputError
from separatrix.experiments.store.folder import CHECKPOINT, HISTORY, RESULT, Store, folder_of
from separatrix.experiments.trial.config import TrialConfig, trial_config
from separatrix.experiments.trial.ending import ending
from separatrix.experiments.trial.environment import environment
from separatrix.experiments.trial.result import Measurement, Result
from separatrix.experiments.trial.seal import Damaged
from separatrix.experiments.trial.trainer import Trainer
from separatrix.machine import machine_failure
from separatrix.models import SequenceModel, parameter_count, state_bits, state_numbers
from separatrix.models.files import weights_sha256
from separatrix.notices import Notice
from separatrix.tasks.randomness import stream

Watch = Callable[[], None]
"""Called after every validation; may raise to abandon the trial, whose checkpoint stays."""


CHECKPOINT_SECONDS = "SEPARATRIX_CHECKPOINT_SECONDS"
"""The environment variable that says how many seconds of a trial's work an interruption may cost: 5 when it is not set.
A checkpoint is flushed to the disk, which can take as long as many steps."""


RECENT = 20
"""Validations that the last words of a running trial repeat, for who looks in only now and then."""


class TrialError(Exception):
    """A trial's own code raised, or gave numbers that are not finite. Its message is one line."""


def run_trial(
    store: Store,
    config: TrialConfig,
    device: torch.device | str = "cpu",
    watch: Watch | None = None,
    until: int | None = None,
) -> Result:
    """Run a trial to its end, or return its stored result.

    until: pause at the first validation from this step on; the result says "paused" then, and is not stored

    A trial that raises or whose loss stops being finite gets a result of status "failed" with its error, and a file
    `error.txt` with the traceback. Raises Busy when another process is running it, and InputError when the store
    cannot be written, or this machine failed (MachineFailure): then nothing is recorded, and the trial goes on from its
    checkpoint when it is run again. A damaged checkpoint or result is set aside, named, and computed again.

    >>> config = sx.experiments.TrialConfig(
    ...     task={"name": "parity", "length": 2},
    ...     model={"name": "gru", "width": 8},
    ...     training={"steps": 300, "learning_rate": 0.02, "validate_every": 50},
    ... )
    >>> result = sx.experiments.run_trial(sx.experiments.Store("runs/mine"), config)
    >>> result.status, result.test.accuracy, result.state_bits
    ('solved', 1.0, 256)
    """
    identity = config.identity()
    if (stored := store.result(identity)) is not None:
        return stored
    with store.claim(config) as path:
        if (stored := store.result(identity)) is not None:
            return stored
        store.set_aside(f"{path}/{RESULT}")  # there is none, or one that is damaged
        try:
            result = _train(store, path, config, torch.device(device), watch, until)
        except TrialError as error:
            store.write(f"{path}/error.txt", "".join(traceback.format_exception(error.__cause__)).encode())
            result = Result(
                identity=identity,
                config=config.model_dump(mode="json"),
                status="failed",
                error=str(error),
                environment=environment(device),
            )
        if result.status != "paused":
            store.write_result(result)
        return result


def _train(
    store: Store, path: str, config: TrialConfig, device: torch.device, watch: Watch | None, until: int | None
) -> Result:
    with _own_errors():
        trainer = Trainer(config, device)
    _resume(trainer, store, f"{path}/{CHECKPOINT}")
    validations = trainer.run()
    every, kept = float(os.environ.get(CHECKPOINT_SECONDS, "5")), time.monotonic()
    while not _paused(trainer, until) and (measured := _next(validations)) is not None:
        if trainer.progress.stopped or _paused(trainer, until) or time.monotonic() - kept >= every:
            store.write(f"{path}/{CHECKPOINT}", trainer.checkpoint())
            kept = time.monotonic()
        store.write(f"{path}/progress.json", _progress(trainer, measured), durable=False)
        if watch:
            watch()
    if _paused(trainer, until):
        data, step = config.model_dump(mode="json"), trainer.progress.step
        return Result(identity=config.identity(), config=data, status="paused", steps=step)
    with _own_errors():
        result = _result(trainer, trainer.test())
    store.write(f"{path}/{HISTORY}", _parquet(trainer.progress.history))
    return result


def _resume(trainer: Trainer, store: Store, path: str) -> None:
    """Go on from the checkpoint of a trial, or from the start where it has none that is whole."""
    try:
        if (checkpoint := store.read(path)) is not None:
            trainer.resume(checkpoint)
    except Damaged as error:
        store.set_aside(path, str(error))


def _paused(trainer: Trainer, until: int | None) -> bool:
    return until is not None and trainer.progress.step >= until and trainer.progress.stopped is None


def _next(validations: Iterator[Measurement]) -> Measurement | None:
    with _own_errors():
        return next(validations, None)


@contextmanager
def _own_errors() -> Iterator[None]:
    """Tells what a trial's own code raises from what the store and the watch do."""
    try:
        yield
    except Exception as error:
        if (failure := machine_failure(error)) is not None:
            raise failure from error
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        raise TrialError(" ".join(f"{kind}{error}".split())) from error


def _progress(trainer: Trainer, measured: Measurement) -> bytes:
    state = {
        "step": trainer.progress.step,
        "steps": trainer.training.steps,
        "accuracy": measured.accuracy,
        "loss_bits": measured.loss_bits,
        "time": time.time(),
        "recent": trainer.progress.history[-RECENT:],
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
        state = trainer.model.prefill(example.past)
    status: Any = progress.stopped
    return Result(
        identity=config.identity(),
        config=config.model_dump(mode="json"),
        status=status,
        ending=ending(status, progress.history, task.answers),
        test=test,
        steps=progress.step,
        tokens=progress.tokens,
        parameters=parameter_count(trainer.model),
        state_numbers=state_numbers(state),
        state_bits=state_bits(state),
        recurrent_bits=task.recurrent_bits(),
        attention_bits=task.attention_bits(),
        accuracy_ceiling=task.accuracy_ceiling(state_bits(state)),
        overlap=trainer.overlap(),
        weights_sha256=weights_sha256(trainer.model),
        seconds=round(progress.seconds, 3),
        environment=environment(trainer.device),
    )


def advice(identity: str) -> str:
    """What brings a trial's weights back: its stored result would stop a plain rerun."""
    return f"run its command again with --force {identity}"


def load_trained(store: Store, identity: str, device: torch.device | str = "cpu") -> SequenceModel:
    """The model of a trial with the weights its training ended with (or has reached).

    Raises InputError when there are none, Damaged when they are not what was written, and Untrusted when the model or
    the task stands in a Python file that the user has not named.

    >>> store = sx.experiments.Store("runs/mine")
    >>> config = sx.experiments.TrialConfig(
    ...     task={"name": "parity", "length": 4}, model={"name": "gru", "width": 4}, training={"steps": 5}
    ... )
    >>> result = sx.experiments.run_trial(store, config)
    >>> model = sx.experiments.load_trained(store, result.identity)
    >>> sx.models.parameter_count(model) == result.parameters
    True
    """
    place, again = folder_of(identity), advice(identity)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)  # what is left out is said once, below
        config, checkpoint = store.read_json(f"{place}/config.json"), store.checkpoint(identity)
    if config is None or checkpoint is None:
        why = store.left_out.get(f"{place}/{CHECKPOINT}")
        raise InputError(
            f"{store.url} has no trained model {identity!r}"
            + (f" that is whole ({why}): {again}" if why else ": see `separatrix report` for the identities")
        )
    trial = trial_config(config)
    if trial.identity() != identity:
        raise Damaged(f"{store.url}/{place}/config.json is that of trial {trial.identity()}: {again}")
    trainer = Trainer(trial, device)
    try:
        trainer.resume(checkpoint)
    except Damaged as error:
        raise Damaged(f"{store.url}/{place}/{CHECKPOINT} is damaged ({error}): {again}") from None
    result = store.result(identity)
    if result is not None and result.weights_sha256 not in (None, weights_sha256(trainer.model)):
        raise Damaged(f"{store.url}/{place}/{CHECKPOINT} has other weights than the result: {again}")
    return trainer.model.eval()
