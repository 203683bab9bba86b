"""What the page computes from results: labels, percentages, medians, curves and the answer in words."""

from __future__ import annotations

import io
import json
from itertools import pairwise

import polars as pl
import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.report.figures import export, series, theme
from separatrix.report.figures.panel_data import Collection, PanelTrials
from separatrix.report.html.labels import distinct_labels, listed, model_label, percent, slug, span, variant_key
from separatrix.report.run import panels
from separatrix.report.run import summary as answer
from separatrix.report.run.collect import collect


def panel(tmp_path, plan: dict, accuracy: dict[tuple[str, int], list[float]]) -> PanelTrials:
    """A panel whose trials have the given test accuracies, by model label and length, one for each seed."""
    store = Store(tmp_path / "run")
    preset = synthetic.preset(plan)
    store.write("preset.json", preset.model_dump_json().encode())
    for config in preset.trials():
        values = accuracy.get((model_label(config.model.model_dump()), config.task.length), [])
        if config.seed < len(values):
            result = synthetic.write(store, config)
            test = result.test.replace(accuracy=values[config.seed])
            store.write_result(result.replace(test=test))
    return collect(store).panels[0]


def test_percentages_never_round_up_to_all():
    assert percent(1.0) == "100%"
    assert percent(0.99999) == "99.9%"
    assert percent(0.995) == "99.5%"
    assert percent(0.9949) == "99%"
    assert percent(0.342) == "34%"
    assert span(0.97, 0.998) == "97–99.8%"
    assert span(0.5, 0.5) == "50%"


@given(st.floats(0, 1))
def test_only_one_is_a_hundred_percent(share):
    assert (percent(share) == "100%") == (share == 1)


def test_labels_are_those_of_the_field_and_name_what_differs():
    assert model_label({"name": "transformer", "layers": 1, "width": 64}) == "TF-(1, 64)"
    assert model_label({"name": "mine", "layers": 2, "width": 8}) == "mine-(2, 8)"
    one, four = ({"name": "transformer", "layers": 1, "width": 64, "heads": heads} for heads in (1, 4))
    training = {"learning_rate": 1e-3}
    labels = distinct_labels(
        [(one, training, 8), (four, training, 8), ({"name": "lstm", "layers": 1, "width": 8}, training, 8)]
    )
    assert set(labels.values()) == {"TF-(1, 64) heads 1", "TF-(1, 64) heads 4", "LSTM-(1, 8)"}
    faster = distinct_labels([(one, training, 8), (one, {"learning_rate": 3e-3}, 8)])
    assert faster[variant_key(one, {"learning_rate": 3e-3})] == "TF-(1, 64) learning rate 0.003"


def test_training_that_goes_with_the_length_does_not_split_a_model():
    model = {"name": "lstm", "layers": 1, "width": 8}
    small, large = {"batch_size": 8, "learning_rate": 1e-3}, {"batch_size": 16, "learning_rate": 1e-3}
    assert set(distinct_labels([(model, large, 20), (model, small, 400)]).values()) == {"LSTM-(1, 8)"}
    faster = small | {"learning_rate": 3e-3}
    labels = distinct_labels([(model, large, 20), (model, small, 400), (model, faster, 400)])
    assert labels[variant_key(model, faster)] == "LSTM-(1, 8) learning rate 0.003"


def test_lists_and_slugs():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert slug("../Bounded Dyck-(2, 2)") == "bounded-dyck-2-2"
    assert slug("…") == "panel"


@given(st.lists(st.lists(st.sampled_from("abcdefghijklmnop"), max_size=8, unique=True), max_size=5))
def test_models_beside_one_another_have_different_colours(figures):
    hues = theme.hues(figures)
    for models in figures:
        assert len({hues[model] for model in models}) == len(models)
        looks = {(hues[model] % theme.HUES, tuple(theme.dash(hues[model]))) for model in models}
        assert len(looks) == len(models)


