"""The store: one folder per trial, at any fsspec URL; whole files only, so that many processes may write at once."""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
from filelock import FileLock, Timeout
from pydantic_core import from_json

from separatrix import __version__
from separatrix.config import canonical_json
from separatrix.errors import InputError
from separatrix.experiments.trial.result import Result

if TYPE_CHECKING:  # reading a store takes neither torch nor models
    import polars as pl

    from separatrix.experiments.trial.config import TrialConfig

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

    >>> store = sx.experiments.Store("runs/mine")
    >>> store.identities(), store.results()
    ([], [])
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
        except json.JSONDecodeError:
            raise InputError(
                f'{self.url}/store.json is damaged (not JSON): write {{"format": {FORMAT}}} into it to go on'
            ) from None
        except OSError as error:
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
        full = f"{self.root}/{path}"
        try:
            return Path(full).read_bytes() if self.local else self.fs.cat_file(full)
        except FileNotFoundError:
            return None

    def read_json(self, path: str) -> Any:
        """A JSON file's content, or None when there is none. Raises InputError when it is damaged."""
        data = self.read(path)
        return None if data is None else self._parsed(path, data)

    def _parsed(self, path: str, data: bytes) -> Any:
        try:
            return from_json(data)
        except ValueError:
            raise InputError(f"{self.url}/{path} is damaged (not JSON): delete it and run again") from None

    def _read_all(self, paths: Sequence[str]) -> Iterable[bytes | None]:
        """The contents of many files, None for each that is not there."""
        if self.local:
            return map(self.read, paths)
        found = self.fs.cat([f"{self.root}/{path}" for path in paths], on_error="omit") if paths else {}
        return [found.get(f"{self.root}/{path}") for path in paths]

    # trials ----------------------------------------------------------------------------------------------------------
    def identities(self) -> list[str]:
        """The identities of all trials, finished or not."""
        folder = f"{self.root}/trials"
        if not self.fs.exists(folder):
            return []
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in self.fs.ls(folder, detail=False))

    def result(self, identity: str) -> Result | None:
        """A finished trial's result, or None."""
        record = self.read_json(f"trials/{identity}/result.json")
        return None if record is None else recorded(record)

    def results(self) -> list[Result]:
        """All finished trials' results."""
        return [recorded(record) for record in self.records()]

    def records(self) -> Iterator[dict[str, Any]]:
        """All finished trials' results as they are written: JSON, with the `fingerprint` among the fields."""
        paths = [f"trials/{identity}/result.json" for identity in self.identities()]
        for path, data in zip(paths, self._read_all(paths), strict=True):
            if data is not None:
                yield self._parsed(path, data)

    def write_result(self, result: Result) -> None:
        """Finish a trial."""
        record = result.model_dump(mode="json") | {"fingerprint": result.fingerprint}
        self.write(f"trials/{result.identity}/result.json", json.dumps(record, indent=1).encode())

    def forget(self, identity: str) -> None:
        """Delete a trial's files, so that it will run anew. Raises InputError when another process is running it."""
        folder = f"{self.root}/trials/{identity}"
        if not self.fs.exists(folder):
            return
        try:
            with self._locked(f"trials/{identity}"):
                files = [path for path in self.fs.find(folder) if not path.endswith("/lock")]
                for path in sorted(files, key=lambda path: not path.endswith("/result.json")):  # that one first
                    self.fs.rm_file(path)
        except Busy:
            raise InputError(f"trial {identity} is being run by another process: stop it first, or wait") from None

    def history(self, identity: str) -> pl.DataFrame | None:
        """A finished trial's history: step, train_loss_bits, accuracy, loss_bits, learning_rate. Otherwise None."""
        import polars as pl  # noqa: PLC0415  # half a second that training workers need not pay

        path = f"trials/{identity}/history.parquet"
        if (data := self.read(path)) is None:
            return None
        try:
            return pl.read_parquet(io.BytesIO(data))
        except pl.exceptions.PolarsError:
            raise InputError(
                f"{self.url}/{path} is damaged (not Parquet): delete it, and the trial has no curve over training"
            ) from None

    def progress(self, identity: str) -> dict[str, Any] | None:
        """The last words of a running trial: step, steps, accuracy, loss_bits, time. None before its first ones."""
        return self.progress_of([identity]).get(identity)

    def progress_of(self, identities: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The last words of each of many trials that has said any, read together."""
        paths = [f"trials/{identity}/progress.json" for identity in identities]
        words: dict[str, dict[str, Any]] = {}
        for identity, path, data in zip(identities, paths, self._read_all(paths), strict=True):
            with suppress(InputError):  # they are not flushed to the disk, and a power cut may have taken them
                words |= {} if data is None else {identity: self._parsed(path, data)}
        return words

    @contextmanager
    def claim(self, config: TrialConfig) -> Iterator[str]:
        """Hold a trial for this process; yields its path. Raises Busy when another process has it."""
        path = f"trials/{config.identity()}"
        with self._locked(path):
            self.write(f"{path}/config.json", config.model_dump_json(indent=1).encode())
            yield path

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
        with self._writing(f"{path}/lock"):
            os.makedirs(f"{self.root}/{path}", exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise Busy(path) from None
        try:
            yield
        finally:
            lock.release()


def recorded(record: dict[str, Any]) -> Result:
    """The result that a record of the store is of."""
    return Result(**{name: value for name, value in record.items() if name != "fingerprint"})
