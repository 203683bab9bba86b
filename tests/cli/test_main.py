"""The command line as a user meets it."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian", "index-lookup", "lstm"], "no command 'trian': did you mean 'train'?"),
        (["train", "index-lokup", "lstm"], "unknown task 'index-lokup': did you mean 'index-lookup'?"),
        (["train", "index-lookup", "lsmt"], "unknown model 'lsmt': did you mean 'lstm'?"),
        (["train", "index-lookup", "lstm", "--length", "4", "--widht", "8"], "did you mean '--width'?"),
        (["train", "index-lookup", "lstm", "--length", "0"], "greater than or equal to 1, got 0"),
        (["train", "index-lookup", "lstm"], "'length' is required"),
        (["train", "bounded-dyck", "lstm", "--length", "7"], "length must be even"),
        (["train", "index-lookup", "transformer", "--length", "4", "--heads", "5"], "width must be divisible by heads"),
        (["train", "index-lookup", "lstm", "8"], "expected an option such as --width 64, got '8'"),
        (["reproduce", "--preset", "quik"], "unknown preset 'quik': did you mean 'quick'?"),
        (["reproduce", "figur2"], "did you mean 'figure2'?"),
        (["reproduce", "--prest", "quick"], "no option '--prest': did you mean '--preset'?"),
        (["reproduce", "--preset", "mine.toml"], "no preset file at mine.toml"),
        (["report", "nowhere"], "nowhere holds no results"),
        (["list", "model"], "'model' is not one of 'tasks', 'models', 'constructions', 'presets'"),
        (["train", "index-lookup", "lstm", "--length", "4", "--output", "/proc/x"], "cannot use /proc/x"),
        (["train", "index-lookup", "lstm", "--length", "4", "--device", "cuda"], "did you mean '--gpus'?"),
        (["sample", "index-lookup", "--length", "4", "--zzz", "3"], "--offset, --mixed-lengths, --count"),
        (["reproduce", "theoremz"], "did you mean 'theorems'?"),
        (["reproduce", "zzzz"], "unknown figure (in preset quick) 'zzzz' (valid: all"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
    assert err.startswith("separatrix: ")


def test_list(run):
    code, out, _ = run("list", "tasks", "--json")
    assert code == 0
    assert "index-lookup" in {row["task"] for row in json.loads(out)}
    assert "lstm" in run("list", "models")[1]
    assert "quick" in run("list", "presets")[1]


def test_doctor(run):
    code, out, _ = run("doctor", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["threads"] == 1
    assert found["packages"]["torch"]
    assert found["devices"][0] == "cpu"
    assert "native kernels" in found["kernels"]


def test_train_prints_a_result_and_keeps_it(run, tmp_path):
    command = ("train", "index-lookup", "lstm", "--length", "4", "--alphabet", "3", "--width", "4", "--steps", "20",
               "--warmup", "2", "--batch-size", "4", "--seed", "5", "--json")  # fmt: skip
    code, out, _ = run(*command)
    result = json.loads(out)
    assert code == 0
    assert result["config"]["seed"] == 5
    assert result["config"]["task"]["alphabet"] == 3
    assert result["state_numbers"] == 8
    assert (tmp_path / "runs/train/trials" / result["identity"] / "result.json").exists()
    assert json.loads(run(*command)[1]) == result


def test_a_short_training_needs_no_warmup_of_its_own(run):
    code, out, _ = run("train", "index-lookup", "lstm", "--length", "4", "--alphabet", "3", "--width", "4",
                       "--steps", "20", "--batch-size", "4", "--json")  # fmt: skip
    assert code == 0 and json.loads(out)["config"]["training"]["warmup"] == 2


def test_names_and_numbers_stay_whole_in_narrow_tables(run, monkeypatch):
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run("list", "constructions")
    assert all(name in out for name in ("disjointness-interleaved", "bounded-dyck-automaton", "associative-recall"))
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in out.splitlines()) <= 80
    _, out, _ = run("audit", "mamba", "--width", "64", "--length", "4096")
    assert "77824" in out and "24,576" in out
    monkeypatch.setattr("rich.console.Console.is_terminal", False)
    monkeypatch.delenv("COLUMNS")
    _, out, _ = run("list", "constructions")
    assert "1 layer of 1 head and width ceil(log2 N) + ceil(log2 S) + 1 suffice at every length up to N" in out


HEAVY = ("torch", "numpy", "polars", "altair", "loky")
BEYOND_BOUNDS = (
    *("scipy", "polars", "altair", "vl_convert", "jinja2", "loky", "fsspec", "safetensors", "flint"),
    *(f"separatrix.{floor}" for floor in ("ops", "models", "constructions", "experiments", "report")),
)


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        (["--help"], HEAVY),
        (["bounds", "--help"], HEAVY),
        (["list", "tasks"], BEYOND_BOUNDS),
        (["bounds", "index-lookup", "--length", "400", "--alphabet", "64", "--precision", "16"], BEYOND_BOUNDS),
    ],
)
def test_a_command_imports_only_what_it_needs(command, unneeded):
    """Start-up time, without a clock: torch's own import is most of what may be spent, and only where it is needed."""
    code = f"import sys; from separatrix.cli.main import main\ntry: main({command})\nexcept SystemExit: pass\n"
    code += f"found = set({unneeded}) & set(sys.modules)\nassert not found, found"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_importing_the_package_is_instant():
    done = subprocess.run(
        [sys.executable, "-c", "import separatrix, sys; assert 'torch' not in sys.modules"], check=False
    )
    assert done.returncode == 0
