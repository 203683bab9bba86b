"""The store: one folder per trial, at any fsspec URL; whole files only, so that many processes may write at once."""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
from filelock import FileLock, Timeout

from separatrix import __version__
from separatrix.config import canonical_json
from separatrix.errors import InputError
from separatrix.experiments.config import TrialConfig
from separatrix.experiments.result import Result

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
"""Version of the store's layout. A store with another one is refused, untouched."""


class Busy(Exception):
    """Another process is running this trial now."""


class CannotWrite(InputError):
    """The store's place is full, gone or closed to us. What was written before is whole."""


class Store:
    """Trials at `url` (a folder, or any fsspec URL), in `trials/<identity>/`.

    `config.json`, `checkpoint.safetensors`, `progress.json`, `history.parquet` and, written last and atomically,
    `result.json`: a trial with one is finished. Raises InputError when the place cannot
    be written, or holds a store of another format.
    """

    def __init__(self, url: str | Path, create: bool = True) -> None:
        self.url = str(url)
        try:
            self.fs, self.root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:  # no such protocol, or what it takes is not installed
            raise InputError(f"cannot use {self.url} as an output folder: {error}") from None
        protocols = {self.fs.protocol} if isinstance(self.fs.protocol, str) else set(self.fs.protocol)
        self.local = "file" in protocols
        self.private = "memory" in protocols
        """Whether other processes cannot see it."""
        self._check(create)

    @property
    def address(self) -> str:
        """The URL that means this store in every process, whatever folder it works in."""
        return self.root if self.local else self.url

    def _check(self, create: bool) -> None:
        marker = f"{self.root}/store.json"
        try:
            if self.fs.exists(marker):
                stored = json.loads(self.fs.cat_file(marker))
                if stored.get("format") != FORMAT:
                    raise InputError(
                        f"{self.url} was written by separatrix {stored.get('separatrix')} (store format "
                        f"{stored.get('format')}); this version reads format {FORMAT}: choose another folder"
                    )
            elif not create:
                raise InputError(f"{self.url} holds no results: expected a folder with store.json in it")
            elif self.fs.exists(self.root) and not self.fs.isdir(self.root):
                raise InputError(f"{self.url} is a file: expected a folder, or a path where one can be made")
            else:
                self._write("store.json", canonical_json({"format": FORMAT, "separatrix": __version__}).encode())
        except (OSError, json.JSONDecodeError) as error:
            raise InputError(f"cannot use {self.url} as an output folder: {error}") from None

    # files -----------------------------------------------------------------------------------------------------------
    def write(self, path: str, data: bytes, durable: bool = True) -> None:
        """Write a file whole or not at all. Raises CannotWrite when the place is full or closed.

        durable: wait until the disk has it, so that even a power cut leaves the old file or the new one
        """
        with self._writing(path):
            self._write(path, data, durable)

    @contextmanager
    def _writing(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise CannotWrite(
                f"cannot write {self.url}/{path}: {reason}. What was written before is whole: see to it, and run the "
                "same command again to go on"
            ) from error

    def _write(self, path: str, data: bytes, durable: bool = True) -> None:
        full = f"{self.root}/{path}"
        if not self.local:
            self.fs.makedirs(os.path.dirname(full), exist_ok=True)
            self.fs.pipe_file(full, data)  # object stores make a put visible whole
            return
        os.makedirs(os.path.dirname(full), exist_ok=True)
        temporary = f"{full}.{uuid.uuid4().hex}.tmp"
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, full)
        finally:
            with suppress(OSError):
                os.unlink(temporary)

    def read(self, path: str) -> bytes | None:
        """A file's content, or None when there is none."""
        try:
            return self.fs.cat_file(f"{self.root}/{path}")
        except FileNotFoundError:
            return None

    def read_json(self, path: str) -> Any:
        """A JSON file's content, or None when there is none. Raises InputError when it is damaged."""
        data = self.read(path)
        try:
            return None if data is None else json.loads(data)
        except json.JSONDecodeError:
            raise InputError(f"{self.url}/{path} is damaged (not JSON): delete it and run again") from None

    # trials ----------------------------------------------------------------------------------------------------------
    def identities(self) -> list[str]:
        """The identities of all trials, finished or not."""
        folder = f"{self.root}/trials"
        if not self.fs.exists(folder):
            return []
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in self.fs.ls(folder, detail=False))

    def result(self, identity: str) -> Result | None:
        """A finished trial's result, or None."""
        data = self.read_json(f"trials/{identity}/result.json")
        return None if data is None else Result(**data)

    def results(self) -> list[Result]:
        """All finished trials' results."""
        found = (self.result(identity) for identity in self.identities())
        return [result for result in found if result is not None]

    def write_result(self, result: Result) -> None:
        """Finish a trial."""
        self.write(f"trials/{result.identity}/result.json", result.model_dump_json(indent=1).encode())

    def forget(self, identity: str) -> None:
        """Delete a trial with all its files, so that it will run anew."""
        folder = f"{self.root}/trials/{identity}"
        if self.fs.exists(folder):
            self.fs.rm(folder, recursive=True)

    def history(self, identity: str) -> pl.DataFrame | None:
        """A finished trial's history: step, train_loss_bits, accuracy, loss_bits, learning_rate. Otherwise None."""
        import polars as pl  # noqa: PLC0415  # half a second that training workers need not pay

        data = self.read(f"trials/{identity}/history.parquet")
        return None if data is None else pl.read_parquet(io.BytesIO(data))

    def progress(self, identity: str) -> dict[str, Any] | None:
        """The last words of a running trial: step, steps, accuracy, loss_bits, time. None before its first ones."""
        with suppress(InputError):  # they are not flushed to the disk, and a power cut may have taken them
            return self.read_json(f"trials/{identity}/progress.json")
        return None

    @contextmanager
    def claim(self, config: TrialConfig) -> Iterator[str]:
        """Hold a trial for this process; yields its path. Raises Busy when another process has it."""
        identity = config.identity()
        path = f"trials/{identity}"
        if not self.local:
            self.write(f"{path}/config.json", config.model_dump_json(indent=1).encode())
            yield path
            return
        lock = FileLock(f"{self.root}/{path}/lock")  # the system releases it when its holder dies
        with self._writing(f"{path}/lock"):
            os.makedirs(f"{self.root}/{path}", exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise Busy(identity) from None
        try:
            self.write(f"{path}/config.json", config.model_dump_json(indent=1).encode())
            yield path
        finally:
            lock.release()


def results(url: str | Path) -> pl.DataFrame:
    """All finished trials of a store as a Polars frame, one row a trial.

    Columns: identity, status, task, model, length, width, layers, seed, accuracy (test, in [0, 1]), loss_bits, steps,
    tokens, seconds, parameters, state_numbers, state_bits, recurrent_bits, attention_bits, accuracy_ceiling,
    fingerprint, error and config (JSON).
    Raises InputError when there is no store at `url`.
    """
    return frame(Store(url, create=False).results())


def frame(results: Sequence[Result]) -> pl.DataFrame:
    """Results as a Polars frame, one row a trial."""
    import polars as pl  # noqa: PLC0415

    schema: dict[str, Any] = {
        "identity": pl.String, "status": pl.String, "task": pl.String, "model": pl.String, "length": pl.Int64,
        "width": pl.Int64, "layers": pl.Int64, "seed": pl.Int64, "accuracy": pl.Float64, "loss_bits": pl.Float64,
        "steps": pl.Int64, "tokens": pl.Int64, "seconds": pl.Float64, "parameters": pl.Int64,
        "state_numbers": pl.Int64, "state_bits": pl.Int64, "recurrent_bits": pl.Float64, "attention_bits": pl.Float64,
        "accuracy_ceiling": pl.Float64, "fingerprint": pl.String, "error": pl.String, "config": pl.String,
    }  # fmt: skip
    return pl.DataFrame([_row(result) for result in results], schema=schema)


def _row(result: Result) -> dict[str, Any]:
    task, model = result.config["task"], result.config["model"]
    plain = ("identity", "status", "steps", "tokens", "seconds", "parameters", "state_numbers", "state_bits",
             "recurrent_bits", "attention_bits", "accuracy_ceiling", "fingerprint", "error")  # fmt: skip
    return {name: getattr(result, name) for name in plain} | {
        "task": task["name"],
        "model": model["name"],
        "length": task.get("length"),
        "width": model.get("width"),
        "layers": model.get("layers"),
        "seed": result.config["seed"],
        "accuracy": result.test.accuracy if result.test else None,
        "loss_bits": result.test.loss_bits if result.test else None,
        "config": canonical_json(result.config),
    }
