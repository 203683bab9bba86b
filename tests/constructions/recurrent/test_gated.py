"""Automata as LSTMs and GRUs with saturated gates: every string of short lengths, long ones, and gates that leak."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from separatrix import constructions
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check, check_file
from separatrix.constructions.check.arguments.product import explore
from separatrix.tasks import stream

CELLS = ("lstm", "gru")
MACHINES = [
    ("parity", {"length": 8}),
    ("modular-counter", {"length": 8, "modulus": 5}),
    ("group-word", {"length": 8, "group": "S3"}),
    ("bounded-dyck-automaton", {"length": 8, "kinds": 2, "depth": 2}),
    ("automaton", {"length": 8, "transitions": [[0, 1], [2, 1], [2, 0]], "outputs": [0, 1, 1]}),
]
CELL = "blocks.0.mixer.cell"


def least(built, context):
    """The least difference of the right logit and any other, at once and token by token."""
    queries = torch.zeros(len(context), 1, dtype=torch.int64)
    right, model = built.task.answer(context, queries)[..., None], built.model
    with torch.no_grad():
        state = model.prefill(context[:, :1])
        for t in range(1, context.shape[1]):
            state = model.prefill(context[:, t : t + 1], state, start=t)
        found = [model(context, queries), model.decode(state, queries)]
    return min(float((y.gather(2, right)[..., 0] - y.scatter(2, right, -torch.inf).amax(dim=2)).min()) for y in found)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("name", "parameters"), MACHINES)
def test_every_short_string_is_right_by_the_certified_margin(name, parameters, cell):
    built = constructions.create(name, **parameters, cell=cell)
    size = built.task.alphabet_size
    for length in range(2, 9, 2):
        if size**length <= 2**12:
            context = torch.tensor(list(product(range(size), repeat=length)))
            assert least(built, context) >= built.certificate.margin * (1 - 1e-5)
    assert check(built.model, built.certificate).margin == built.certificate.margin
    assert built.certificate.margin > (0.76 if cell == "lstm" else 0.99)


@pytest.mark.parametrize("cell", CELLS)
def test_networks_have_the_states_of_minskys(cell):
    for name, parameters in MACHINES:
        plain, gated = (constructions.create(name, **parameters, cell=each).certificate for each in ("elman", cell))
        same = ("units", "states", "pairs", "definition_states")
        assert [plain.quantities[key] for key in same] == [gated.quantities[key] for key in same]


@pytest.mark.parametrize("cell", CELLS)
def test_long_strings(cell):
    built = constructions.create("group-word", length=300, group="S3", cell=cell)
    batch = built.task.sample(64, stream(0, "test"))
    assert least(built, batch.context) >= built.certificate.margin * (1 - 1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_states_are_whole_numbers(cell):
    built = constructions.create("modular-counter", length=20, modulus=4, cell=cell)
    with torch.no_grad():
        (state,) = built.model.prefill(built.task.sample(32, stream(0, "test")).context)
    assert torch.isin(state[-1], torch.tensor([0.0, 1.0] if cell == "lstm" else [-1.0, 1.0])).all()
    assert torch.equal((state[-1] == 1).sum(dim=1), torch.ones(32, dtype=torch.int64))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("number_format", ["real", "bf16", "fixed(16)"])
def test_formats_in_which_gates_are_not_certified(cell, number_format):
    with pytest.raises(CertificateError, match="gates are 0 or 1 in fp32"):
        constructions.create("parity", length=4, cell=cell, format=number_format)


@pytest.mark.parametrize("cell", CELLS)
def test_saved_and_checked_from_the_file(cell, tmp_path):
    path = constructions.create("parity", length=8, cell=cell).save(tmp_path / "parity.safetensors")
    assert "every string of every length" in check_file(path).statement
    built = constructions.load(path)
    for told in ("elman", "another"):
        parameters = {**built.certificate.parameters, "cell": told}
        with pytest.raises(CertificateError, match="cell = "):
            check(built.model, built.certificate.replace(parameters=parameters))


@pytest.mark.parametrize(
    ("cell", "name", "place", "value", "message"),
    [
        ("lstm", "bias_ih_l0", 0, -200.0, "input gate of .* is not saturated"),
        ("lstm", "bias_ih_l0", 5, 20.0, "forget gate of 20 is not saturated"),
        ("lstm", "bias_ih_l0", 5, 128.0, "instead of|counts beyond 1"),  # remembers what was
        ("lstm", "bias_ih_l0", 13, -128.0, "an output gate is shut"),
        ("gru", "bias_ih_l0", 1, 3.0, "reset gate of 3 is not saturated"),
        ("gru", "bias_ih_l0", 5, 128.0, "instead of"),
        ("gru", "bias_hh_l0", 9, 100.0, "new value of .* is not saturated"),
    ],
)
def test_gates_must_be_saturated(cell, name, place, value, message):
    built = constructions.create("parity", length=4, cell=cell)
    built.model.state_dict()[f"{CELL}.{name}"][place] = value
    with pytest.raises(CertificateError, match=message):
        check(built.model, built.certificate)


def test_the_reset_gate_is_read():
    """With the reset gate shut, units hear nothing: the checker must see that, and so do strings."""
    built = constructions.create("parity", length=4, cell="gru")
    built.model.state_dict()[f"{CELL}.bias_ih_l0"][:4] = -128.0
    context = torch.tensor(list(product(range(2), repeat=4)))
    assert least(built, context) < 0
    with pytest.raises(CertificateError, match="instead of|as much as"):
        explore(built.model, "fp32")


def test_sizes_that_are_not_built():
    with pytest.raises(CertificateError, match="4 to 2,048 units"):
        constructions.create("modular-counter", length=2000, modulus=1500, cell="gru")
