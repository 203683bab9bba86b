from __future__ import annotations

import pytest

from separatrix import InputError
from separatrix.experiments.search.sweep import Sweep, estimated_seconds, load_sweep, select, trial_labels

FILE = """
[base]
task = { name = "index-lookup", alphabet = 4 }
training = { steps = 20, warmup = 2, batch_size = 4 }
[[cases]]
"model.name" = "lstm"
[[cases]]
"model.name" = "transformer"
"model.heads" = 2
[grid]
"task.length" = [4, 6]
"model.width" = [8]
seed = [0, 1, 1]
"""


@pytest.fixture
def sweep(tmp_path) -> Sweep:
    path = tmp_path / "sweep.toml"
    path.write_text(FILE)
    return load_sweep(path)


def test_every_case_with_every_combination_once(sweep):
    trials = sweep.trials()
    assert sorted((t.model.name, t.task.length, t.seed) for t in trials) == sorted(
        (name, length, seed) for name in ("lstm", "transformer") for length in (4, 6) for seed in (0, 1)
    )
    assert all(trial.model.heads == 2 for trial in trials if trial.model.name == "transformer")
    assert "model" not in sweep.base


def test_labels_tell_apart_what_the_sweep_varies(sweep):
    trials = sweep.trials()
    labels = trial_labels(trials)
    assert [labels[trial.identity()] for trial in trials] == [trial.label for trial in trials]
    rates = [
        trial.replace(training=trial.training.replace(learning_rate=rate))
        for trial in trials[:1]
        for rate in (0.1, 0.2)
    ]
    assert list(trial_labels(rates).values()) == [f"{trials[0].label} learning_rate={rate}" for rate in (0.1, 0.2)]


def test_select(sweep):
    chosen = select(sweep.trials(), ["model.name=lstm", "task.length=6"])
    assert {(t.model.name, t.task.length) for t in chosen} == {("lstm", 6)}
    assert len(select(sweep.trials(), ["training.learning_rate=1e-3"])) == len(sweep.trials())
    assert select(sweep.trials(), ["model.width=9"]) == []
    with pytest.raises(InputError, match="unknown field 'model.widht': did you mean 'model.width'"):
        select(sweep.trials(), ["model.widht=8"])
    with pytest.raises(InputError, match="a condition such as model.width=64, got 'lstm'"):
        select(sweep.trials(), ["lstm"])


def test_the_estimate_grows_with_the_steps(sweep):
    trials = sweep.trials()[:1]
    longer = [trials[0].replace(training=trials[0].training.replace(steps=20_000))]
    assert 0 < estimated_seconds(trials) < estimated_seconds(longer)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[grid", "is not valid TOML"),
        ("[gird]\nseed = [1]", "unknown key 'gird': did you mean 'grid'"),
        (FILE.replace("model.width", "model.widht"), "unknown key 'widht': did you mean 'width'"),
        (FILE.replace('"task.length"', '"seed.length"'), "'seed.length' goes through 'seed'"),
    ],
)
def test_wrong_sweeps_are_one_clear_line(tmp_path, text, message):
    path = tmp_path / "sweep.toml"
    path.write_text("[base]\nseed = 3\n" + text if "seed.length" in text else text)
    if "seed.length" in text:
        path.write_text(text.replace("[base]", "[base]\nseed = 3"))
    with pytest.raises(InputError, match=message) as caught:
        load_sweep(path).trials()
    assert "\n" not in str(caught.value)


def test_no_file():
    with pytest.raises(InputError, match="no sweep file at nowhere.toml"):
        load_sweep("nowhere.toml")
