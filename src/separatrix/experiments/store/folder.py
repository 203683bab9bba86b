"""The store: one folder per trial, at any fsspec URL; whole files only, so that many processes may write at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from separatrix.errors import InputError
from separatrix.experiments.store.files import Files
from separatrix.experiments.store.records import checked, record_of, recorded
from separatrix.experiments.trial.result import Result
from separatrix.experiments.trial.seal import Damaged, parse_object, read_stamped, seal, unseal
from separatrix.notices import notice

if TYPE_CHECKING:  # reading a store takes neither torch nor models
    from collections.abc import Sequence

    import polars as pl

    from separatrix.experiments.trial.config import TrialConfig

IDENTITY = 16
"""Hex digits of an identity. Folders of other names are not trials."""

CHECKPOINT, RESULT, HISTORY = "checkpoint.safetensors", "result.json", "history.parquet"


class Busy(Exception):
    """Another process is running this trial now."""


class Store(Files):
    """Trials at `url` (a folder, or any fsspec URL), in `trials/<identity>/`.

    `config.json`, `checkpoint.safetensors`, `progress.json`, `history.parquet` and, written last and atomically,
    `result.json`: a trial with one is finished. Checkpoints and results carry the hash of their content and say whose
    they are. One that is damaged counts as missing, and a notice names it, once: see `left_out`.
    Raises InputError when the place cannot be written, or holds a store of another format.

    >>> store = sx.experiments.Store("runs/mine")
    >>> store.identities(), store.results()
    ([], [])
    """

    # what a trial has ------------------------------------------------------------------------------------------------
    def identities(self) -> list[str]:
        """The identities of all trials, finished or not."""
        return [name for name in self.names("trials") if is_identity(name)]

    def result(self, identity: str) -> Result | None:
        """A finished trial's result, or None."""
        record = next(self._records([identity]), None)
        return None if record is None else recorded(record)

    def results(self) -> list[Result]:
        """All finished trials' results."""
        return [recorded(record) for record in self.records()]

    def records(self) -> Iterator[dict[str, Any]]:
        """All finished trials' results as they are written: JSON, with the `fingerprint` among the fields."""
        return self._records(self.identities())

    def _records(self, identities: Sequence[str]) -> Iterator[dict[str, Any]]:
        paths = [f"{folder_of(identity)}/{RESULT}" for identity in identities]
        for identity, path, data in zip(identities, paths, self.read_all(paths), strict=True):
            if data is not None:
                with self.leaving_out(path):
                    yield checked(data, identity)

    def write_result(self, result: Result) -> None:
        """Finish a trial."""
        path = folder_of(result.identity)
        history = self.read(f"{path}/{HISTORY}")
        self.write(f"{path}/{RESULT}", record_of(result, history))

    def checkpoint(self, identity: str) -> bytes | None:
        """A trial's checkpoint, checked against its hash and its identity, or None."""
        path = f"{folder_of(identity)}/{CHECKPOINT}"
        with self.leaving_out(path):
            if (data := self.read(path)) is not None:
                read_stamped(data, identity)
                return data
        return None

    def history(self, identity: str) -> pl.DataFrame | None:
        """A finished trial's history: step, train_loss_bits, accuracy, loss_bits, learning_rate. Otherwise None."""
        from separatrix.experiments.store.records import read_history  # noqa: PLC0415  # Polars takes half a second

        path = f"{folder_of(identity)}/{HISTORY}"
        with self.leaving_out(path, "delete it, and the trial has no curve over training"):
            if (data := self.read(path)) is not None:
                return read_history(data, self.read(f"{folder_of(identity)}/{RESULT}"))
        return None

    def progress(self, identity: str) -> dict[str, Any] | None:
        """The last words of a running trial: step, steps, accuracy, loss_bits, time. None before its first ones."""
        return self.progress_of([identity]).get(identity)

    def progress_of(self, identities: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The last words of each of many trials that has said any, read together."""
        paths = [f"{folder_of(identity)}/progress.json" for identity in identities]
        words: dict[str, dict[str, Any]] = {}
        for identity, data in zip(identities, self.read_all(paths), strict=True):
            with suppress(Damaged):  # they are not flushed to the disk, and a power cut may have taken them
                said = {} if data is None else parse_object(data)
                if all(isinstance(said.get(name), int | float) for name in ("step", "steps", "accuracy")):
                    words[identity] = said
        return words

    # sealed records --------------------------------------------------------------------------------------------------
    def write_record(self, path: str, record: dict[str, Any]) -> None:
        """Write a JSON object with the hash of its content."""
        self.write(path, seal(record))

    def read_record(self, path: str, advice: str = "left out") -> dict[str, Any] | None:
        """What `write_record` wrote, or None when there is none, or it is damaged, which a notice says with advice."""
        with self.leaving_out(path, advice):
            return None if (data := self.read(path)) is None else unseal(data)
        return None

    # running ---------------------------------------------------------------------------------------------------------
    def forget(self, identity: str) -> None:
        """Delete a trial's files, so that it will run anew. Raises InputError when another process is running it."""
        path = folder_of(identity)
        if not self.fs.exists(f"{self.root}/{path}"):
            return
        try:
            with self._locked(path), self.writing(path):
                self.remove(path, first=RESULT, keep="lock")
        except Busy:
            raise InputError(f"trial {identity} is being run by another process: stop it first, or wait") from None

    @contextmanager
    def claim(self, config: TrialConfig) -> Iterator[str]:
        """Hold a trial for this process; yields its path. Raises Busy when another process has it."""
        path = folder_of(config.identity())
        with self._locked(path):
            self.tidy(path)
            self.write(f"{path}/config.json", config.model_dump_json(indent=1).encode())
            yield path

    def set_aside(self, path: str, why: str | None = None) -> None:
        """Move a damaged file, if there is one, out of the way, into `damaged/` beside it, and say so."""
        why = why or self.left_out.pop(path, "damaged")
        if (kept := self.move_aside(path)) is not None:
            notice(f"{self.url}/{path} is damaged ({why}): kept as {kept}, and computed again")

    @contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        """Keep other processes out of a trial's folder. Only local folders have locks.

        Elsewhere two processes may run one trial. Equal configurations give equal files, each written whole, so that
        the worst that happens is work done twice.
        """
        if not self.local:
            yield
            return
        lock = FileLock(f"{self.root}/{path}/lock")  # the system releases it when its holder dies
        with self.writing(f"{path}/lock"):
            os.makedirs(f"{self.root}/{path}", exist_ok=True)
            if os.path.isdir(lock.lock_file):
                self.set_aside(f"{path}/lock", "a folder")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise Busy(path) from None
        try:
            yield
        finally:
            lock.release()


def is_identity(name: str) -> bool:
    """Whether a name can be a trial's: 16 hex digits."""
    return len(name) == IDENTITY and not set(name) - set("0123456789abcdef")


def folder_of(identity: str) -> str:
    """A trial's folder in any store. Raises InputError for what is no identity, such as a path out of the store."""
    if not isinstance(identity, str) or not is_identity(identity):
        raise InputError(f"expected a trial's identity, 16 hex digits such as 0123456789abcdef, got {identity!r:.60}")
    return f"trials/{identity}"
