"""Streams: `read` of constructed weights on every stream that can be listed, and what a certificate says of them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from separatrix import constructions, tasks
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check, check_file
from separatrix.constructions.check.arguments.languages import language
from separatrix.constructions.check.arguments.product import WrongAnswer
from separatrix.constructions.recurrent.transducer import transducer
from separatrix.errors import InputError
from separatrix.experiments.theorems.upper import counter
from separatrix.numerics import parse
from separatrix.tasks import UNLABELLED, stream

KEEP_OR_SET = [[0, 0, 1], [1, 0, 1]]
CASES = [
    *(("flip-flop", {"cell": cell}, 8) for cell in ("elman", "lstm", "gru", "mamba")),
    *(("next-bracket", {"kinds": 2, "depth": 2, "cell": cell}, 8) for cell in ("elman", "lstm", "gru")),
    *(("state-tracking", {"machine": "S3", "cell": cell}, 4) for cell in ("elman", "lstm", "gru", "deltaproduct")),
    *(("state-tracking", {"machine": "parity", "cell": cell}, 9) for cell in ("elman", "deltanet", "deltaproduct")),
    ("state-tracking", {"machine": "counter", "modulus": 3, "cell": "gru"}, 9),
    *(("state-tracking", {"machine": "automaton", "table": counter(k), "cell": "mamba"}, 5) for k in (2, 3)),
    ("state-tracking", {"machine": "automaton", "table": KEEP_OR_SET, "cell": "mamba"}, 6),
]


def every_stream(task):
    alphabets = [task.position_alphabet(i) for i in range(task.length)]
    streams = torch.tensor(list(product(*alphabets)))
    return streams[task.valid(streams)]


def wrong(model, task, streams):
    labels = task.answer(streams)
    asked = labels != UNLABELLED
    with torch.no_grad():
        said = model.read(streams).argmax(-1)
    assert asked.any()
    return int((said != labels)[asked].sum())


@pytest.mark.parametrize(("name", "parameters", "length"), CASES)
def test_every_stream_is_read_right_at_every_place(name, parameters, length):
    built = constructions.create(name, length=length, **parameters)
    verdict = check(built.model, built.certificate)
    assert verdict.proved.scope == "all lengths" and "at every place of every stream" in verdict.statement
    assert wrong(built.model, built.task, every_stream(built.task)) == 0


@pytest.mark.parametrize(("name", "parameters", "length"), CASES)
def test_long_streams_are_read_right_in_one_pass_and_in_parts(name, parameters, length):
    built = constructions.create(name, length=600, **parameters)
    drawn = built.task.sample(4, stream(0, "test"))
    assert wrong(built.model, built.task, drawn.inputs) == 0
    with torch.no_grad():
        first, state = built.model.go_on(drawn.inputs[:, :77])
        rest, _ = built.model.go_on(drawn.inputs[:, 77:], state, start=77)
        said, asked = torch.cat([first, rest], dim=1).argmax(-1), drawn.labels != UNLABELLED
    assert torch.equal(said[asked], drawn.labels[asked])


@pytest.mark.parametrize("fields", [
    {"name": "flip-flop", "length": 8}, {"name": "next-bracket", "length": 6, "kinds": 2, "depth": 2},
    {"name": "next-bracket", "length": 8, "kinds": 1, "depth": 3},
    {"name": "state-tracking", "length": 3, "machine": "S3"},
    {"name": "state-tracking", "length": 4, "machine": "automaton", "table": counter(3)},
])  # fmt: skip
def test_machines_and_the_checker_s_definitions_are_the_oracle(fields):
    """Two definitions, written apart, against the task's own labels."""
    task = tasks.create(**fields)
    machine, definition = transducer(task), language(task)
    for tokens in every_stream(task):
        q, state, labels = 0, definition.start, task.answer(tokens[None])[0].tolist()
        for token, label in zip(tokens.tolist(), labels, strict=True):
            assert machine.labels[q, token] == label
            q, state = int(machine.transitions[q, token]), definition.step(state, token)
            assert definition.answer(state) == (None if label == UNLABELLED else label)


def test_machines_are_the_smallest():
    """Any two states of a minimal machine are told apart by some tokens: rows of labels, refined, all differ."""
    for fields, states in [
        ({"name": "flip-flop", "length": 8}, 4),
        ({"name": "next-bracket", "length": 8}, 8),
        ({"name": "state-tracking", "length": 8, "machine": "automaton", "table": counter(3)}, 4),
    ]:
        machine = transducer(tasks.create(**fields))
        rows = np.unique(machine.labels, axis=0, return_inverse=True)[1].reshape(-1)
        for _ in range(machine.states):
            told = np.column_stack([rows, rows[machine.transitions]])
            rows = np.unique(told, axis=0, return_inverse=True)[1].reshape(-1)
        assert len(set(rows.tolist())) == machine.states == states


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_counters_between_bounds_are_so_many_layers(k):
    parameters = {"length": 7, "transitions": counter(k), "outputs": list(range(k + 1)), "cell": "mamba"}
    built = constructions.create("automaton", **parameters)
    assert built.config.layers == k and check(built.model, built.certificate).margin == 0.5
    for length in range(1, 6):
        strings = torch.tensor(list(product(range(4), repeat=length)))
        asked = torch.zeros(len(strings), 1, dtype=torch.int64)
        with torch.no_grad():
            said = built.model(strings, asked).argmax(-1)
        assert torch.equal(said, built.task.answer(strings, asked))


