"""Seals: a record that carries the hash of its own content, so that a change of any bit of it is noticed on reading."""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

from pydantic_core import from_json

from separatrix.config import Config
from separatrix.errors import InputError

KEY = "sha256"
_OPEN = "0" * 64
_MARK = b'"sha256":"'
C = TypeVar("C", bound=Config)


class Damaged(InputError):
    """A file of a store that is not what was written there. Its message says what is wrong with it."""


# JSON ----------------------------------------------------------------------------------------------------------------
def seal(record: dict[str, Any]) -> bytes:
    """A record as JSON with the hash of its content."""
    return json.dumps(record | {KEY: digest(record)}, indent=1).encode()


def unseal(data: bytes, required: bool = False) -> dict[str, Any]:
    """The record of a JSON file, its seal checked and taken off.

    required: refuse records without a seal, which versions before seals wrote
    Raises Damaged.
    """
    record = parse_object(data)
    sealed = record.pop(KEY, None)
    if sealed is None and required:
        raise Damaged("it has no hash")
    if sealed is not None and sealed != digest(record):
        raise Damaged("its content does not have the recorded hash")
    return record


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in some bytes. Raises Damaged for anything else."""
    try:
        record = from_json(data)
    except ValueError:
        raise Damaged("not JSON") from None
    if not isinstance(record, dict):
        raise Damaged(f"expected a JSON object, got {type(record).__name__}")
    return record


def read_as(kind: type[C], record: dict[str, Any]) -> C:
    """A record as a configuration of a kind. Raises Damaged when it is none."""
    try:
        return kind(**record)
    except (InputError, TypeError) as error:
        raise Damaged(str(error)) from None


def digest(record: dict[str, Any]) -> str:
    """SHA-256 of a record's content, whatever the order of its keys. Raises Damaged for what no writer writes."""
    try:
        return hashlib.sha256(json.dumps(record, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    except (ValueError, RecursionError) as error:  # integers of thousands of digits, say
        raise Damaged(str(error)) from None


# safetensors ---------------------------------------------------------------------------------------------------------
def unstamped(identity: str, **metadata: str) -> dict[str, str]:
    """The metadata of a safetensors file that `stamp` is to hash."""
    return {**metadata, "identity": identity, KEY: _OPEN}


def stamp(data: bytes) -> bytes:
    """A safetensors file with the hash of all its bytes in its metadata; the hash itself is taken as zeros."""
    at = _place(data)
    return data[:at] + hashlib.sha256(data).hexdigest().encode() + data[at + 64 :]


def read_stamped(data: bytes, identity: str | None = None) -> dict[str, str]:
    """The metadata of a stamped safetensors file, checked against its bytes.

    identity: of the trial it must belong to
    Files of versions before stamps have no more than `progress` in it, and are taken as they are. Raises Damaged.
    """
    metadata = _metadata(data)
    if set(metadata) == {"progress"}:
        return metadata
    if set(metadata) != {"progress", "identity", KEY}:
        raise Damaged("its header is not one that was written")
    at = _place(data)
    whole = hashlib.sha256(data[:at] + _OPEN.encode())
    whole.update(memoryview(data)[at + 64 :])
    if whole.hexdigest() != metadata[KEY]:
        raise Damaged("its content does not have the recorded hash")
    if identity is not None and metadata["identity"] != identity:
        raise Damaged(f"it belongs to trial {metadata['identity']}")
    return metadata


def _metadata(data: bytes) -> dict[str, str]:
    size = int.from_bytes(data[:8], "little")
    if size > len(data) - 8:
        raise Damaged("its header is cut off")
    metadata = parse_object(data[8 : 8 + size]).get("__metadata__")
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise Damaged("its header has no metadata")
    return metadata


def _place(data: bytes) -> int:
    """Where in a file the 64 digits of its hash stand."""
    end = 8 + int.from_bytes(data[:8], "little")
    if data.count(_MARK, 8, end) != 1:
        raise Damaged("its header is not one that was written")
    return data.index(_MARK, 8, end) + len(_MARK)
