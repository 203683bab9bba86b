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
        ("about = 'x'\n", r"a preset needs \[\[panels\]\] or \[\[frontiers\]\], got none"),
    ],
)
def test_wrong_preset_files_are_one_clear_line(tmp_path, text, message):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        presets.load(str(tmp_path / "mine.toml"))
    assert "\n" not in str(caught.value)


def write(tmp_path, text: str) -> presets.Preset:
    (tmp_path / "mine.toml").write_text(text)
    return presets.load(str(tmp_path / "mine.toml"))


def test_settings_of_a_length_lie_between_the_panel_s_and_the_model_s(tmp_path):
    text = PANEL.replace("training = { steps = 50, warmup = 5 }", "training = { steps = 50, warmup = 5 }\n"
        "training_at = { 8 = { steps = 30, batch_size = 2 } }").replace(
        "{ name = \"lstm\", width = 4 }", "{ name = \"lstm\", width = 4, training_at = { 8 = { batch_size = 3 } } }"
    )  # fmt: skip
    trials = write(tmp_path, text).trials()
    found = {(t.model.name, t.task.length): (t.training.steps, t.training.batch_size) for t in trials}
    assert found == {("lstm", 4): (50, 64), ("lstm", 8): (30, 3), ("gru", 4): (20, 64)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds = [0, 1]", "seeds = [0, 0]", "panel a asks twice for lstm-(1, 4) equality N=4 seed 0"),
        ("warmup = 5", "warmup = 50", "panel a, lstm at length 4: .*warmup must be shorter than steps"),
        (
            "lengths = [4, 8]",
            "lengths = [4, 8]\ntraining_at = { 6 = { steps = 9 } }",
            "names length 6, which is not in",
        ),
        ("lengths = [4, 8]", "lengths = [4, 8]\nrecall = [6]", "recall names length 6, which is not in"),
        ("lengths = [4, 8]", "lengths = [4, 7]", "panel a, lstm at length 7: .*even"),
    ],
)
def test_contradictory_presets_are_one_clear_line(tmp_path, old, new, message):
    with pytest.raises(InputError, match=message.replace("(", "\\(").replace(")", "\\)")) as caught:
        write(tmp_path, PANEL.replace(old, new))
    assert "\n" not in str(caught.value)


def test_two_panels_of_one_id_are_refused(tmp_path):
    again = PANEL.replace('about = "mine"', "")
    with pytest.raises(InputError, match="two panels 'a'"):
        write(tmp_path, PANEL + again)


def test_panels_may_share_trials(tmp_path):
    again = PANEL.replace('about = "mine"', "").replace('id = "a"', 'id = "b"')
    both = write(tmp_path, PANEL + again)
    assert len(both.trials()) == len(both.only("a").trials()) == len(both.only("b").trials())


def test_settings_from_the_command_line_win_over_everything(tmp_path):
    preset = write(tmp_path, PANEL)
    changed = preset.changed({"training.steps": 7, "training.warmup": 1, "seeds": 3, "lengths": [6], "model.width": 5})
    found = {(t.model.name, t.task.length, t.seed, t.training.steps, t.model.width) for t in changed.trials()}
    assert found == {("lstm", 6, 3, 7, 5), ("gru", 6, 3, 7, 5)}
    layout = preset.changed({"task.layout": "interleaved"})
    assert all(trial.task.layout == "interleaved" for trial in layout.trials())
    with pytest.raises(InputError, match="no setting 'steps': expected lengths, seeds, training.FIELD"):
        preset.changed({"steps": 7})
    with pytest.raises(InputError, match="warmup must be shorter than steps"):
        preset.changed({"training.steps": 3}).trials()


def test_the_laptop_preset_has_what_the_figures_ask_for():
    preset = presets.load("laptop")
    panels = {panel.id: panel for panel in preset.panels}
    lookup, widths = panels["index-lookup"], panels["mamba-widths"]
    families = {model["name"] for model in lookup.models}
    assert families == {"transformer", "lstm", "linear-rnn", "dss", "retnet", "mamba", "elman"}
    assert {model["name"] for model in widths.models} == {"mamba"}
    assert {"figure2", "figure3", "figure4"} == {panel.figure for panel in panels.values()}


