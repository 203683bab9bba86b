"""Results as a Polars frame, to filter, to plot and to take elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from separatrix.atomic import replacing
from separatrix.config import canonical_json
from separatrix.errors import InputError
from separatrix.experiments.store.folder import Store
from separatrix.experiments.store.records import recorded
from separatrix.experiments.trial.result import Result
from separatrix.experiments.trial.seeds import TUNING_SEEDS

if TYPE_CHECKING:
    import polars as pl

PLAIN = ("identity", "status", "ending", "steps", "tokens", "seconds", "parameters", "state_numbers", "state_bits",
         "recurrent_bits", "attention_bits", "accuracy_ceiling", "overlap", "error")  # fmt: skip
"""Columns that are fields of a result."""

SAID = {"task.name", "model.name", "task.length", "model.width", "model.layers", "seed"}
"""Fields of a configuration that have a column of their own, under a shorter name."""


def results(url: str | Path) -> pl.DataFrame:
    """All finished trials of a store as a Polars frame, one row a trial.

    Columns: identity, status, ending (solved, plateau or cut off), tuning (whether the trial chose a learning rate and
    is no result), task, model, length, width, layers, seed, accuracy (test, in [0, 1]), loss_bits, steps,
    tokens, seconds, parameters, state_numbers, state_bits, recurrent_bits, attention_bits, accuracy_ceiling,
    overlap (share of the test contexts that occurred in training, null where their space is large),
    fingerprint, error and config (JSON); then one column for every field of the configurations that varies over the
    store, by its path, such as `training.learning_rate` (numbers as numbers, anything else as text).
    Raises InputError when there is no store at `url`.

    >>> store = sx.experiments.Store("runs/mine")
    >>> sx.results("runs/mine").height
    0
    """
    return _frame(Store(url, create=False).records())


def frame(results: Iterable[Result]) -> pl.DataFrame:
    """Results as a Polars frame, one row a trial."""
    return _frame(result.model_dump(mode="json") | {"fingerprint": result.fingerprint} for result in results)


def export(url: str | Path, path: str | Path) -> int:
    """Write `results(url)` to a .csv or .parquet file, whole or not at all; returns the number of rows.

    Raises InputError when there is no store at `url`, or the file cannot be written.

    >>> store = sx.experiments.Store("runs/mine")
    >>> sx.experiments.export("runs/mine", "mine.csv")
    0
    """
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise InputError(f"expected an output ending in .csv or .parquet, got {path.name!r}")
    table = results(url)
    with replacing(path) as partial:
        table.write_csv(partial) if path.suffix == ".csv" else table.write_parquet(partial)
    return table.height


def _frame(records: Iterable[dict[str, Any]]) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415

    schema: dict[str, Any] = {
        "identity": pl.String, "status": pl.String, "ending": pl.String, "tuning": pl.Boolean,
        "task": pl.String, "model": pl.String, "length": pl.Int64,
        "width": pl.Int64, "layers": pl.Int64, "seed": pl.Int64, "accuracy": pl.Float64, "loss_bits": pl.Float64,
        "steps": pl.Int64, "tokens": pl.Int64, "seconds": pl.Float64, "parameters": pl.Int64,
        "state_numbers": pl.Int64, "state_bits": pl.Int64, "recurrent_bits": pl.Float64, "attention_bits": pl.Float64,
        "accuracy_ceiling": pl.Float64, "overlap": pl.Float64, "fingerprint": pl.String,
        "error": pl.String, "config": pl.String,
    }  # fmt: skip
    kept = list(records)
    table = pl.DataFrame([_row(record) for record in kept], schema=schema)
    varied = {name: pl.Series(name, values, strict=False) for name, values in _varied(kept).items()}
    return table.with_columns(**varied)


def _varied(records: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Every field of the configurations that differs somewhere and has no column yet: its path, and its values."""
    each = [dict(_fields(record["config"])) for record in records]
    names = sorted({name for fields in each for name in fields} - SAID)
    found = {name: [fields.get(name) for fields in each] for name in names}
    return {name: _typed(values) for name, values in found.items() if len({str(value) for value in values}) > 1}


def _typed(values: Sequence[Any]) -> list[Any]:
    """Numbers as they are where all are numbers; otherwise all as text."""
    met = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in met) or all(isinstance(value, str) for value in met):
        return list(values)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in met):
        whole = all(isinstance(value, int) for value in met)
        return [value if value is None or whole else float(value) for value in values]
    return [None if value is None else canonical_json(value) for value in values]


def _fields(section: dict[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    """Every value of nested configurations by its path; lists count as values."""
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _fields(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _row(record: dict[str, Any]) -> dict[str, Any]:
    config, test = record["config"], record.get("test") or {}
    task, model = config["task"], config["model"]
    return {name: record.get(name) for name in PLAIN} | {
        "task": task["name"],
        "model": model["name"],
        "length": task.get("length"),
        "width": model.get("width"),
        "layers": model.get("layers"),
        "seed": config["seed"],
        "tuning": config["seed"] >= TUNING_SEEDS,
        "accuracy": test.get("accuracy"),
        "loss_bits": test.get("loss_bits"),
        "fingerprint": record.get("fingerprint") or recorded(record).fingerprint,  # older stores do not say it
        "config": canonical_json(config),
    }
