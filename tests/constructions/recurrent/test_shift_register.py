"""The shift register: as many bits as the lower bound, right on every context, refused when tampered with."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recurrent_networks import strings, tampered

import separatrix as sx
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check


def create(length: int, alphabet: int, **options):
    return sx.constructions.create("shift-register", length=length, alphabet=alphabet, **options)


def answers(model, contexts: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(contexts, queries).argmax(dim=-1)


@pytest.mark.parametrize(("length", "alphabet"), [(1, 2), (8, 2), (5, 3), (4, 5), (3, 8)])
@pytest.mark.parametrize("offset", [0, 1])
def test_every_context_and_every_query(length, alphabet, offset):
    built = create(length, alphabet, offset=offset)
    contexts = strings(alphabet, length)
    queries = torch.tensor(list(built.task.query_values)).expand(len(contexts), -1)
    assert torch.equal(answers(built.model, contexts, queries), built.task.answer(contexts, queries))
    assert check(built.model, built.certificate).margin == 1


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 60), st.integers(2, 70), st.integers(0, 99))
def test_any_length_and_alphabet(length, alphabet, seed):
    built = create(length, alphabet)
    assert built.width == length * math.ceil(math.log2(alphabet)) == built.certificate.quantities["state_bits"]
    assert built.width < built.task.recurrent_bits() + length
    if alphabet & (alphabet - 1) == 0:
        assert built.width == built.task.recurrent_bits()  # nothing to spare
    batch = built.task.sample(16, torch.Generator().manual_seed(seed), queries=length)
    assert torch.equal(answers(built.model, batch.context, batch.queries), batch.targets)
    assert check(built.model, built.certificate).margin == 1


def test_the_state_is_zeros_and_ones():
    built = create(20, 8)
    context = built.task.sample(8, torch.Generator().manual_seed(0)).context
    (state,) = built.model.prefill(context)[0]
    assert set(state.flatten().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("number_format", ["bf16", "e4m3", "e5m2", "fixed(5,0)"])
def test_formats(number_format):
    built = create(6, 16, format=number_format)
    assert check(built.model, built.certificate).margin == 1


def test_formats_that_fail():
    with pytest.raises(CertificateError, match=r"does not hold the weights .*; e.g. 1 1 1 1 1 1 is answered"):
        create(6, 16, format="fixed(2)")
    with pytest.raises(CertificateError, match=r"in fixed\(2,0\), token 3 at position 0 is answered 1"):
        create(6, 5, format="fixed(2,0)")


def test_tampered_weights_are_refused():
    built = create(6, 4)
    generator = torch.Generator().manual_seed(0)
    for i in range(30):
        name = ("blocks.0.mixer.cell.weight_hh_l0", "embed.weight", "blocks.0.mixer.cell.bias_hh_l0")[i % 3]
        weight = built.model.state_dict()[name]
        index = tuple(int(torch.randint(size, (), generator=generator)) for size in weight.shape)
        with pytest.raises(CertificateError):
            check(tampered(built, name, index, float(weight[index]) + 1), built.certificate)


def test_files_are_verified(tmp_path):
    path = create(6, 4).save(tmp_path / "register.safetensors")
    assert sx.constructions.check.check_file(path).margin == 1


def test_bad_input():
    with pytest.raises(CertificateError, match="mixed_lengths must be false"):
        create(6, 4, mixed_lengths=True)
    with pytest.raises(CertificateError, match="needs 60,000 units"):
        create(10_000, 64)
