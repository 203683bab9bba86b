"""Architectures by name, imported when first asked for."""

from __future__ import annotations

import copyreg
import os
from functools import cache, lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from separatrix import source
from separatrix.errors import InputError, unknown
from separatrix.models.config import ModelConfig
from separatrix.models.pickling import importable
from separatrix.models.sequence import SequenceModel
from separatrix.tasks.problem import Problem

_ARCHITECTURES = {
    "transformer": "transformer:Transformer",
    "elman": "elman:Elman",
    "gru": "gru:GRU",
    "lstm": "lstm:LSTM",
    "linear-rnn": "linear_rnn:LinearRNN",
    "dss": "dss:DSS",
    "s4d": "s4d:S4D",
    "retnet": "retnet:RetNet",
    "mamba": "mamba:Mamba",
    "mamba2": "mamba2:Mamba2",
    "gla": "gla:GLA",
    "deltanet": "deltanet:DeltaNet",
    "gated-deltanet": "gated_deltanet:GatedDeltaNet",
    "deltaproduct": "deltaproduct:DeltaProduct",
    "kda": "kda:KDA",
    "rwkv7": "rwkv7:RWKV7",
    "hgrn2": "hgrn2:HGRN2",
    "gated-convolution": "gated_convolution:GatedConvolution",
    "rg-lru": "rg_lru:RGLRU",
    "mingru": "minimal:MinGRU",
    "minlstm": "minimal:MinLSTM",
    "slstm": "slstm:SLSTM",
    "mlstm": "mlstm:MLSTM",
    "based": "based:Based",
    "forgetting": "forgetting:Forgetting",
    "mla": "mla:MLA",
    "ttt": "ttt:TTT",
    "titans": "titans:Titans",
    "rwkv6": "rwkv6:RWKV6",
    "mamba3": "mamba3:Mamba3",
    "h3": "h3:H3",
    "hyena": "hyena:Hyena",
    "log-linear": "log_linear:LogLinear",
}


GROUP = "separatrix.models"
"""Entry point group: installed packages register a SequenceModel subclass, or a mixer class built with `width`."""


def names() -> list[str]:
    """The registered architecture names, those of installed packages last.

    >>> sx.models.names()[:4]
    ['transformer', 'elman', 'gru', 'lstm']
    """
    return [*_ARCHITECTURES, *(name for name in _installed() if name not in _ARCHITECTURES)]


def architecture(name: str) -> type[SequenceModel]:
    """The class of an architecture.

    name: a registered name; a hybrid such as `mamba*3+attention`; mixers side by side in one layer such as
          `mamba2//attention`; `path/to/file.py:Class`; `hf:mamba` or `hf:path/to/config.json`
    Raises InputError naming the nearest valid name.

    >>> sx.models.architecture("gated-deltanet").__name__, sx.models.architecture("mamba*2+attention").__name__
    ('GatedDeltaNet', 'Hybrid')
    """
    if not isinstance(name, str):
        raise InputError(f"expected the name of an architecture, got {type(name).__name__}")
    if name in _ARCHITECTURES:
        module, attribute = _ARCHITECTURES[name].split(":")
        return getattr(import_module(f"separatrix.models.{module}"), attribute)
    return _composed(name, _stamp(name))


def _stamp(name: str) -> int:
    """What changes when a file an architecture comes from does, so that no stale class is served."""
    parts = [*name.split("+"), *name.replace("//", "+").split("+")]
    paths = [part.split("*")[0].removeprefix("hf:").rpartition(".py:")[0] + ".py" for part in parts]
    paths += [name.removeprefix("hf:")]
    files = [] if "\0" in name else [path for path in paths if os.path.isfile(path)]
    return sum(source.stamp(path) if path.endswith(".py") else os.stat(path).st_mtime_ns for path in files)


@lru_cache(maxsize=64)
def _composed(name: str, stamp: int) -> type[SequenceModel]:
    """An architecture that is made rather than registered; the same class for the same name and file."""
    made = _made(name)
    if not importable(made):
        copyreg.pickle(made, lambda model: (_empty_model, (model.config.name,), model.__dict__))
    if not importable(made.Config):
        copyreg.pickle(made.Config, lambda config: (_empty_config, (config.name,), config.__getstate__()))
    return made


def _made(name: str) -> type[SequenceModel]:
    if name.startswith("hf:"):
        return import_module("separatrix.models.huggingface").huggingface(name)
    if "+" in name or "*" in name:
        return import_module("separatrix.models.hybrid").hybrid(name, architecture)
    file, _, own = name.rpartition(":")
    if "//" in name and not (own.isidentifier() and os.path.isfile(file)):  # a path may have two slashes
        return import_module("separatrix.models.parallel").parallel(name, architecture)
    if ".py:" in name:
        return import_module("separatrix.models.own").from_file(name)
    if (entry := _installed().get(name)) is not None:
        return import_module("separatrix.models.own").from_class(entry.load(), name)
    raise unknown("model", name, names())


def _empty_model(name: str) -> SequenceModel:
    """A model without anything in it, to be filled by pickle; runs the file that its architecture stands in."""
    made = architecture(name)
    return made.__new__(made)


def _empty_config(name: str) -> ModelConfig:
    """The same for the configuration."""
    made = architecture(name).Config
    return made.__new__(made)


@cache
def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def configure(name: str, **options: Any) -> ModelConfig:
    """The validated configuration of an architecture. Raises InputError for unknown or impossible options.

    >>> sx.models.configure("lstm", width=32).layers
    1
    """
    return architecture(name).Config(**options)


def create(name: str, task: Problem, **options: Any) -> SequenceModel:
    """A freshly initialised model by name, e.g. `create("lstm", task, width=64, layers=1)`.

    Initialisation draws on torch's global generator. Raises InputError for unknown or impossible options.

    >>> task = sx.tasks.create("parity", length=10)
    >>> model = sx.models.create("gru", task, width=16)
    >>> batch = task.sample(3, torch.Generator().manual_seed(0))
    >>> model(batch.context, batch.queries).shape, sx.models.parameter_count(model)
    (torch.Size([3, 1, 2]), 1714)
    """
    return architecture(name).for_task(task, **options)
