from __future__ import annotations

import pytest

from separatrix import InputError
from separatrix.experiments import presets

PANEL = """
about = "mine"
[[panels]]
id = "a"
figure = "figure2"
title = "A"
draw = "curves"
task = { name = "equality" }
lengths = [4, 8]
seeds = [0, 1]
training = { steps = 50, warmup = 5 }
models = [{ name = "lstm", width = 4 }, { name = "gru", width = 4, lengths = [4], training = { steps = 20 } }]
"""


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_makes_valid_distinct_trials(name):
    trials = presets.load(name).trials()
    assert trials
    assert len({trial.identity() for trial in trials}) == len(trials)


def test_a_panel_is_a_grid_that_models_may_override(tmp_path):
    (tmp_path / "mine.toml").write_text(PANEL)
    preset = presets.load(str(tmp_path / "mine.toml"))
    trials = preset.trials()
    assert preset.name == "mine"
    found = sorted((t.model.name, t.task.length, t.seed, t.training.steps) for t in trials)
    narrow = [("gru", 4, seed, 20) for seed in (0, 1)]
    assert found == narrow + [("lstm", length, seed, 50) for length in (4, 8) for seed in (0, 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("panels = [", "is not valid TOML"),
        (PANEL.replace("lengths = [4, 8]", "lengths = []"), "lengths"),
        (PANEL.replace("draw", "drow"), "drow"),
        ("about = 'x'\n", "'panels' is required"),
    ],
)
def test_wrong_preset_files_are_one_clear_line(tmp_path, text, message):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        presets.load(str(tmp_path / "mine.toml"))
    assert "\n" not in str(caught.value)


def test_figures_of_a_preset():
    quick = presets.load("quick")
    assert {panel.figure for panel in quick.only("figure2").panels} == {"figure2"}
    with pytest.raises(InputError, match="did you mean 'figure2'"):
        quick.only("figure-2")
