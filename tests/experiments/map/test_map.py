"""The map: every fact of it from its source, and none where there is none."""

from __future__ import annotations

import pytest

import separatrix as sx
from separatrix import constructions
from separatrix.constructions import check
from separatrix.errors import InputError
from separatrix.experiments import Measurement, Result, Store, TrialConfig
from separatrix.experiments.map import make_map, standard_models, standard_tasks
from separatrix.experiments.map.cells import Fact, MapCell, MapRow
from separatrix.experiments.map.evidence import FORMATS, Built, built, issue, shipped
from separatrix.experiments.map.make import TASKS, own_column, own_row
from separatrix.experiments.map.proved import counted, orders
from separatrix.models.settling import transitions

SIGNED = """
import torch
import separatrix as sx

class Signed(sx.models.Mixer):
    transitions = "signed"

    def __init__(self, width: int):
        super().__init__()
        self.factor = torch.nn.Linear(width, width)

    def step(self, state, x):
        state = torch.tanh(self.factor(x)) * state + x
        return state, state

    def scan(self, x, state=None):
        state = torch.zeros_like(x[:, 0]) if state is None else state
        outputs = []
        for t in range(x.shape[1]):
            y, state = self.step(state, x[:, t])
            outputs.append(y)
        return (torch.stack(outputs, 1) if outputs else x), state
"""


@pytest.fixture(scope="module")
def made():
    return make_map()


def of(made, row: str, column: str, kind: str) -> list[Fact]:
    return [fact for fact in made.cell(row, column).facts if fact.kind == kind]


def test_rows_and_columns_are_the_registries(made):
    named = {row.name for row in made.rows}
    assert named == set(sx.models.names()) and [row.layers for row in made.rows if row.name == "transformer"] == [
        1,
        2,
        3,
    ]
    covered = {column.task["name"] for column in made.columns} | {"automaton"}
    assert covered >= {*sx.tasks.names(), *(constructions.theorem(name).task for name in constructions.names())}
    assert all(len(cells) == len(made.columns) for cells in made.cells) and len(made.cells) == len(made.rows)


def test_lower_bounds_are_those_of_bounds(made):
    for row in made.rows:
        for column in made.columns:
            task = sx.tasks.create(**column.task)
            bits = task.recurrent_bits()
            needs = of(made, row.label, column.label, "needs")
            if row.name != "transformer":
                assert [fact.evidence["bits"] for fact in needs] == ([bits] if bits else [])
            elif row.layers == 2:
                assert needs == []
            else:
                for fact in needs:
                    assert fact.evidence["width"] > 1 and fact.evidence["assumed"]
    dyck = of(made, "transformer, 1 layer", "bounded Dyck-(2,2)", "needs")
    assert max(fact.evidence["width"] for fact in dyck) > 1


def test_impossible_is_counting_with_transitions_of_one_sign(made):
    cells = {(c.model, c.task) for row in made.cells for c in row if c.status == "impossible"}
    counting = ["parity", "counting modulo 3", "words of S3", "words of S5", "running parity"]
    alike = set(sx.models.names()) - {"based"}  # whose second layer attends
    rows = [name for name in sx.models.names() if name in alike and transitions(name) == ("nonnegative",)]
    assert cells == {(row, column) for row in rows for column in counting} and {"mamba", "mlstm"} <= set(rows)
    values = sx.bounds.values_of("bf16")
    for row, steps in [("gla", values), ("mamba", values + 3), ("mlstm", 2 * values + 3)]:
        (fact,) = of(made, row, "parity", "impossible")
        assert (fact.evidence["settles_at"], fact.evidence["from_length"]) == (steps, 2 * steps + 1)
        assert fact.evidence["later"] and made.cell(row, "parity").letters.startswith("x")
    rows = [row for row in standard_models() if row.name == "gla"]
    coarse = make_map(rows, [own_column("parity", 1024)], length=1024, number_format="e4m3")
    (fact,) = of(coarse, "gla", "parity", "impossible")
    assert fact.evidence["from_length"] == 2 * 254 + 1 and coarse.cell("gla", "parity").letters.startswith("X")
    assert "0^255 1^254 and 0^254 1^255" in fact.evidence["strings"]


