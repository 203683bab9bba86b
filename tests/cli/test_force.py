"""`--force` on every command that runs trials: those named run again, to the same bits, and no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from separatrix.cli.main import app
from separatrix.experiments.card import make, probes
from separatrix.experiments.card.probes import Battery
from separatrix.experiments.engines import base
from separatrix.experiments.engines.local import LocalEngine
from separatrix.experiments.engines.run_trial import run_trial

SHORT = {"steps": 4, "warmup": 1, "validate_every": 2, "validation_contexts": 4, "test_contexts": 8, "batch_size": 4}
OPTIONS = [word for name, value in SHORT.items() for word in (f"--{name.replace('_', '-')}", str(value))]
TABLE = "{ " + ", ".join(f"{name} = {value}" for name, value in SHORT.items()) + " }"
SWEEP = f"""
[base]
task = {{ name = "index-lookup", length = 4, alphabet = 3 }}
model = {{ name = "lstm", width = 4 }}
training = {TABLE}
[grid]
seed = [0, 1]
"""
PRESET = f"""
name = "mine"
about = "Mine"
training = {TABLE}

[[panels]]
id = "mine"
figure = "mine"
title = "Mine"
about = "Mine"
draw = "curves"
task = {{ name = "index-lookup", alphabet = 3 }}
lengths = [4]
models = [{{ name = "lstm", width = 4 }}]
seeds = [0, 1]
"""
PROBE = {"id": "p", "title": "P", "about": "", "ability": "recall", "task": {"name": "parity"}, "lengths": [4]}
TASK = ("index-lookup", "--length", "4", "--alphabet", "3")
COMMANDS = {
    "train": ("train", *TASK[:1], "lstm", *TASK[1:], "--width", "4", *OPTIONS),
    "sweep": ("sweep", "sweep.toml"),
    "frontier": ("frontier", "index-lookup", "--models", "lstm", "--lengths", "4", "--widths", "2", "--seeds", "0,1",
                 "--alphabet", "3", "--target", "0.1", *OPTIONS),
    "finetune": ("finetune", *TASK, "--format", "real", "--noise", "0.1", "--seeds", "0,1", *OPTIONS),
    "reproduce": ("reproduce", "--preset", "preset.toml"),
    "card": ("card", "lstm", "--width", "4", "--thorough"),
}  # fmt: skip
RATES = ("--rates", "1e-2,3e-2")
TUNED = {f"{name}, tuned": (*COMMANDS[name], *RATES) for name in ("train", "reproduce", "card")}


class Here(LocalEngine):
    """Trials one after the other in this process."""

    workers = 1

    def __init__(self, *_: Any) -> None: ...

    def work_off(self, outstanding: base.Outstanding, tick: Any, until: int | None) -> None:
        while outstanding.waiting:
            config = outstanding.waiting.pop(0)
            outstanding.end(config, run_trial(outstanding.store, config, until=until))


@pytest.fixture
def run(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run commands with an engine of this process, without pages."""
    monkeypatch.setattr(base, "create", Here)
    monkeypatch.setattr(make, "LocalEngine", Here)
    monkeypatch.setattr(probes, "standard", lambda: Battery(seeds=[0, 1], training=SHORT, probes=[PROBE]))
    for place in ("separatrix.cli.progress", "separatrix.report"):
        monkeypatch.setattr(f"{place}.write_report", lambda store: None)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    (tmp_path / "preset.toml").write_text(PRESET)
    return run


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", [*COMMANDS, *TUNED])
def test_force(run: Any, command: str) -> None:
    words = (COMMANDS | TUNED)[command]

    def ran(*force: str) -> dict[str, int]:
        code, _, err = run(*words, "--output", "out", "--json", *force)
        assert (code, err) == (0, "")
        return {path.parent.name: path.stat().st_mtime_ns for path in Path("out").glob("trials/*/result.json")}

    first = ran()
    bits = {name: json.loads(Path(f"out/trials/{name}/result.json").read_text())["fingerprint"] for name in first}
    assert first
    assert ran() == first
    (one, *others) = sorted(first)
    again = ran("--force", one)
    assert again[one] > first[one]
    if command != "frontier":  # a search chooses its rates anew, which may take up others
        assert all(again[name] == first[name] for name in others)
    all_again = ran("--force", "all")
    assert all(all_again[name] > again[name] for name in first)
    assert {n: json.loads(Path(f"out/trials/{n}/result.json").read_text())["fingerprint"] for n in first} == bits
    code, _, err = run(*words, "--output", "out", "--force", "nonsense")
    assert code == 2
    assert "unknown trial to --force 'nonsense'" in err
    assert {p.parent.name: p.stat().st_mtime_ns for p in Path("out").glob("trials/*/result.json")} == all_again


DAMAGES = {
    "a flipped bit": lambda path: path.write_bytes(path.read_bytes()[:-9] + b"@" + path.read_bytes()[-8:]),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:900]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("damage", DAMAGES)
def test_the_advice_for_damaged_weights_mends_them(run: Any, damage: str) -> None:
    """Weights that are not whole are not measured, and the line that says so names what makes them anew."""
    words = (*COMMANDS["train"], "--output", "out")
    assert run(*words)[0] == 0
    recalled = run("recall", "out", "--json")[1]
    assert json.loads(recalled)
    (trial,) = Path("out/trials").iterdir()
    (trial / "recall.json").unlink()
    DAMAGES[damage](trial / "checkpoint.safetensors")
    code, out, err = run("recall", "out", "--json")
    assert (code, out) == (2, "")
    advice = err.splitlines()[-1].partition("run its command again with ")[2].split()
    assert advice == ["--force", trial.name]
    assert run(*words, *advice)[0] == 0
    assert run("recall", "out", "--json")[1] == recalled


def test_every_command_that_runs_trials_is_among_these() -> None:
    commands = typer.main.get_command(app).commands
    assert {name for name, command in commands.items() if "gpus" in {p.name for p in command.params}} == set(COMMANDS)
