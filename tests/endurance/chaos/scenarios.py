"""What is disturbed: every command that runs trials or reads them, small enough that a kill falls anywhere in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

TRAINING = """
steps = 1500
warmup = 5
batch_size = 8
validate_every = 10
validation_contexts = 16
test_contexts = 32
"""
SWEEP = f"""
[base]
task = {{ name = "index-lookup", length = 12, alphabet = 8 }}
model = {{ name = "lstm", width = 8 }}
[base.training]
{TRAINING}
[grid]
seed = [0, 1]
"""
PRESET = f"""
about = "A panel and a frontier"
[training]
{TRAINING}
[tuning]
rates = [3e-3, 1e-2]
first = 50
[[frontiers]]
id = "lookup"
figure = "figure2"
title = "Index lookup"
task = {{ name = "index-lookup", alphabet = 2 }}
lengths = [4]
widths = [2, 4]
training = {{ steps = 300 }}
models = [{{ name = "lstm", layers = 1 }}]
[[panels]]
id = "dyck"
figure = "figure2"
title = "Bounded Dyck"
draw = "curves"
task = {{ name = "bounded-dyck", kinds = 2, depth = 2 }}
lengths = [12]
seeds = [0]
models = [{{ name = "lstm", layers = 1, width = 8 }}]
"""
BATTERY = f"""
seeds = [0]
[training]
{TRAINING}
[[probes]]
id = "recall"
title = "Recall"
about = "Index lookup."
ability = "recall"
task = {{ name = "index-lookup", alphabet = 8 }}
lengths = [12, 16]
"""
OPTIONS = TRAINING.replace(" = ", " ").replace("_", "-").split()
TRAIN = ["train", "index-lookup", "lstm", "--length", "12", "--alphabet", "8", "--width", "8"]
TRAIN += [word if number % 2 else f"--{word}" for number, word in enumerate(OPTIONS)]
FRONTIER = ["frontier", "index-lookup", "--models", "lstm", "--lengths", "4,6", "--widths", "2,4,8", "--alphabet", "2"]
FRONTIER += ["--seeds", "0"]
FRONTIER += ["--rates", "3e-3,1e-2", "--steps", "600", "--batch-size", "8", "--validate-every", "10"]


@dataclass(frozen=True)
class Scenario:
    """A command and its engine. `store`: the option that names the folder of results."""

    command: tuple[str, ...]
    engine: str = "local"
    store: str = "--output"

    def start(self, folder: Path, name: str, *more: str, **settings: str) -> subprocess.Popen[str]:
        """Begin it in a folder, with results in the folder's `name`. What it says is kept, what it prints is not."""
        for file, text in {"sweep.toml": SWEEP, "preset.toml": PRESET, "battery.toml": BATTERY}.items():
            (folder / file).write_text(text)
        engine = ["--engine", "ray"] if self.engine == "ray" else []
        target = [name] if self.command[0] == "report" else [self.store, name]
        code = "from separatrix.cli.main import main; main()"
        words = [sys.executable, "-c", code, *self.command, *target, *engine, *more]
        quick = {"SEPARATRIX_CHECKPOINT_SECONDS": "0", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
        environment = {**os.environ, **quick, **settings}
        quiet = subprocess.DEVNULL
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=quiet, stderr=subprocess.PIPE, text=True)


SCENARIOS = {
    "train": Scenario(tuple(TRAIN)),
    "sweep": Scenario(("sweep", "sweep.toml", "--workers", "1")),
    "frontier": Scenario((*FRONTIER, "--workers", "1")),
    "card": Scenario(("card", "lstm", "--width", "8", "--battery", "battery.toml", "--thorough", "--workers", "1")),
    "reproduce": Scenario(("reproduce", "--preset", "preset.toml", "--workers", "1")),
    "report": Scenario(("report",)),
    "train on Ray": Scenario(tuple(TRAIN), engine="ray"),
    "sweep on Ray": Scenario(("sweep", "sweep.toml", "--workers", "1"), engine="ray"),
    "frontier on Ray": Scenario((*FRONTIER, "--workers", "1"), engine="ray"),
}


RESULTS = "results.csv"
"""The table beside a report's page."""


def outcome(store: Path, trials: bool = True) -> dict[str, Any]:
    """What a store came to, without the times and the machine: each trial's bits, and what searches made of them."""
    found: dict[str, Any] = {}
    for path in store.rglob("trials/*/result.json") if trials else ():
        found[path.parent.name] = json.loads(path.read_text())["fingerprint"]
    for path in [*store.glob("tuning/*.json"), *store.glob("frontiers/*.json")]:
        found[str(path.relative_to(store))] = json.loads(path.read_text())["sha256"]
    for path in store.glob("*card.json"):
        trials = [trial for question in json.loads(path.read_text())["questions"] for trial in question["trials"]]
        found[path.name] = [(trial["identity"], trial["fingerprint"]) for trial in trials]
    for path in store.glob(f"report/{RESULTS}"):
        found[path.name] = pl.read_csv(path, infer_schema=False).drop("seconds").rows()
    return found
