"""`separatrix protocol` on stores that were edited from outside: one line each, and never a wrong "equal"."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.seal import stamp, unstamped

CHECKPOINT, RESULT = "checkpoint.safetensors", "result.json"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with a recurrent model and one of attention, hardly trained, and their identities by name."""
    folder = tmp_path_factory.mktemp("runs")
    training = {"steps": 4, "warmup": 1, "batch_size": 4}
    task = {"name": "index-lookup", "length": 6, "alphabet": 3}
    trials = {
        name: TrialConfig(task=task, model={"name": name, "width": 4}, training=training)
        for name in ("lstm", "transformer")
    }
    return folder, {name: run_trial(Store(folder), trial).identity for name, trial in trials.items()}


@pytest.fixture
def edited(trained, tmp_path):
    """The same in a folder of one's own."""
    folder, identities = trained
    shutil.copytree(folder, tmp_path / "runs")
    return {name: tmp_path / "runs" / "trials" / identity for name, identity in identities.items()}


def edit(trial, change, sealed=True):
    """Alter the model's tensors in a checkpoint, and seal it again as its writer would, or as versions before did."""
    path = trial / CHECKPOINT
    with safe_open(path, "pt") as file:
        told = file.metadata()
    tensors = load(path.read_bytes())
    for name in [name for name in tensors if name.startswith("model.")]:
        tensors[name] = change(tensors[name])
    header = unstamped(told["identity"], progress=told["progress"]) if sealed else {"progress": told["progress"]}
    data = save(tensors, header)
    path.write_bytes(stamp(data) if sealed else data)


def refused(run, trial, message, *options):
    """The command ends with one line that says what is wrong."""
    code, out, err = run("protocol", "runs", trial.name, "--contexts", "8", *options)
    assert code == 2 and err.count("\n") == 1 and message in err and "equal" not in out, (out, err)


def test_what_is_stored_is_run(edited, run):
    for name, bits in (("lstm", 2 * 4 * 32), ("transformer", 6 * 8 * 32)):
        code, out, _ = run("protocol", "runs", edited[name].name, "--contexts", "8", "--json")
        found = json.loads(out)
        assert code == 0 and found["bits"] == bits and found["difference_from_forward"] < 1e-4
        assert found["equal_bit_for_bit"] is (True if name == "transformer" else None)
    assert "an exact model's messages need" in run("protocol", "runs", edited["lstm"].name)[1]


@pytest.mark.parametrize("name", ["lstm", "transformer"])
@pytest.mark.parametrize("sealed", [True, False])
def test_weights_that_are_no_numbers(edited, run, name, sealed):
    edit(edited[name], lambda weight: weight * torch.nan, sealed)
    refused(run, edited[name], "has other weights than the result")
    (edited[name] / RESULT).unlink()
    refused(run, edited[name], "logits are no numbers (NaN)")


@pytest.mark.parametrize("name", ["lstm", "transformer"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weight: weight + 1, "has other weights than the result"),
        (lambda weight: torch.cat([weight, weight]), "expected ("),
        (lambda weight: weight.double(), "float64, expected ("),
    ],
    ids=["others", "larger", "float64"],
)
def test_weights_that_are_others(edited, run, name, change, message):
    edit(edited[name], change)
    refused(run, edited[name], message)


def test_weights_of_another_trial_and_none(edited, run):
    path = edited["lstm"] / CHECKPOINT
    path.write_bytes((edited["transformer"] / CHECKPOINT).read_bytes())
    refused(run, edited["lstm"], f"belongs to trial {edited['transformer'].name}")
    path.write_bytes(pickle.dumps({"weights": [1.0]}))
    refused(run, edited["lstm"], "its header is cut off")
    path.unlink()
    refused(run, edited["lstm"], "has no trained model")


@pytest.mark.parametrize("change", [{"length": 7}, {"alphabet": 4}, {"name": "parity"}, {"name": "evil.py:answer"}])
def test_another_task(edited, run, change, tmp_path):
    mark = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(mark)!r}, 'w')\n")
    path = edited["transformer"] / "config.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"task": told["task"] | change}))
    refused(run, edited["transformer"], "")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("transformer", ("--cut", "0"), "--cut must be in 1 … 6, got 0"),
        ("transformer", ("--cut", "7"), "--cut must be in 1 … 6, got 7"),
        ("lstm", ("--cut", "0"), "cut must be in 1 … 6, got 0"),
        ("lstm", ("--precision", "0"), "precision must be in 1 … 24 bits, got 0"),
        ("transformer", ("--precision", "4"), "--precision is of a recurrent state"),
        ("lstm", ("--format", "bf16"), "--format and --arithmetic are of attention"),
        ("lstm", ("--arithmetic", "fixed"), "--format and --arithmetic are of attention"),
        ("transformer", ("--format", "real"), "real has no number of bits"),
    ],
)
def test_options_that_mean_nothing_are_not_ignored(edited, run, name, options, message):
    refused(run, edited[name], message, *options)


@pytest.mark.parametrize("identity", ["..", "/etc/passwd", "evil.py:answer", "", "*", "0123456789abcdef"])
def test_identities_that_are_none(edited, run, identity):
    code, _, err = run("protocol", "runs", identity)
    assert code == 2 and err.count("\n") == 1
