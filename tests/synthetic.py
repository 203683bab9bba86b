"""Stores of made-up results, for tests of what reads them. Nothing is trained."""

from __future__ import annotations

import io
import math
import random
from typing import Any

import polars as pl

from separatrix.experiments.presets import Preset
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.environment import environment
from separatrix.experiments.trial.result import Measurement, Result
from separatrix.report.figures.panel_data import Collection, PanelTrial, PanelTrials
from separatrix.report.html.labels import model_label

HOSTILE = "NotFinite: <script>window.hacked = 1</script> </script><img src=x onerror='window.hacked = 2'>"
"""An error that would run where it is not escaped."""
CHARTS = 7
"""Figures of a page of the three panels below."""

INDEX_LOOKUP: dict[str, Any] = {
    "id": "index-lookup",
    "figure": "figure2",
    "title": "Index lookup: which token stands at the queried position?",
    "about": "One-layer attention looks the token up at every length; a recurrent state loses tokens.",
    "draw": "heatmap",
    "task": {"name": "index-lookup", "alphabet": 64},
    "lengths": [20, 100],
    "seeds": [0, 1],
    "models": [{"name": "transformer", "width": 64}, {"name": "lstm", "width": 64}, {"name": "elman", "width": 8}],
}
BOUNDED_DYCK: dict[str, Any] = {
    "id": "bounded-dyck",
    "figure": "figure2",
    "title": "Bounded Dyck-(2, 2): are the brackets balanced, never deeper than two?",
    "about": "A recurrent state of constant size suffices.",
    "draw": "curves",
    "task": {"name": "bounded-dyck", "kinds": 2, "depth": 2},
    "lengths": [100],
    "seeds": [0, 1, 2],
    "models": [
        {"name": "lstm", "width": 32},
        {"name": "transformer", "width": 16},
        {"name": "transformer", "layers": 2, "width": 64},
    ],
}
EQUALITY: dict[str, Any] = {
    "id": "equality",
    "figure": "figure4",
    "title": "Equality of two 16-bit strings, interleaved",
    "draw": "curves",
    "task": {"name": "equality", "layout": "interleaved"},
    "lengths": [32],
    "seeds": [0, 1],
    "models": [{"name": "lstm", "width": 32}, {"name": "transformer", "width": 16}],
}


def preset(*panels: dict[str, Any]) -> Preset:
    """A preset of these panels."""
    return Preset(
        name="synthetic",
        about="Two separations, made up",
        training={"steps": 2000},
        panels=list(panels or (INDEX_LOOKUP, BOUNDED_DYCK, EQUALITY)),
    )


def fill(store: Store, plan: Preset, skip: int = 0) -> list[TrialConfig]:
    """Write the preset and a result for each of its trials but the last `skip`; returns all configurations."""
    store.write("preset.json", plan.model_dump_json().encode())
    configs = plan.trials()
    for config in configs[: len(configs) - skip]:
        write(store, config)
    return configs


def collection(plan: Preset) -> Collection:
    """What a store of the preset's trials holds, without one: for thousands of them."""
    told = environment()
    panels = []
    for panel in plan.panels:
        trials = []
        for config in panel.trials(plan.training):
            result, history = finished(config, told)
            trials.append(PanelTrial(result, model_label(config.model.model_dump()), history))
        panels.append(PanelTrials(panel.id, panel, trials, [], []))
    return Collection(plan, panels, [trial.result for panel in panels for trial in panel.measured], [])


def write(store: Store, config: TrialConfig) -> Result:
    """A finished trial in a store."""
    result, history = finished(config, environment())
    buffer = io.BytesIO()
    pl.DataFrame(history).write_parquet(buffer)
    store.write(f"trials/{result.identity}/history.parquet", buffer.getvalue())
    store.write_result(result)
    return result


def finished(config: TrialConfig, told: dict[str, Any]) -> tuple[Result, list[dict[str, float]]]:
    """A result and its history: Transformers look up, recurrent models close brackets, the others fall short."""
    rng = random.Random(config.identity())
    task, model = config.task, config.model
    lookup, attention = task.name == "index-lookup", model.name == "transformer"
    if lookup:
        level = 1.0 if attention else min(1.0, 0.35 * model.width / task.length + rng.uniform(0, 0.04))
        groups = {name: _recency(level, i, task.length) for i, name in enumerate(task.groups)}
    else:
        groups = {name: 1.0 if not attention or model.layers > 1 else rng.uniform(0.5, 1) for name in task.groups}
    accuracy = round(sum(groups.values()) / len(groups), 6)
    numbers = 2 * task.length * model.width if attention else model.width * (2 if model.name == "lstm" else 1)
    result = Result(
        identity=config.identity(),
        config=config.model_dump(mode="json"),
        status="solved" if accuracy >= 0.999 else "finished",
        test=Measurement(
            accuracy=accuracy,
            loss_bits=round(6 * (1 - accuracy), 4),
            answers=1024 * task.query_count,
            accuracy_by_group=groups,
            loss_bits_by_group={name: round(6 * (1 - value), 4) for name, value in groups.items()},
        ),
        steps=config.training.steps,
        tokens=config.training.steps * config.training.batch_size * 2 * task.length,
        parameters=12345,
        state_numbers=numbers,
        state_bits=32 * numbers,
        recurrent_bits=task.recurrent_bits(),
        attention_bits=task.attention_bits(),
        accuracy_ceiling=min(1.0, 0.05 + 32 * numbers / task.recurrent_bits()) if lookup else 1.0,
        weights_sha256="0" * 64,
        seconds=round(rng.uniform(4, 40), 3),
        environment=told,
    )
    pace = rng.uniform(200, 500)
    history = [
        {
            "step": step,
            "train_loss_bits": 6 * math.exp(-step / pace),
            "accuracy": (chance := 1 / task.answers) + (accuracy - chance) / (1 + math.exp((2.5 * pace - step) / 90)),
            "loss_bits": 6 * math.exp(-step / pace),
            "learning_rate": 1e-3,
        }
        for step in range(100, config.training.steps + 1, 100)
    ]
    return result, history


def fail(store: Store, config: TrialConfig, error: str) -> Result:
    """A failed trial."""
    result = Result(
        identity=config.identity(),
        config=config.model_dump(mode="json"),
        status="failed",
        error=error,
        environment=environment(),
    )
    store.write_result(result)
    return result


def _recency(level: float, position: int, length: int) -> float:
    """Accuracy by position with the given mean: the latest tokens are kept best."""
    if level >= 1:
        return 1.0
    return round(min(1.0, max(0.01, 2 * level * position / max(1, length - 1))), 4)