def test_no_cell_is_impossible_and_built_for_all_lengths(made):
    for row in made.cells:
        for cell in row:
            kinds = {
                fact.kind for fact in cell.facts if fact.kind != "built" or fact.evidence["scope"] == "all lengths"
            }
            assert not {"impossible", "built"} <= kinds


def test_what_is_built_is_exactly_what_the_constructions_make(made):
    for column in made.columns:
        task = sx.tasks.create(**column.task)
        found = {(each.construction, each.model["name"], each.model.get("layers", 1)) for each in built(task)}
        shown = {
            (fact.evidence["construction"], row.name, fact.evidence["model"].get("layers", 1))
            for row in made.rows for fact in of(made, row.label, column.label, "built")
        }  # fmt: skip
        assert shown == found
    assert of(made, "elman", "parity", "built")[0].evidence["scope"] == "all lengths"
    (lookup,) = of(made, "transformer, 1 layer", "index lookup", "built")
    assert lookup.evidence["model"]["width"] == 8 + 4 + 1  # k + b + 1 at N = 256 and 16 tokens


def test_the_shipped_evidence_is_what_is_made_today():
    known = shipped()
    assert known.built and all(each.verified and each.made and each.weights_sha256 for each in known.built)
    for each in known.built:
        assert each.construction in constructions.names()
        task = sx.tasks.create(**each.task)
        now = issue(each.construction, task, **each.options)
        same = set(Built.model_fields) - {"verified", "weights_sha256", "made", "version"}
        assert now is not None and now.model_dump(include=same) == each.model_dump(include=same)


@pytest.mark.parametrize("name", ["parity", "index-lookup"])
def test_a_shipped_hash_is_that_of_the_weights(name, tmp_path):
    each = next(each for each in shipped().built if each.construction == name)
    fields = {k: v for k, v in each.task.items() if k != "name"}
    weights = constructions.create(name, **fields, format=each.number_format).save(tmp_path / "weights.safetensors")
    assert check.check_file(weights).certificate.weights_sha256 == each.weights_sha256


def test_sizes_that_are_not_shipped_are_issued_now():
    rows = [MapRow(label="elman", model={"name": "elman"})]
    small = make_map(rows, [own_column("parity", 12)], length=12)
    (fact,) = of(small, "elman", "parity", "built")
    assert not fact.evidence["verified"] and "issued now, not yet verified" in fact.words
    assert fact.evidence["number_format"] == FORMATS[0]


def stored(store: Store, model: dict, task: dict, seed: int, accuracy: float) -> str:
    config = TrialConfig(task=task, model=model, training={"steps": 5}, seed=seed)
    share = {"answer 0": accuracy}
    test = Measurement(accuracy=accuracy, loss_bits=0.1, answers=100, accuracy_by_group=share, loss_bits_by_group=share)
    result = Result(
        identity=config.identity(), config=config.model_dump(mode="json"), status="solved", test=test,
        state_bits=32 * config.model.width,
    )  # fmt: skip
    store.write_result(result)
    return config.identity()


def test_what_training_found_comes_from_the_stores_that_are_given(tmp_path):
    store, task = Store(tmp_path / "runs"), {"name": "parity", "length": 12}
    good = [stored(store, {"name": "linear-rnn", "width": 4}, task, seed, 0.995) for seed in (0, 1)]
    stored(store, {"name": "linear-rnn", "width": 8}, task, 0, 1.0)
    stored(store, {"name": "lstm", "width": 4}, task, 0, 0.98)
    stored(store, {"name": "elman", "width": 4}, {"name": "parity", "length": 13}, 0, 1.0)
    rows = [MapRow(label=name, model={"name": name}) for name in ("linear-rnn", "lstm", "elman")]
    made = make_map(rows, [own_column("parity", 12)], [str(tmp_path / "runs")], length=12)
    (fact,) = of(made, "linear-rnn", "parity", "found")
    assert sorted(fact.evidence["trials"]) == sorted(good) and "width 4 (128 bits of state)" in fact.words
    assert made.cell("linear-rnn", "parity").status == "found" and made.cell("linear-rnn", "parity").letters == "NF"
    assert of(made, "lstm", "parity", "found") == of(made, "elman", "parity", "found") == []


