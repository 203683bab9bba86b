"""Odd values in every option of every command, and odd files: one line and exit code 2, at once, nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from separatrix.cli.main import app

LOOKUP = ("index-lookup", "--length", "4", "--alphabet", "3")
BASES: dict[str, tuple[str, ...]] = {
    "train": ("train", "index-lookup", "lstm", *LOOKUP[1:]),
    "sweep": ("sweep", "sweep.toml"),
    "frontier": ("frontier", "index-lookup", "--models", "lstm", "--lengths", "4"),
    "finetune": ("finetune", *LOOKUP, "--format", "real"),
    "reproduce": ("reproduce", "--preset", "smoke"),
    "card": ("card", "lstm"),
    "sample": ("sample", *LOOKUP),
    "bounds": ("bounds", *LOOKUP),
    "analyze": ("analyze", "parity", "--lengths", "2..3"),
    "audit": ("audit", "mamba.json"),
    "construct": ("construct", *LOOKUP, "--format", "real"),
    "certify": ("certify", "model.safetensors"),
    "ask": ("ask", "model.safetensors", "0", "1"),
    "convert": ("convert", "model.safetensors", "model.onnx"),
    "protocol": ("protocol", *LOOKUP),
    "compare": ("compare", "card.json"),
    "leaderboard": ("leaderboard", "cards"),
    "list": ("list", "tasks"),
    "export": ("export", "runs", "out.csv"),
    "recall": ("recall", "runs"),
    "report": ("report", "runs"),
    "plan": ("plan", *LOOKUP),
    "figure": ("figure", "runs", "memory-wall"),
    "limits": ("limits", "lstm"),
    "map": ("map", "--length", "8"),
    "doctor": ("doctor",),
}
FREE = {"train": "width", "frontier": "learning-rate", "finetune": "steps", "card": "width", "sample": "alphabet",
        "bounds": "alphabet", "analyze": "length", "audit": "length", "construct": "alphabet",
        "limits": "width"}  # fmt: skip
"""An option that goes to a configuration, of each command that takes such."""
NUMBERS = ["inf", "-inf", "nan", "1e999", "9" * 5000, "-1", "1.5.2", "[[1]]", "null", "\0"]
TEXTS = ["a\0b", "9" * 5000, "ftp://127.0.0.1:9/x"]


def numeric(parameter: Any) -> bool:
    return any(kind in str(parameter.type_descriptor.annotation) for kind in ("int", "float"))


def cases() -> list[tuple[str, str, str]]:
    found = []
    for name, command in typer.main.get_command(app).commands.items():
        for parameter in command.params:
            option = next((word for word in parameter.opts if word.startswith("--")), None)
            if option in (None, "--help") or getattr(parameter, "is_flag", False):
                continue
            found += [(name, option, value) for value in (NUMBERS if numeric(parameter) else TEXTS)]
        found += [(name, f"--{FREE[name]}", value) for value in NUMBERS if name in FREE]
    return found


def test_every_command_is_tried() -> None:
    assert set(BASES) == set(typer.main.get_command(app).commands)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the sweep file of `BASES`."""
    (tmp_path / "sweep.toml").write_text('[base]\ntask = { name = "parity", length = 4 }\nmodel = { name = "lstm" }\n')
    return tmp_path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in BASES if name != "doctor"])
def test_odd_values_are_one_line(run: Any, place: Path, name: str) -> None:
    for command, option, value in cases():
        if command != name:
            continue
        code, _, err = run(*BASES[name], option, value)
        what = (option, value[:20], err[:300])
        assert code == 2, what
        assert err.startswith("separatrix: "), what
        assert err.count("\n") == 1, what
        assert len(err) < 1000, what
        assert [path.name for path in place.iterdir()] == ["sweep.toml"], what
