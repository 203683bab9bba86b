"""Memories that reflect and that overwrite: every string that can be listed, long ones, weights that are refused."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from separatrix import constructions
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check, check_file
from separatrix.constructions.check.arguments.product import WrongAnswer
from separatrix.tasks import stream

FLIP_FLOP = {"transitions": [[0, 0, 1], [1, 0, 1]], "outputs": [0, 1]}  # leave, set to 0, set to 1
THREE = {"transitions": [[0, 1, 2, 0], [0, 1, 2, 1], [0, 1, 2, 2]], "outputs": [0, 1, 2]}
CASES = [
    ("parity", {"cell": "deltanet"}, 9, 2),
    ("parity", {"cell": "deltaproduct"}, 9, 2),
    ("modular-counter", {"modulus": 2, "cell": "deltanet"}, 9, 2),
    ("group-word", {"group": "S3", "cell": "deltaproduct"}, 4, 6),
    ("automaton", {**FLIP_FLOP, "cell": "mamba"}, 7, 3),
    ("automaton", {**THREE, "cell": "mamba"}, 6, 4),
]


def wrong(model, task, context):
    asked = torch.zeros(len(context), 1, dtype=torch.int64)
    with torch.no_grad():
        return int((model(context, asked).argmax(-1) != task.answer(context, asked)).sum())


@pytest.mark.parametrize(("name", "parameters", "longest", "states"), CASES)
def test_every_string_is_right_and_the_memory_has_so_many_states(name, parameters, longest, states):
    built = constructions.create(name, length=longest, **parameters)
    verdict = check(built.model, built.certificate)
    assert verdict.proved.scope == "all lengths" and verdict.proved.quantities["states"] == states
    assert verdict.margin >= built.certificate.margin > 0.05
    for length in range(1, longest + 1):
        every = torch.tensor(list(product(range(built.task.alphabet_size), repeat=length)))
        assert wrong(built.model, built.task, every) == 0


@pytest.mark.parametrize(("name", "parameters", "longest", "states"), CASES)
def test_long_strings_are_right_in_chunks_and_token_by_token(name, parameters, longest, states):
    built = constructions.create(name, length=700, **parameters)
    drawn = built.task.sample(20, stream(0, "test"))
    assert wrong(built.model, built.task, drawn.context) == 0
    state = None
    with torch.no_grad():
        for i in range(150):
            state = built.model.prefill(drawn.context[:, i : i + 1], state)
        said = built.model.decode(state, drawn.queries).argmax(-1)
    assert (said == built.task.answer(drawn.context[:, :150], drawn.queries)).all()


def test_parity_takes_one_number_of_the_memory():
    built = constructions.create("parity", length=4, cell="deltanet")
    memory = built.model.prefill(torch.tensor([[1, 0, 1, 1]]))[0][1].detach()
    assert memory.flatten().tolist() == [2048.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("group-word", {"group": "S3", "cell": "deltanet"}, "takes one reflection a token, group-word here 3"),
        (
            "group-word",
            {"table": [[0, 1, 2], [1, 2, 0], [2, 0, 1]], "cell": "deltaproduct"},
            "for parity and for words of S3",
        ),
        ("modular-counter", {"modulus": 3, "cell": "deltaproduct"}, "for parity and for words of S3"),
        ("parity", {"cell": "mamba"}, "no token counts through all states"),
        ("parity", {"cell": "deltanet", "format": "bf16"}, "in bf16 a memory is not certified"),
        ("parity", {"cell": "deltanet", "format": "real"}, "in real a memory is not certified"),
    ],
)
def test_what_is_not_built_is_one_line(name, parameters, message):
    with pytest.raises(CertificateError, match=message):
        constructions.create(name, length=4, **parameters)


@pytest.mark.parametrize(
    ("case", "weight", "place", "value", "message"),
    [
        (0, "strength.weight", (0, 1), -128.0, "is answered"),
        (0, "strength.weight", (0, 1), 1.0, "neither shut nor open"),
        (0, "enter.weight", (1, 1), 3.0, "SiLU"),
        (3, "enter.weight", (5, 1), 2048.0, "keys must be vectors"),
        (3, "strength.weight", (0, 1), -128.0, "is answered"),
        (3, "conv.weight", (0, 0, 0), 0.5, "a tap must pass on"),
        (4, "dt_proj.bias", (1,), 128.0, "is answered"),
        (4, "A_log", (0, 0), 1.0, "rates must be 1"),
        (4, "conv1d.bias", (0,), 1.0, "SiLU"),
        (5, "x_proj.weight", (1, 1), 0.0, "is answered"),
    ],
)
def test_altered_weights_are_refused(case, weight, place, value, message):
    name, parameters, *_ = CASES[case]
    built = constructions.create(name, length=4, **parameters)
    with torch.no_grad():
        built.model.state_dict()[f"blocks.0.mixer.{weight}"][place] = value
    with pytest.raises(CertificateError, match=message) as found:
        check(built.model, built.certificate)
    if message == "is answered":
        assert isinstance(found.value, WrongAnswer)


def test_files_carry_them(tmp_path):
    built = constructions.create("group-word", length=10, group="S3", cell="deltaproduct")
    assert "every string of every length" in check_file(built.save(tmp_path / "s3.safetensors")).statement
