"""Results as they are written: sealed, of the trial in whose folder they lie; and checked to be so on reading."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

from separatrix.config import canonical_json, short_hash
from separatrix.experiments.store import apart
from separatrix.experiments.trial.result import Result, fingerprint
from separatrix.experiments.trial.seal import Damaged, digest, parse_object, seal

if TYPE_CHECKING:
    import polars as pl

BESIDE = ("fingerprint", "history_sha256", "sha256")
"""What a record says beside the fields of a result."""


def record_of(result: Result, history: bytes | None = None) -> bytes:
    """The record of a result, with the hashes of its content and of the history beside it."""
    record = result.model_dump(mode="json") | {"fingerprint": result.fingerprint}
    return seal(record if history is None else record | {"history_sha256": hashlib.sha256(history).hexdigest()})


def checked(data: bytes, identity: str) -> dict[str, Any]:
    """A record that is what was written for this trial. Raises Damaged for one that is not.

    Records of versions before seals are held to their fingerprint; of those before fingerprints, to their form.
    """
    record = parse_object(data)
    try:
        _check(record, identity)
    except Damaged:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:  # InputError too
        raise Damaged(f"{type(error).__name__}: {str(error)[:200]}") from None
    return record


def _check(record: dict[str, Any], identity: str) -> None:
    """Take the seal off a record. Raises Damaged, or what reading a record of another form raises."""
    said, sealed = record.get("fingerprint"), record.pop("sha256", None)
    if sealed is not None and sealed != digest(record):
        raise Damaged("its content does not have the recorded hash")
    if sealed is None and ("history_sha256" in record or (said is not None and said != fingerprint(record))):
        raise Damaged("its content does not have the recorded fingerprint")
    if record.get("identity") != identity:
        raise Damaged(f"it belongs to trial {str(record.get('identity'))[:60]!r}")
    if short_hash(canonical_json(record["config"])) != identity:
        raise Damaged("its configuration has another identity")
    if sealed is None:
        recorded(record)
    _check_form(record["config"])


def recorded(record: dict[str, Any]) -> Result:
    """The result that a record is of."""
    return Result(**{name: value for name, value in record.items() if name not in BESIDE})


def read_history(data: bytes, result: bytes | None) -> pl.DataFrame:
    """A history from its Parquet file, held to the hash that the trial's record says. Raises Damaged.

    One whose record, of a version before seals, says no hash is read in a process apart.
    """
    import polars as pl  # noqa: PLC0415

    try:
        said = None if result is None else json.loads(result).get("history_sha256")
    except (ValueError, AttributeError, RecursionError):
        said = None
    if said is not None and said != hashlib.sha256(data).hexdigest():
        raise Damaged("it does not have the recorded hash")
    if said is not None:
        return pl.read_parquet(io.BytesIO(data))
    if (columns := apart.columns(data)) is None:
        raise Damaged("not Parquet")
    return pl.DataFrame(columns)


def _check_form(config: Any) -> None:
    """Damaged unless a configuration has what every reader relies on."""
    task, model = config["task"], config["model"]
    whole = [task["length"], config["seed"], *(model[name] for name in ("width", "layers") if name in model)]
    named = isinstance(task["name"], str) and isinstance(model["name"], str)
    if not named or not all(type(value) is int and abs(value) < 2**63 for value in whole):
        raise Damaged("its configuration is not that of a trial")
