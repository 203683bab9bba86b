"""One trial, the store, the engines that run many, and what is measured with them.

A trial is a configuration that decides its result; a store keeps results by the configurations' identities.
Cards and presets have rooms, and names, of their own: `separatrix.experiments.card`, `separatrix.experiments.presets`.

trial/     configuration, training, test, checkpoint
store/     a folder of trials, read as a table
engines/   who runs trials: this process, the cores of this machine, a Ray cluster
search/    many trials: sweeps, halving, frontiers, and what they cost
measure/   what trained models hold: bits recalled, rate–accuracy curves, attention compared
presets/   the figures to reproduce; card/ what any architecture can hold; theorems/ the theorems, run; map/ the map

>>> from separatrix.experiments import TrialConfig
>>> config = TrialConfig(task={"name": "parity", "length": 8}, model={"name": "gru", "width": 8})
>>> config.label, config.identity()
('gru-(1, 8) parity N=8 seed 0', '099b133c579cdb08')
"""

from typing import Any as _Any

from separatrix.lazy import lazy as _lazy

_find, __all__ = _lazy(
    __name__,
    {
        "tuned": ["Trained", "train"],
        "trial.config": ["Start", "TrainingConfig", "TrialConfig"],
        "trial.result": ["Measurement", "Result"],
        "store.folder": ["Store"],
        "store.table": ["export", "results"],
        "engines.base": ["Engine", "Resources"],
        "engines.local": ["LocalEngine"],
        "engines.ray": ["RayEngine"],
        "engines.run_trial": ["load_trained", "run_trial"],
        "search.sweep": ["Sweep", "load_sweep"],
        "search.halving": ["Halving"],
        "search.frontier": ["Frontier", "FrontierPlan"],
        "search.frontier_search": ["find_frontier"],
        "search.tuning": ["Choice", "Tuning", "choose_rates"],
        "search.cost": ["Cost", "estimated_cost"],
        "measure.capacity": ["Capacity", "bits_recalled"],
        "measure.rate_accuracy": ["RateCurve", "RatePoint", "rate_curve"],
        "measure.memory_wall": ["MemoryWall", "memory_wall"],
        "measure.attention_overlap": ["Likeness", "likeness"],
        "measure.language_model": ["recall"],
    },
)


def __getattr__(name: str) -> _Any:
    return _find(name)


def __dir__() -> list[str]:
    return __all__
