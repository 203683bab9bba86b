"""What cannot run leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

LENGTH = ("--length", "4")
COMMANDS = {
    "train": ("train", "index-lookup", "lstm", *LENGTH),
    "sweep": ("sweep", "index-lookup", "lstm", *LENGTH),
    "frontier": ("frontier", "index-lookup", "--models", "lstm", "--lengths", "4"),
    "reproduce": ("reproduce", "--preset", "smoke"),
    "finetune": ("finetune", "index-lookup", *LENGTH, "--alphabet", "4", "--format", "real"),
    "card": ("card", "lstm"),
}


@pytest.mark.parametrize("engine", ["local", "ray"])
@pytest.mark.parametrize("command", COMMANDS)
def test_gpus_that_are_not_there(run, command: str, engine: str) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    pytest.importorskip("ray")
    chosen = () if command == "card" else ("--engine", engine)  # cards run on this machine
    code, _, err = run(*COMMANDS[command], "--gpus", "1", "--output", "out", *chosen)
    advice = "leave out --gpus to train on the processor"
    assert (code, err) == (2, f"separatrix: a trial asks for 1 GPUs, and this machine has 0: {advice}\n")
    assert not Path("out").exists()
