"""Files written whole or not at all, and on the disk before anything relies on them."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from separatrix.errors import InputError

PARTIAL = ".tmp"
"""How the folder ends that holds a file while it is written; one that is left is of a process that was killed."""


@contextmanager
def replacement(path: str | Path, durable: bool = True) -> Iterator[Path]:
    """A file to write beside `path`: it takes the place of `path` when the block ends well, and is gone otherwise.

    durable: wait until the disk has the file and its name, so that a power cut leaves the old one or the new one
    Raises OSError when the file cannot be written.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:200]}.", suffix=PARTIAL) as folder:
        partial = Path(folder) / path.name
        partial.touch()
        usual = partial.stat().st_mode
        yield partial
        partial.chmod(usual)  # safetensors makes files that none but their owner may read
        if durable:
            flush(partial)
        os.replace(partial, path)
    if durable:
        flush(path.parent)


def flush(path: str | Path) -> None:
    """Wait until the disk has a file, or the names in a folder. Windows has no such call for folders."""
    if sys.platform == "win32" and os.path.isdir(path):
        return
    descriptor = os.open(path, os.O_RDONLY if os.path.isdir(path) else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: str | Path, parents: bool = False) -> Iterator[Path]:
    """`replacement` for files the user named.

    parents: make the folder it lies in where there is none
    Raises InputError when the file cannot be written.
    """
    path = Path(path)
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacement(path) as partial:
            yield partial
    except (OSError, ValueError) as error:  # ValueError: a name with NUL, which no file can have
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None


def write_whole(path: str | Path, content: bytes) -> Path:
    """Write a file and the folders above it. Raises InputError when that is impossible."""
    with replacing(path, parents=True) as partial:
        partial.write_bytes(content)
    return Path(path)