def test_a_page_of_few_models_gives_each_its_own_colour():
    assert len(set(theme.hues([["a", "b", "c"], ["d", "e"], ["f", "g", "h"]]).values())) == 8


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_figures_keep_the_contrast_that_text_and_lines_need(mode):
    config = theme.config(mode)
    params = {param["name"]: param["value"] for param in config["params"]}
    assert all(contrast(colour, config["background"]) >= 3 for colour in params["palette"])
    assert contrast(config["axis"]["labelColor"], config["background"]) >= 4.5
    ramp = config["range"]["ramp"]
    for share in range(101):
        place = share / 100 * (len(ramp) - 1)
        at = min(int(place), len(ramp) - 2)
        mixed = [
            round(int(ramp[at][c : c + 2], 16) * (1 - place + at) + int(ramp[at + 1][c : c + 2], 16) * (place - at))
            for c in (1, 3, 5)
        ]
        cell = "#" + "".join(f"{part:02x}" for part in mixed)
        assert contrast(cell, params["onDeep"] if share / 100 > params["turn"] else params["onPale"]) >= 4.5


def test_cells_are_the_median_and_range_over_seeds(tmp_path):
    plan = {**synthetic.INDEX_LOOKUP, "seeds": [0, 1, 2]}
    rows = series.grid_rows(panel(tmp_path, plan, {("LSTM-(1, 64)", 100): [0.2, 0.5, 0.3]}))
    (row,) = rows
    assert (row["model"], row["column"], row["median"], row["low"], row["high"]) == (
        "LSTM-(1, 64)",
        "100",
        0.3,
        0.2,
        0.5,
    )
    assert (row["text"], row["small"]) == ("30%", "20–50")
    assert row["bound"] == pytest.approx(600)


def test_a_proved_ceiling_is_written_into_its_cell(tmp_path):
    (row,) = series.grid_rows(panel(tmp_path, synthetic.INDEX_LOOKUP, {("Elman-(1, 8)", 100): [0.1]}))
    assert row["small"] == f"≤ {row['ceiling']:.0%}"


def test_trials_that_ended_early_count_on_with_their_last_accuracy(tmp_path):
    store = Store(tmp_path / "run")
    configs = synthetic.fill(store, synthetic.preset({**synthetic.EQUALITY, "models": [{"name": "lstm", "width": 32}]}))
    for config, accuracies in zip(configs, [[0.5, 1.0], [0.5, 0.6, 0.7, 0.8]], strict=True):
        buffer = io.BytesIO()
        steps = [100 * (i + 1) for i in range(len(accuracies))]
        pl.DataFrame({"step": steps, "accuracy": accuracies}).write_parquet(buffer)
        store.write(f"trials/{config.identity()}/history.parquet", buffer.getvalue())
        store.write_result(store.result(config.identity()))  # with the hash of the history beside it
    rows = series.curve_rows(collect(store).panels[0])
    assert [(row["step"], row["low"], row["median"], row["high"], row["end"]) for row in rows] == [
        (100, 0.5, 0.5, 0.5, False),
        (200, 0.6, 0.8, 1.0, False),
        (300, 0.7, 0.85, 1.0, False),
        (400, 0.8, 0.9, 1.0, True),
    ]


def test_curves_say_and_draw_what_is_proved(tmp_path):
    store = Store(tmp_path / "run")
    synthetic.fill(store, synthetic.preset(synthetic.INDEX_LOOKUP, synthetic.EQUALITY))
    lookup, equality = collect(store).panels
    tops = {(row["model"], row["length"], row["ceiling"]) for row in series.curve_rows(lookup) if "ceiling" in row}
    below = {key: cell.one.result.accuracy_ceiling for key, cell in lookup.cells.items()}
    assert tops == {(*key, round(top, 4)) for key, top in below.items() if top < 1} != set()
    hues = dict.fromkeys([*lookup.labels, *equality.labels], 0)
    drawn = {
        (one.id, figure.name): figure for one in (lookup, equality) for figure in panels.section(one, hues).figures
    }
    assert "Dashed, in the model's colour" in drawn["index-lookup", "training"].see
    assert "isValid(datum.ceiling)" in json.dumps(drawn["index-lookup", "training"].chart.to_dict())
    said = drawn["equality", "training"].see
    assert "needs at least 1.58 bits (any arithmetic), one attention layer must be sent 16 (exact sums, no" in said


