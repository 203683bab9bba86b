"""Of a sweep the page shows the best setting at each size: accuracy against width and state, and a table."""

from __future__ import annotations

import json

import synthetic

from separatrix.experiments.presets import Preset
from separatrix.experiments.store.folder import Store
from separatrix.report import write_report
from separatrix.report.figures.series import grid_rows
from separatrix.report.run import panel_figures, panels, sizes
from separatrix.report.run.collect import collect

SWEPT = {
    "id": "swept", "figure": "figure2", "title": "Swept", "draw": "heatmap",
    "task": {"name": "index-lookup", "alphabet": 4}, "lengths": [8], "seeds": [0, 1, 2],
    "models": [{"name": "lstm", "width": width} for width in (4, 8)],
}  # fmt: skip


def swept(tmp_path) -> Store:
    """Two widths at two learning rates, three seeds each, and no preset in the store."""
    store = Store(tmp_path / "run")
    plan = Preset(name="swept", about="", panels=[SWEPT])
    levels = {(4, 0.01): 0.5, (4, 0.001): 0.75, (8, 0.01): 0.875, (8, 0.001): 0.25}
    for config in plan.trials():
        for rate in (0.01, 0.001):
            trial = config.replace(training=config.training.replace(learning_rate=rate))
            result = synthetic.write(store, trial)
            level = levels[trial.model.width, rate] + 0.01 * (trial.seed - 1)
            store.write_result(result.replace(test=result.test.replace(accuracy=level)))
    return store


def test_the_best_setting_of_each_width_is_drawn_with_its_seeds(tmp_path):
    (panel,) = collect(swept(tmp_path)).panels
    found = {(row["width"], row["y"], row["low"], row["high"]) for row in sizes.rows(panel)}
    assert found == {(4, 0.75, 0.74, 0.76), (8, 0.875, 0.865, 0.885)}
    assert all("the best of 2 settings" in row["text"] for row in sizes.rows(panel))
    by_state = sizes.figures(panel)[1]
    assert [row["x"] for row in by_state.rows if row["kind"] == "observed"] == [2 * 4 * 32, 2 * 8 * 32]
    assert [row["x"] for row in by_state.rows if row["kind"] == "proved"] == [8 * 2, 8 * 2]


def test_the_table_names_the_best_setting_of_each_model(tmp_path):
    (table,) = sizes.tables(collect(swept(tmp_path)).panels[0])
    (row,) = (dict(zip([column.title for column in table.columns], row, strict=True)) for row in table.rows)
    assert (row["model"], row["width"], row["rate"], row["accuracy"]) == ("lstm", "8", "0.01", "88%")


def test_both_stand_on_the_page_and_panels_of_a_preset_are_left_as_they_are(tmp_path):
    store = swept(tmp_path)
    page = store.read(write_report(store).removeprefix(f"{store.url}/")).decode()
    assert "Test accuracy against width" in page and "The best setting of each model" in page
    asked = Store(tmp_path / "asked")
    synthetic.fill(asked, synthetic.preset())
    panels = collect(asked).panels
    assert panels and not any(sizes.figures(panel) or sizes.tables(panel) for panel in panels)
    assert json.loads(asked.read("preset.json"))["name"] == "synthetic"


def test_a_number_of_a_trial_that_was_cut_off_is_marked_as_a_budget_s(tmp_path):
    store = Store(tmp_path / "run")
    plan = synthetic.preset(synthetic.INDEX_LOOKUP)
    for config in plan.trials():
        ending = "cut off" if (config.model.name, config.seed) == ("lstm", 1) else "plateau"
        store.write_result(synthetic.write(store, config).replace(ending=ending))
    store.write("preset.json", plan.model_dump_json().encode())
    (panel,) = collect(store).panels
    marked = {row["model"] for row in grid_rows(panel) if row["text"].endswith("…")}
    assert marked == {"LSTM-(1, 64)"}
    figure = next(f for f in panel_figures.figures(panel, dict.fromkeys(panel.labels, 0)) if f.name == "accuracy")
    assert "still improving when its training was cut off" in figure.see


RECALL = {
    "id": "recall", "figure": "mqar", "title": "Recall", "draw": "state", "seeds": [0, 1],
    "task": {"name": "mqar", "vocabulary_size": 64}, "lengths": [16, 32], "widths": [4, 8],
    "task_at": {16: {"pairs": 2}, 32: {"pairs": 4}},
    "models": [{"name": "lstm"}, {"name": "transformer", "layers": 2}],
}  # fmt: skip


def test_a_panel_may_be_drawn_against_the_state_with_what_is_proved_upright(tmp_path):
    store = Store(tmp_path)
    synthetic.fill(store, synthetic.preset(RECALL))
    (panel,) = collect(store).panels
    (by_state,) = sizes.figures(panel)
    assert by_state.name == "by-state"
    assert panel_figures.figures(panel, dict.fromkeys(panel.labels, 0))[0].name == "accuracy"
    dots = {(row["model"], row["length"], row["x"]) for row in by_state.rows if row["kind"] == "observed"}
    assert ("LSTM", 16, 2 * 4 * 32) in dots and len(dots) == 2 * 2 * 2
    proved = {(row["length"], row["x"]) for row in by_state.rows if row["kind"] == "proved"}
    needed = {trial.task.length: trial.task.recurrent_bits() for trial in synthetic.preset(RECALL).trials()}
    assert proved == set(needed.items())
    assert "the best of" not in by_state.alt_text  # nothing but sizes was varied


STREAM = {
    "id": "words", "figure": "", "title": "Words", "draw": "curves", "seeds": [0, 1], "lengths": [24],
    "task": {"name": "state-tracking", "machine": "S3"}, "training": {"longest": 8},
    "models": [{"name": "lstm", "width": 4}],
}  # fmt: skip


def test_a_stream_that_was_tested_beyond_its_training_says_where_that_ends(tmp_path):
    store = Store(tmp_path)
    for config in synthetic.preset(STREAM).trials():
        result = synthetic.write(store, config)
        levels = {f"position {i}": 1.0 if i < 8 else 0.25 for i in range(24)}
        store.write_result(result.replace(test=result.test.replace(accuracy=0.5, accuracy_by_group=levels)))
    store.write("preset.json", synthetic.preset(STREAM).model_dump_json().encode())
    (panel,) = collect(store).panels
    along = next(f for f in panel_figures.figures(panel, dict.fromkeys(panel.labels, 0)) if f.name == "positions")
    assert "Training saw 8 tokens at most" in along.see and along.title == "Accuracy along the stream"
    assert '"mark": 8' in along.chart.to_json()
    said = panels.section(panel, dict.fromkeys(panel.labels, 0))
    assert "trained and validated on at most 8 tokens, tested on all N" in said.measured
    assert said.tables[0].rows[0][-1].endswith("100% within the 8 tokens trained on, 25% beyond")
