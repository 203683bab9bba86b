"""Parquet read in a process apart: on some damage its reader asks for more memory than there is, and ends its process.

Only histories that no recorded hash vouches for are read so. This file is the other process too, and imports nothing of
the package: it answers each file that comes in with its columns as JSON, or null where it is no Parquet.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import IO, Any

LIMIT = 4 * 2**30
"""Bytes of memory that the other process may ask for; a history has some kilobytes."""

_reader: subprocess.Popen[bytes] | None = None


def columns(data: bytes) -> dict[str, list[Any]] | None:
    """The columns of a Parquet file by their names; None where reading it failed, whatever became of the reader."""
    global _reader  # noqa: PLW0603  # one process for all that is read
    if _reader is None or _reader.poll() is not None:
        command = [sys.executable, "-P", os.path.abspath(__file__)]  # -P: nothing from the folder we stand in
        environment = os.environ | {"POLARS_MAX_THREADS": "1"}
        _reader = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        atexit.register(_close, _reader)
    try:
        assert _reader.stdin and _reader.stdout
        _send(_reader.stdin, data)
        return json.loads(_receive(_reader.stdout))
    except (OSError, EOFError):  # it has ended
        _close(_reader)
        _reader = None
        return None


def _send(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(len(data).to_bytes(8, "little") + data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    """Raises EOFError when the other side has ended."""
    size = pipe.read(8)
    data = pipe.read(int.from_bytes(size, "little"))
    if len(size) < 8 or len(data) < int.from_bytes(size, "little"):
        raise EOFError
    return data


def _close(reader: subprocess.Popen[bytes]) -> None:
    for pipe in (reader.stdin, reader.stdout):
        with suppress(OSError):
            if pipe:
                pipe.close()
    reader.kill()
    reader.wait()


def _columns(data: bytes) -> dict[str, list[Any]] | None:
    import polars as pl  # noqa: PLC0415

    try:
        return pl.read_parquet(io.BytesIO(data)).to_dict(as_series=False)
    except BaseException as error:  # Polars panics on some damage, with an exception that is no Exception
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            return None
        raise


def _serve() -> None:
    """Answer until there is nobody who asks."""
    with suppress(ImportError, ValueError, OSError):  # not every system has limits
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        while True:
            _send(sys.stdout.buffer, json.dumps(_columns(_receive(sys.stdin.buffer))).encode())


if __name__ == "__main__":
    _serve()