def test_a_decisions_ceiling_is_drawn_as_that_of_recall(tmp_path):
    """One number of 32 bits says little of two thousand elements: proved, and drawn into the panel."""
    store = Store(tmp_path / "run")
    plan = {**synthetic.EQUALITY, "id": "disjointness", "task": {"name": "disjointness", "negatives": ["one"]}}
    configs = synthetic.fill(
        store, synthetic.preset({**plan, "lengths": [4000], "models": [{"name": "elman", "width": 1}]})
    )
    ceiling = configs[0].task.accuracy_ceiling(32)
    for config in configs:
        result = store.result(config.identity())
        store.write_result(result.replace(state_bits=32, accuracy_ceiling=ceiling))
    (panel_,) = collect(store).panels
    assert 0.6 < ceiling < 0.7
    assert {row["ceiling"] for row in series.curve_rows(panel_) if "ceiling" in row} == {round(ceiling, 4)}
    shown = panels.section(panel_, dict.fromkeys(panel_.labels, 0))
    assert "isValid(datum.ceiling)" in "".join(json.dumps(figure.chart.to_dict()) for figure in shown.figures)
    assert any(column.title == "Accuracy ceiling of that state" for table in shown.tables for column in table.columns)


def test_positions_are_averaged_over_neighbours_without_losing_any(tmp_path):
    store = Store(tmp_path / "run")
    config = TrialConfig(task={"name": "index-lookup", "length": 130}, model={"name": "elman", "width": 8})
    synthetic.write(store, config)
    rows = series.position_rows(collect(store).panels[0])
    assert len(rows) == series.BINS
    covered = [tuple(map(int, row["where"].split("–"))) for row in rows]
    assert covered[0][0] == 0
    assert covered[-1][-1] == 129
    assert all(before[-1] + 1 == after[0] for before, after in pairwise(covered))


def test_the_kinds_a_model_fails_on_are_rows(tmp_path):
    store = Store(tmp_path / "run")
    synthetic.fill(store, synthetic.preset(synthetic.BOUNDED_DYCK))
    rows = series.kind_rows(collect(store).panels[0])
    assert {row["column"] for row in rows} == {"member", "wrong-type", "too-deep", "unbalanced", "random"}
    assert all(row["seeds"] == 3 for row in rows)


BOTH_WAYS = {
    ("TF-(1, 64)", 20): [1.0, 1.0], ("TF-(1, 64)", 100): [0.9991, 1.0],
    ("LSTM-(1, 64)", 20): [1.0, 1.0], ("LSTM-(1, 64)", 100): [0.3, 0.4],
    ("Elman-(1, 8)", 20): [0.5, 0.5], ("Elman-(1, 8)", 100): [0.1, 0.1],
}  # fmt: skip


def test_the_answer_names_who_does_it_and_who_does_not(tmp_path):
    measured = panel(tmp_path, synthetic.INDEX_LOOKUP, BOTH_WAYS)
    assert answer.headline(Collection(None, [measured], [], [])) == (
        "At the sizes trained here, one-layer attention does index lookup where every recurrent model falls short."
    )
    assert answer.sentence(measured) == (
        "TF-(1, 64) reaches at least 99.9% at every length from 20 to 100; "
        "at 100, LSTM-(1, 64) stays at 35% and Elman-(1, 8) 10%."
    )


