"""Recurrent cells with every result rounded, against the models themselves and against one number at a time."""

from __future__ import annotations

import math

import pytest
import torch

import separatrix as sx
from separatrix.constructions.rounding.recurrent import RoundedRecurrent
from separatrix.numerics import parse

MODELS = [
    ("elman", {}),
    ("elman", {"nonlinearity": "relu", "mlp": 5}),
    ("gru", {"residual": True}),
    ("lstm", {"mlp": None}),
]


def create(name: str, **options):
    task = sx.tasks.create("index-lookup", length=6, alphabet=3)
    return task, sx.models.create(name, task, **{"width": 4, "layers": 2, **options})


@pytest.mark.parametrize(("name", "options"), MODELS)
def test_without_rounding_they_are_the_models(name, options):
    task, model = create(name, **options)
    batch = task.sample(5, torch.Generator().manual_seed(0), queries=3)
    with torch.no_grad():
        said = RoundedRecurrent(model, "real").forward(batch.context, batch.queries)
        torch.testing.assert_close(said, model.double()(batch.context, batch.queries), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("number_format", ["bf16", "fixed(8)"])
@pytest.mark.parametrize(("name", "options"), MODELS)
def test_every_number_is_a_value_of_the_format(name, options, number_format):
    task, model = create(name, **options)
    batch = task.sample(5, torch.Generator().manual_seed(0), queries=3)
    rounded = RoundedRecurrent(model, number_format)
    state = rounded.start(5)
    for t in range(task.length):
        _, state = rounded.step(state, batch.context[:, t])
        assert all(parse(number_format).holds(part) for layer in state for part in layer)
    assert parse(number_format).holds(rounded.decode(state, batch.queries))


@pytest.mark.parametrize("name", ["elman", "gru", "lstm"])
def test_one_step_number_by_number(name):
    _, model = create(name, layers=1)
    fl = parse("bf16").round_number
    cell = model.blocks[0].mixer.cell
    weight, recurrent, bias, hidden = ([fl(x) for x in each.flatten().tolist()] for each in cell.all_weights[0])
    x = [fl(value) for value in model.embed.weight[1].tolist()]
    h, c = [fl(0.3), fl(-0.7), fl(0.11), fl(1.3)], [fl(0.5), fl(-0.2), fl(0.9), fl(-1.1)]

    def row(matrix: list[float], vector: list[float], i: int) -> float:
        total = 0.0
        for j, value in enumerate(vector):
            total = fl(total + fl(value * matrix[4 * i + j]))
        return total

    def sigmoid(value: float) -> float:
        return fl(1 / (1 + math.exp(-value)))

    def tanh(value: float) -> float:
        return fl(math.tanh(value))

    inside = range(8, 12) if name == "gru" else range(0)
    gates = [fl(row(weight, x, i) + (bias[i] if i in inside else fl(bias[i] + hidden[i]))) for i in range(len(bias))]
    heard = [row(recurrent, h, i) for i in range(len(bias))]
    expected = []
    for i in range(4):
        if name == "elman":
            expected.append(tanh(fl(gates[i] + heard[i])))
        elif name == "gru":
            reset, update = (sigmoid(fl(gates[i + k] + heard[i + k])) for k in (0, 4))
            new = tanh(fl(gates[i + 8] + fl(reset * fl(heard[i + 8] + hidden[i + 8]))))
            expected.append(fl(new + fl(update * fl(h[i] - new))))
        else:
            enter, forget, leave = (sigmoid(fl(gates[i + k] + heard[i + k])) for k in (0, 4, 12))
            cell_now = fl(fl(forget * c[i]) + fl(enter * tanh(fl(gates[i + 8] + heard[i + 8]))))
            expected.append(fl(leave * tanh(cell_now)))
    state = tuple(torch.tensor([part], dtype=torch.float64) for part in ((h, c) if name == "lstm" else (h,)))
    said, _ = RoundedRecurrent(model, "bf16").step((state,), torch.tensor([1]))
    assert said[0].tolist() == expected


def test_other_architectures_are_refused():
    task = sx.tasks.create("index-lookup", length=6, alphabet=3)
    with pytest.raises(sx.InputError, match="got transformer"):
        RoundedRecurrent(sx.models.create("transformer", task, width=4, heads=1), "bf16")
