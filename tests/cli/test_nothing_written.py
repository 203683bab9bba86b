"""What cannot run leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

LENGTH = ("--length", "4")
COMMANDS = {
    "train": ("train", "index-lookup", "lstm", *LENGTH),
    "sweep": ("sweep", "sweep.toml"),
    "frontier": ("frontier", "index-lookup", "--models", "lstm", "--lengths", "4"),
    "reproduce": ("reproduce", "--preset", "smoke"),
    "finetune": ("finetune", "index-lookup", *LENGTH, "--alphabet", "4", "--format", "real"),
    "card": ("card", "lstm"),
}

SWEEP = '[base]\ntask = { name = "parity", length = 4 }\nmodel = { name = "lstm" }\n[grid]\nseed = [0, 1]\n'


@pytest.mark.parametrize("engine", ["local", "ray"])
@pytest.mark.parametrize("command", COMMANDS)
def test_gpus_that_are_not_there(run, command: str, engine: str) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    pytest.importorskip("ray")
    Path("sweep.toml").write_text(SWEEP)
    chosen = () if command == "card" else ("--engine", engine)  # cards run on this machine
    code, _, err = run(*COMMANDS[command], "--gpus", "1", "--output", "out", *chosen)
    assert code == 2
    assert err.endswith("asks for 1 GPUs, and this machine has 0: leave out --gpus to train on the processor\n")
    assert err.count("\n") == 1
    assert not Path("out").exists()