@pytest.mark.parametrize(
    ("changed", "headline"),
    [
        ({("LSTM-(1, 64)", 100): [1.0, 1.0]}, "models differ, but not one-layer attention from recurrence as a whole."),
        ({("LSTM-(1, 64)", 100): [0.95, 0.95]}, "models differ, but not"),  # neither does it nor falls short
        ({("TF-(1, 64)", 100): [0.2, 0.2]}, "no separation was seen."),
        ({("TF-(1, 64)", 100): []}, "no separation was seen."),  # not finished at the longest length
    ],
)
def test_the_answer_claims_no_more_than_was_seen(tmp_path, changed, headline):
    measured = panel(tmp_path, synthetic.INDEX_LOOKUP, BOTH_WAYS | changed)
    assert headline in answer.headline(Collection(None, [measured], [], []))


def test_recurrence_wins_only_over_one_layer(tmp_path):
    accuracies = {("LSTM-(1, 32)", 100): [1.0] * 3, ("TF-(1, 16)", 100): [0.7] * 3, ("TF-(2, 64)", 100): [1.0] * 3}
    measured = panel(tmp_path, synthetic.BOUNDED_DYCK, accuracies)
    assert answer.headline(Collection(None, [measured], [], [])) == (
        "At the sizes trained here, recurrent models do bounded Dyck-(2, 2) where one-layer attention falls short."
    )
    assert answer.sentence(measured) == (
        "LSTM-(1, 32) and TF-(2, 64) reach 100% at length 100; TF-(1, 16) stays at 70%."
    )


def test_many_models_are_summed_up(tmp_path):
    models = [{"name": "lstm", "width": width} for width in (8, 16, 32, 64, 128)]
    values = {(f"LSTM-(1, {width})", 32): [0.5 + width / 1000] * 2 for width in (8, 16, 32, 64, 128)}
    measured = panel(tmp_path, {**synthetic.EQUALITY, "models": models}, values)
    assert answer.sentence(measured) == (
        "No model reaches 99% at length 32; 5 models lie between 51% (LSTM-(1, 8)) and 63% (LSTM-(1, 128))."
    )


def test_many_equal_models_have_one_number(tmp_path):
    widths = (8, 16, 32, 64, 128)
    models = [{"name": "lstm", "width": width} for width in widths]
    values = {(f"LSTM-(1, {width})", 32): [0.5 + width / 1e5] * 2 for width in widths}
    measured = panel(tmp_path, {**synthetic.EQUALITY, "models": models}, values)
    assert answer.sentence(measured) == "No model reaches 99% at length 32; 5 models stay at 50%."


@pytest.mark.parametrize(
    ("small", "shown"),
    [((0.5, 0.02), 20), ((0.02, 0.5), 50), ((0.3, 0.3), 50)],
    ids=["apart at 20", "apart at 50", "apart alike: the longer"],
)
def test_a_menu_opens_where_models_differ_most(tmp_path, small, shown):
    plan = {
        **synthetic.INDEX_LOOKUP,
        "lengths": [20, 50],
        "models": [{"name": "lstm", "width": width} for width in (8, 16)],
    }
    values = {}
    for length, accuracy in zip((20, 50), small, strict=True):
        values |= {("LSTM-(1, 8)", length): [accuracy] * 2, ("LSTM-(1, 16)", length): [0.01] * 2}
    measured = panel(tmp_path, plan, values)
    assert measured.telling_length == shown
    drawn = {figure.name: figure for figure in panels.section(measured, {"LSTM-(1, 8)": 0, "LSTM-(1, 16)": 1}).figures}
    assert drawn["positions"].at == f"context length {shown}"
    assert f'"value": {shown}' in json.dumps(drawn["positions"].chart.to_dict()["params"])


def test_every_chart_is_valid_vega_lite(tmp_path):
    store = Store(tmp_path / "run")
    synthetic.fill(store, synthetic.preset())
    collection = collect(store)
    hues = theme.hues(panel.labels for panel in collection.panels)
    figures = [figure for panel in collection.panels for figure in panels.section(panel, hues).figures]
    assert len(figures) == 7
    for figure in figures:
        figure.chart.to_dict(validate=True)
        specification = export.specification(figure)
        assert specification["datasets"]["rows"]
        assert specification["description"] == figure.alt_text
        assert "config" not in specification
