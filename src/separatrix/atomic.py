"""Files written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from separatrix.errors import InputError


@contextmanager
def replacing(path: str | Path, parents: bool = False) -> Iterator[Path]:
    """A file to write beside `path`: it takes the place of `path` when the block ends well, and is gone otherwise.

    parents: make the folder it lies in where there is none
    Raises InputError when the file cannot be written.
    """
    path = Path(path)
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            partial = Path(folder) / path.name
            partial.touch()
            usual = partial.stat().st_mode
            yield partial
            partial.chmod(usual)  # safetensors makes files that none but their owner may read
            os.replace(partial, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def write_whole(path: str | Path, content: bytes) -> Path:
    """Write a file and the folders above it. Raises InputError when that is impossible."""
    with replacing(path, parents=True) as partial:
        partial.write_bytes(content)
    return Path(path)
