"""Large stores, large sweeps, long trials: time and memory of what grows with use.

Run: python benchmarks/load.py [stored] [sweep] [steps] [--trials 100000] [--json]

stored  a store of so many made-up trials: listing it, exporting it, its page
sweep   2,000 trials of a few steps through the command line
steps   10,000 steps of every family: resident memory after 1,000 and at the end
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
MEBI = 2**20
SWEEP = """
[base]
task = { name = "index-lookup", length = 4, alphabet = 2 }
model = { name = "elman", width = 2 }
[base.training]
steps = 4
warmup = 1
batch_size = 4
validate_every = 2
validation_contexts = 4
test_contexts = 8
[grid]
seed = SEEDS
"""


def command(*words: str, folder: str) -> tuple[float, float]:
    """Seconds of a command and its peak memory in MiB, with that of the processes it starts."""
    begun, peak = time.monotonic(), 0.0
    code = "from separatrix.cli.main import main; main()"
    quiet = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, "-c", code, *words], cwd=folder, stdout=quiet, stderr=quiet) as process:
        while process.poll() is None:
            try:
                family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
                peak = max(peak, sum(each.memory_info().rss for each in family))
            except psutil.Error:
                pass
            time.sleep(0.2)
    return round(time.monotonic() - begun, 1), round(peak / MEBI)


def stored(trials: int) -> dict[str, Any]:
    """A store of made-up trials, and what reading it costs."""
    from synthetic import INDEX_LOOKUP, preset, write

    from separatrix.experiments.presets import Preset
    from separatrix.experiments.store.folder import Store

    widths = [8, 16, 32, 64]
    models = [
        {"name": name, "width": width} for name in ("transformer", "lstm", "elman", "gru", "mamba") for width in widths
    ]
    seeds = list(range(-(-trials // (len(models) * 5))))
    panel = {**INDEX_LOOKUP, "models": models, "lengths": [20, 50, 100, 200, 400], "seeds": seeds}
    plan: Preset = preset(panel)
    os.fsync = lambda _: None  # the store is thrown away: nothing of it has to outlive a crash
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"{folder}/runs")
        begun = time.monotonic()
        store.write("preset.json", plan.model_dump_json().encode())
        for config in plan.trials()[:trials]:
            write(store, config)
        found: dict[str, Any] = {"trials": trials, "written (s)": round(time.monotonic() - begun, 1)}
        found["export (s, MiB)"] = command("export", "runs", "all.csv", folder=folder)
        found["report (s, MiB)"] = command("report", "runs", folder=folder)
        page = Path(folder, "runs/report/index.html")
        found["page (MiB)"] = round(page.stat().st_size / MEBI, 1) if page.exists() else None
    return found


def sweep(trials: int) -> dict[str, Any]:
    """Trials of a few steps by the thousand: what is not training."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "many.toml").write_text(SWEEP.replace("SEEDS", str(list(range(trials)))))
        seconds, peak = command("sweep", "many.toml", "--output", "runs", folder=folder)
        done = sum(1 for _ in Path(folder, "runs/trials").glob("*/result.json"))
    return {"trials": done, "seconds": seconds, "milliseconds a trial": round(1e3 * seconds / trials, 1), "MiB": peak}


def steps(count: int) -> dict[str, Any]:
    """Resident memory of a trial of every family, after a tenth of its steps and at the end."""
    import torch

    from separatrix.experiments.trial.config import TrialConfig
    from separatrix.experiments.trial.trainer import Trainer
    from separatrix.models import names

    torch.set_num_threads(1)
    memory = psutil.Process().memory_info
    found = {}
    for name in names():
        training = {"steps": count, "batch_size": 8, "queries": 8, "validate_every": count, "validation_contexts": 8}
        config = TrialConfig(
            task={"name": "index-lookup", "length": 16, "alphabet": 8},
            model={"name": name, "width": 16},
            training={**training, "test_contexts": 8},
        )
        trainer = Trainer(config)
        trainer.train_to(count // 10)
        early = memory().rss
        trainer.train_to(count)
        found[name] = {"MiB": round(early / MEBI), "grown by (MiB)": round((memory().rss - early) / MEBI, 1)}
    return found


def main() -> None:
    """Run the parts that are named, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["stored", "sweep", "steps", []])
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    parts = {"stored": lambda: stored(given.trials), "sweep": lambda: sweep(2_000), "steps": lambda: steps(given.steps)}
    found = {name: parts[name]() for name in given.parts or parts}
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for name, rows in found.items():
        print(name, *(f"  {key}: {value}" for key, value in rows.items()), sep="\n")


if __name__ == "__main__":
    main()