def test_answers_of_intervals_are_built_and_others_refused():
    counting = {"length": 6, "transitions": counter(4), "cell": "mamba"}
    built = constructions.create("automaton", **counting, outputs=[1, 1, 0, 2, 2])
    assert check(built.model, built.certificate).margin == 0.5
    with pytest.raises(CertificateError, match="intervals of its count"):
        constructions.create("automaton", **counting, outputs=[0, 1, 0, 2, 2])


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("next-bracket", {"cell": "mamba"}, "no token counts through all states"),
        ("next-bracket", {"kinds": 40, "depth": 4}, "times 80 tokens more than the 8,192 units built$"),
        ("state-tracking", {"machine": "parity", "cell": "mamba"}, "no token counts through all states"),
        ("state-tracking", {"machine": "S3", "cell": "deltanet"}, "state-tracking here 3: use deltaproduct"),
        ("state-tracking", {"machine": "S5"}, "120 states times 120 tokens"),
        (
            "state-tracking",
            {"machine": "automaton", "table": [[1, 0], [2, 2], [2, 1]], "cell": "mamba"},
            "token 1 does neither",
        ),
        ("flip-flop", {"cell": "deltanet"}, "not for flip-flop here"),
    ],
)
def test_what_is_not_built_is_one_line(name, parameters, message):
    with pytest.raises(InputError, match=message):
        constructions.create(name, length=8, **parameters)


@pytest.mark.parametrize(
    ("case", "weight", "place", "value", "message"),
    [
        (0, "head.weight", (1, 13), 0.0, "is answered"),
        (3, "blocks.1.mixer.in_proj.weight", (6, 1), 0.0, "is answered"),
        (3, "blocks.1.mixer.x_proj.weight", (0, 5), 0.0, "is answered"),
        (15, "blocks.1.mixer.conv1d.weight", (4, 0, 0), 0.0, "is answered"),  # the sum of now alone
        (15, "blocks.1.mixer.conv1d.weight", (4, 0, 0), 0.5, "a tap must pass on"),
        (15, "blocks.1.mixer.conv1d.bias", (4,), -1020.0, "SiLU"),
        (15, "blocks.1.mixer.dt_proj.bias", (6,), -128.0, "is answered"),
        (15, "blocks.0.mixer.D", (0,), 1.0, "nothing may pass the memory by"),
        (15, "blocks.1.mixer.A_log", (3, 0), 1.0, "rates must be 1"),
    ],
)
def test_altered_weights_are_refused(case, weight, place, value, message):
    name, parameters, length = CASES[case]
    built = constructions.create(name, length=length, **parameters)
    with torch.no_grad():
        built.model.state_dict()[weight][place] = value
    with pytest.raises(CertificateError, match=message) as found:
        check(built.model, built.certificate)
    if message == "is answered":
        assert isinstance(found.value, WrongAnswer) and len(found.value.context) <= 6


def test_a_stream_that_is_wrong_at_its_first_token_is_named():
    built = constructions.create("state-tracking", length=4, machine="parity")
    with torch.no_grad():
        built.model.state_dict()["head.bias"][0] = 0.25
        built.model.state_dict()["head.weight"][1] *= 0.25
    with pytest.raises(CertificateError, match="whole numbers|state-tracking is answered .* on 1$"):
        check(built.model, built.certificate)


def test_files_carry_them(tmp_path):
    built = constructions.create("flip-flop", length=10, cell="mamba")
    path = built.save(tmp_path / "flip.safetensors")
    assert "at every place of every stream of every length" in check_file(path).statement
    assert constructions.load(path).task == built.task


@pytest.mark.parametrize(
    ("number_format", "counts"), [("fixed(3)", {2, 3, 7}), ("fixed(4)", {2, 3, 5, 15}), ("float(3,1)", {2, 3, 8})]
)
def test_counters_of_one_scalar_there_are_where_rounding_stops_them(number_format, counts):
    """All maps x' = fl(fl(a x) + b), 0 <= a <= 1: pairs of them that count up and down to some k and stop at both ends.

    So nothing says that a counter of 0 … k takes k layers of [0, 1] transitions.
    """
    chosen = parse(number_format)
    xs = chosen.round(torch.arange(-(2**10), 2**10 + 1, dtype=torch.float64) / 32).add(0.0).unique()
    xs = xs[xs.isfinite()]
    factors = xs[(xs >= 0) & (xs <= 1)]
    after = chosen.round(chosen.round(factors[:, None, None] * xs) + xs[None, :, None]).flatten(0, 1) + 0.0
    maps = torch.searchsorted(xs, after[torch.isin(after, xs).all(dim=1)]).unique(dim=0).tolist()
    found = set()
    for up in maps:
        for start in range(len(xs)):
            chain = [start]
            while up[chain[-1]] not in chain:
                chain.append(up[chain[-1]])
            back = [chain[max(i - 1, 0)] for i in range(len(chain))]
            if len(chain) > 2 and up[chain[-1]] == chain[-1]:
                found |= {len(chain) - 1 for down in maps if [down[x] for x in chain] == back}
    assert found == counts