def test_frontiers_come_before_trials(tmp_path):
    from separatrix.experiments import Frontier
    from separatrix.experiments.search.frontier_files import keep

    store = Store(tmp_path / "runs")
    stored(store, {"name": "gru", "width": 2}, {"name": "parity", "length": 12}, 0, 1.0)
    plan = {"task": {"name": "parity"}, "models": [{"name": "gru"}], "lengths": [12], "widths": [4]}
    point = {"model": {"name": "gru"}, "length": 12, "status": "reached", "width": 4, "reached": 2, "seeds": 3,
             "state_bits": 128}  # fmt: skip
    keep(store, Frontier(plan=plan, points=[point, point | {"length": 13}, point | {"width": None, "status": "open"}]))
    rows = [MapRow(label="gru", model={"name": "gru"})]
    made = make_map(rows, [own_column("parity", 12)], [str(tmp_path / "runs")], length=12)
    (fact,) = of(made, "gru", "parity", "found")
    assert fact.evidence["plan"] and "2 of 3 seeds" in fact.words and "width 4" in fact.words


def test_architectures_and_tasks_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SIGNED)
    rows = [own_row("mine.py:Signed"), own_row("mamba+gla"), own_row("mamba+lstm"), own_row("hf:mamba")]
    made = make_map(rows, standard_tasks(8), length=8, number_format="e4m3")
    signed = {column.label for column in made.columns if of(made, "mine.py:Signed", column.label, "impossible")}
    assert signed == {"counting modulo 3", "words of S3", "words of S5"}  # parity may be kept
    (fact,) = of(made, "mine.py:Signed", "counting modulo 3", "impossible")
    assert fact.evidence["period"] == 2 and fact.evidence["from_length"] == 2 * 2 * 254 + 2
    (fact,) = of(made, "mamba+gla", "parity", "impossible")
    assert fact.evidence["settles_at"] == 2 * 254 + 3 and fact.evidence["layers"] == 2
    assert not of(made, "mamba+lstm", "parity", "impossible") and not of(made, "hf:mamba", "parity", "impossible")
    (tmp_path / "task.py").write_text(
        "from separatrix.tasks import task\n\n\n@task(alphabet=2, answers=2)\ndef odd(context, query):\n"
        "    return int(context[0])\n"
    )
    mine = make_map([own_row("lstm")], [own_column("task.py:odd", 8)], length=8)
    assert mine.cell("lstm", "odd").status == "open" and mine.cell("lstm", "odd").letters == "."


def test_orders_and_counts():
    assert orders(sx.tasks.create("group-word", length=4, group="S3").elements) == [2, 3]
    assert orders(sx.tasks.create("group-word", length=4, group="S5").elements) == [2, 3, 4, 5, 6]
    assert counted(sx.tasks.create("state-tracking", length=4, machine="counter", modulus=5)) == [5]
    automaton = {"length": 4, "machine": "automaton", "table": ((0, 1), (1, 1))}
    assert counted(sx.tasks.create("state-tracking", **automaton)) is None
    assert counted(sx.tasks.create("index-lookup", length=4, alphabet=2)) is None


def test_a_cell_is_called_by_its_strongest_fact():
    facts = [Fact(kind=kind, words="", evidence={}) for kind in ("needs", "found", "built")]
    assert MapCell(model="m", task="t", facts=facts).status == "built"
    assert MapCell(model="m", task="t", facts=facts[:2]).status == "found"
    assert MapCell(model="m", task="t").status == "open"


def test_labels_are_unique_and_lengths_must_exist():
    with pytest.raises(InputError, match="two rows of the map are called 'lstm'"):
        make_map([own_row("lstm"), own_row("lstm")], [own_column("parity", 8)])
    assert len(standard_tasks(7)) < len(TASKS)  # no equality of odd length
