"""A store's files, at any fsspec URL: read whole, written whole, never outside the store, odd ones left out by name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec

from separatrix import __version__
from separatrix.atomic import PARTIAL, replacement
from separatrix.config import canonical_json
from separatrix.errors import InputError
from separatrix.experiments.trial.seal import Damaged, parse_object
from separatrix.notices import notice

FORMAT = 1
"""Version of the store's layout. A store with another one is refused, untouched."""

MARKER = "store.json"
"""The file that says that a folder is a store."""

ASIDE = "damaged"
"""The folder, beside a damaged file, that it is moved into."""


class CannotWrite(InputError):
    """The store's place is full, gone or closed to us. What was written before is whole."""


class Files:
    """The files of a store at a URL.

    Raises InputError when the place cannot be used, or holds a store of another format.
    """

    def __init__(self, url: str | Path, create: bool = True) -> None:
        self.url = str(url)
        self.left_out: dict[str, str] = {}
        """Files that could not be read, and why: each was named in a notice when it was met first."""
        try:
            self.fs, self.root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError, TypeError, KeyError, OSError) as error:  # no such protocol, or not installed
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
        marker = f"{self.root}/{MARKER}"
        try:
            if self.fs.exists(marker):
                stored = parse_object(self.fs.cat_file(marker))
                if stored.get("format") != FORMAT:
                    raise InputError(
                        f"{self.url} was written by separatrix {stored.get('separatrix')} (store format "
                        f"{stored.get('format')}); this version reads format {FORMAT}: choose another folder"
                    )
            elif not create:
                raise InputError(f"{self.url} holds no results: expected a folder with {MARKER} in it")
            elif self.fs.exists(self.root) and not self.fs.isdir(self.root):
                raise InputError(f"{self.url} is a file: expected a folder, or a path where one can be made")
            else:
                self._write(MARKER, canonical_json({"format": FORMAT, "separatrix": __version__}).encode())
        except Damaged as error:
            raise InputError(
                f'{self.url}/{MARKER} is damaged ({error}): write {{"format": {FORMAT}}} into it to go on'
            ) from None
        except InputError:
            raise
        except (OSError, NotImplementedError, ValueError, TypeError) as error:  # ftp and http cannot be written, say
            raise InputError(f"cannot use {self.url} as an output folder: {error or type(error).__name__}") from None
        except Exception as error:  # what the libraries behind URLs raise is theirs
            if isinstance(error, RuntimeError | AssertionError) and self.local:
                raise
            raise InputError(f"cannot use {self.url} as an output folder: {type(error).__name__}: {error}") from None

    # reading ---------------------------------------------------------------------------------------------------------
    def read(self, path: str) -> bytes | None:
        """A file's content, or None when there is none. Raises Damaged when it cannot be read."""
        full = f"{self.root}/{path}"
        try:
            return Path(full).read_bytes() if self.local else self.fs.cat_file(full)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:  # a folder, no permission, a name with NUL
            raise Damaged(f"{getattr(error, 'strerror', None) or error}") from None

    def read_json(self, path: str) -> Any:
        """A JSON object, or None when there is none. Raises Damaged, with the path, when it is something else."""
        try:
            data = self.read(path)
            return None if data is None else parse_object(data)
        except Damaged as error:
            raise Damaged(f"{self.url}/{path} is damaged ({error}): delete it and run again") from None

    def read_all(self, paths: Sequence[str]) -> Iterable[bytes | None]:
        """The contents of many files, None for each that is not there or cannot be read, which a notice says."""
        if self.local:
            return map(self._readable, paths)
        found = self.fs.cat([f"{self.root}/{path}" for path in paths], on_error="omit") if paths else {}
        return [found.get(f"{self.root}/{path}") for path in paths]

    def _readable(self, path: str) -> bytes | None:
        with self.leaving_out(path):
            return self.read(path)
        return None

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted; none when there is no such folder."""
        full = f"{self.root}/{folder}"
        if not self.fs.isdir(full):
            return []
        if self.local:
            return sorted(os.listdir(full))
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in self.fs.ls(full, detail=False))

    @contextmanager
    def leaving_out(self, path: str, advice: str = "left out") -> Iterator[None]:
        """Inside, a damaged file is named in a notice, once, and the block ends there."""
        try:
            yield
        except Damaged as error:
            if path not in self.left_out:
                self.left_out[path] = str(error)
                notice(f"{self.url}/{path} is damaged ({error}): {advice}")

    # writing ---------------------------------------------------------------------------------------------------------
    def write(self, path: str, data: bytes, durable: bool = True) -> None:
        """Write a file whole or not at all. Raises CannotWrite when the place is full or closed.

        durable: wait until the disk has it, so that even a power cut leaves the old file or the new one
        """
        with self.writing(path):
            self._write(path, data, durable)

    @contextmanager
    def writing(self, path: str) -> Iterator[None]:
        """Inside, what the file system refuses is CannotWrite."""
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
        self._check_inside(full)
        if os.path.isdir(full):
            self.move_aside(path)
        with replacement(full, durable) as partial:
            partial.write_bytes(data)

    def _check_inside(self, full: str) -> None:
        """InputError when a link in somebody's store leads out of it."""
        folder, root = os.path.realpath(os.path.dirname(full)), os.path.realpath(self.root)
        if os.path.commonpath([folder, root]) != root:
            raise InputError(f"{full} leads out of the store, to {folder}: nothing is written there")

    def move_aside(self, path: str) -> str | None:
        """Move a file, or a folder in its place, into the folder for damaged ones beside it. Returns where to."""
        full = f"{self.root}/{path}"
        if not (os.path.lexists(full) if self.local else self.fs.exists(full)):
            return None
        folder, _, name = path.rpartition("/")
        aside = f"{folder}/{ASIDE}".lstrip("/")
        taken = set(self.names(aside))
        kept = next(f"{aside}/{name}.{n}" for n in range(1, len(taken) + 2) if f"{name}.{n}" not in taken)
        with self.writing(kept):
            self.fs.makedirs(f"{self.root}/{aside}", exist_ok=True)
            if self.local:
                os.replace(full, f"{self.root}/{kept}")
            else:
                self.fs.mv(full, f"{self.root}/{kept}", recursive=True)
        return kept

    def remove(self, folder: str, first: str, keep: str) -> None:
        """Delete the files under a folder: that named `first` before all others, and never that named `keep`."""
        files = [path for path in self.fs.find(f"{self.root}/{folder}") if not path.endswith(f"/{keep}")]
        for path in sorted(files, key=lambda path: not path.endswith(f"/{first}")):
            self.fs.rm_file(path)

    def tidy(self, folder: str) -> None:
        """Remove what writers that were killed have left in a folder that nobody else writes to now."""
        if self.local:
            for name in self.names(folder):
                if name.startswith(".") and name.endswith(PARTIAL):
                    full = Path(self.root, folder, name)
                    with suppress(OSError):
                        for partial in full.iterdir():
                            partial.unlink()
                        full.rmdir()