@pytest.mark.parametrize("name", ["quick", "laptop", "mqar", "mqar-paper", "state-tracking"])
def test_comparisons_are_at_equal_widths_and_steps_and_rates_are_chosen(name):
    """No panel shows a budget in place of an architecture: what differs within one is the architecture."""
    preset = presets.load(name)
    for panel in preset.panels:
        assert preset.tuning_of(panel) is not None and len(preset.tuning_of(panel).rates) > 1
        trials = [trial for trial in panel.trials(preset.training) if trial.model.name != "elman"]
        assert len({trial.training.content_hash() for trial in trials}) == 1
        widths: dict[str, set[int]] = {}
        for trial in trials:
            widths.setdefault(trial.model.name, set()).add(trial.model.width)
        if panel.id != "mamba-widths":
            assert len(set(map(frozenset, widths.values()))) == 1
            assert panel.draw == "state" or max(map(len, widths.values())) == 1
    for frontier in preset.frontiers:
        assert frontier.plan(preset.training, preset.tuning).tuning is not None


def test_the_laptop_preset_has_a_model_below_its_bound():
    trials = [trial for panel in presets.load("laptop").panels for trial in panel.trials({})]
    small = [trial for trial in trials if trial.model.name == "elman"]
    assert small and all(32 * trial.model.width < trial.task.recurrent_bits() for trial in small)


def test_the_laptop_preset_searches_four_recurrent_families_at_four_lengths():
    """And one- and two-layer Transformers at the same widths; so does the search on brackets."""
    preset = presets.load("laptop")
    for plan in preset.plans():
        assert min(len(plan.lengths_of(model)) for model in plan.models) >= 4
        assert {model.get("layers") for model in plan.models if model["name"] == "transformer"} == {1, 2}
    recurrent = [model for model in preset.plans()[0].models if model["name"] != "transformer"]
    assert len(recurrent) >= 4


def test_the_paper_preset_has_the_whole_grid_of_figure_three():
    trials = presets.load("paper").only("figure3").trials()
    grid = {(trial.task.length, trial.model.width) for trial in trials}
    assert {(n, w) for n in (20, 50, 75, 100, 200, 400) for w in (32, 64, 256, 512, 1024)} <= grid


def test_figures_of_a_preset():
    quick = presets.load("quick")
    assert {panel.figure for panel in quick.only("figure2").panels} == {"figure2"}
    with pytest.raises(InputError, match="did you mean 'figure2'"):
        quick.only("figure-2")


# widths, tasks that change with the length, streams ------------------------------------------------------------------
def test_a_panel_may_say_the_widths_of_its_models(tmp_path):
    text = PANEL.replace("lengths = [4, 8]\n", "lengths = [4, 8]\nwidths = [3, 5]\n", 1).replace(
        'name = "lstm", width = 4', 'name = "lstm"'
    )
    preset = write(tmp_path, text)
    found = {(t.model.name, t.model.width) for t in preset.trials()}
    assert found == {("lstm", 3), ("lstm", 5), ("gru", 4)}  # a model's own width stands
    own = write(tmp_path, text.replace('name = "lstm"', 'name = "lstm", widths = [7]'))
    assert {(t.model.name, t.model.width) for t in own.trials()} == {("lstm", 7), ("gru", 4)}
    assert {t.model.width for t in own.changed({"model.width": 6}).trials()} == {6}


def test_a_task_may_change_with_the_length(tmp_path):
    text = PANEL.replace("lengths = [4, 8]\n", "lengths = [4, 8]\ntask_at = { 8 = { layout = 'interleaved' } }\n", 1)
    preset = write(tmp_path, text)
    assert {(t.task.length, t.task.layout) for t in preset.trials()} == {(4, "concatenated"), (8, "interleaved")}
    assert {t.task.layout for t in preset.changed({"task.layout": "concatenated"}).trials()} == {"concatenated"}
    with pytest.raises(InputError, match="task_at names length 6, which is not in"):
        write(tmp_path, text.replace("8 = { layout", "6 = { layout"))


@pytest.mark.parametrize("name", ["mqar", "mqar-paper"])
def test_recall_is_compared_over_widths_lengths_and_pairs(name):
    panels = {panel.id: panel for panel in presets.load(name).panels}
    trials = panels["mqar"].trials(presets.load(name).training)
    assert {t.model.name for t in trials} >= {
        "transformer", "mamba", "mamba2", "gla", "deltanet", "gated-deltanet", "retnet",
    }  # fmt: skip
    for values in ({t.model.width for t in trials}, {(t.task.length, t.task.pairs) for t in trials}):
        assert len(values) >= 3
    published = [t for panel in panels.values() for t in panel.trials({}) if t.task.vocabulary_size == 8192]
    assert {(t.task.length, t.task.pairs, t.model.width) for t in published} >= {(64, 4, 64)}


def test_state_is_tracked_beyond_the_lengths_trained_on():
    preset = presets.load("state-tracking")
    trials = preset.trials()
    assert {t.task.machine for t in trials} >= {"parity", "S3", "A5"}
    assert {t.model.name for t in trials} >= {"linear-rnn", "lstm", "deltanet", "mamba", "transformer"}
    assert all(t.trained.length < t.task.length for t in trials)
