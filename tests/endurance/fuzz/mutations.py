"""Changes of what is read: of its bytes, and of the fields of a JSON or TOML document, one value for a wrong one."""

from __future__ import annotations

import copy
import json
import random
import tomllib
from typing import Any

WORDS = [
    b"null",
    b"[]",
    b"{}",
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 5000,
    b'"../../x"',
    b'"a.py:f"',
    b"\0",
    b"\xff",
    b"[" * 999,
]
WRONG: list[Any] = [
    None, True, -1, 0, 10**12, 10**400, 0.5, float("nan"), float("inf"), "", "x", "../../x", "a.py:f", "\0", "é" * 99,
    [], [[]], [None], ["x"], [-1], {}, {"x": 1}, {"name": "x"}, [{}] * 3,
]  # fmt: skip


def mutated(data: bytes, kind: str, rng: random.Random) -> bytes:
    """One to four changes of the bytes or, of documents half of the time, one or two of the fields."""
    if kind in ("json", "toml") and rng.random() < 0.5:
        return _fields_changed(data, kind, rng)
    for _ in range(rng.randrange(1, 5)):
        data = _bytes_changed(data, rng)
    return data


def _bytes_changed(data: bytes, rng: random.Random) -> bytes:
    at, to = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    match rng.randrange(5):
        case 0:
            return data[:at] + rng.choice(WORDS) + data[at:]
        case 1:
            return data[:at] + rng.choice(WORDS) + data[min(to, at + 12) :]
        case 2:
            return data[:at] + data[min(to, at + 40) :]
        case 3 if data:
            at = min(at, len(data) - 1)
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case _:
            return data[:at] + data[at : at + 30] + data[at:]


def _fields_changed(data: bytes, kind: str, rng: random.Random) -> bytes:
    document = json.loads(data) if kind == "json" else tomllib.loads(data.decode())
    for _ in range(rng.randrange(1, 3)):
        places = _places(document)
        if not places:
            break
        inside, key = rng.choice(places)
        match rng.randrange(6):
            case 0:
                del inside[key]
            case 1 if isinstance(inside, dict):
                inside[rng.choice(["x", "", "__class__", "a" * 999])] = copy.deepcopy(inside[key])
            case _:
                inside[key] = copy.deepcopy(rng.choice(WRONG))
    return (json.dumps(document) if kind == "json" else _toml(document)).encode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every field and entry of a document, with what it lies in."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, each in inner:
        found += [(value, key), *_places(each)]
    return found


def _toml(value: Any) -> str:
    """A table as TOML of inline values; None, which TOML lacks, is left out."""
    return "".join(f"{json.dumps(key)} = {_inline(each)}\n" for key, each in value.items() if each is not None)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items() if v is not None) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(each) for each in value if each is not None) + "]"
    return str(value) if isinstance(value, float) else json.dumps(value)
