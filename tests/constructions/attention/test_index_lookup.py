"""Index lookup: every input where there are few, hard and random ones elsewhere, at every length, in every format."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from separatrix import constructions, tasks
from separatrix.bounds.known_upper import attention_upper
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check, check_file
from separatrix.constructions.rounding.transformer import rounded
from separatrix.errors import InputError
from separatrix.models import transformer

FORMATS = ["fp32", "bf16", "fp16", "e4m3", "e5m2", "fixed(5,0)", "float(4,4)", "real"]


def create(**parameters):
    return constructions.create("index-lookup", **parameters)


def every_input(task):
    """All contexts of all lengths with all queries, one batch a length."""
    symbols = range(task.alphabet)
    for length in range(1, task.length + 1):
        context = torch.tensor(list(product(symbols, repeat=length)))
        yield context, (torch.arange(length) + task.offset).expand(len(context), length)


def wrong(task, evaluate):
    """How many inputs are answered wrongly, of all there are."""
    return sum(
        int((evaluate(context, queries).argmax(-1) != task.answer(context, queries)).sum())
        for context, queries in every_input(task)
    )


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("parameters", [{"length": 5, "alphabet": 3}, {"length": 8, "alphabet": 2, "offset": 1}])
def test_every_input_of_every_length_is_answered(name, parameters):
    built = create(**parameters, format=name)
    with torch.no_grad():
        assert wrong(built.task, rounded(built.model, name).forward) == 0
        if name != "fixed(5,0)":  # its sharpness relies on its own rounding
            assert wrong(built.task, built.model) == 0
    assert check(built.model, built.certificate).margin >= built.certificate.margin * (1 - 1e-9)


@pytest.mark.parametrize("code", ["binary", "jl", "algebraic"])
@pytest.mark.parametrize("name", ["fp32", "bf16", "real"])
def test_every_code_answers_every_input(code, name):
    built = create(length=6, alphabet=3, code=code, format=name)
    with torch.no_grad():
        assert wrong(built.task, built.model) == 0
    check(built.model, built.certificate)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(2, 70),
    st.sampled_from(["binary", "algebraic", "jl"]),
    st.integers(0, 2**31),
    st.data(),
)
def test_hard_inputs_of_any_size_are_answered(length, alphabet, code, seed, data):
    """Contexts whose every token but one is another, random ones, and all lengths, in float32 and with bf16 weights."""
    built = create(length=length, alphabet=alphabet, code=code, format="bf16")
    generator = torch.Generator().manual_seed(seed)
    n = data.draw(st.integers(1, length))
    context = torch.randint(alphabet, (3, n), generator=generator)
    place = int(torch.randint(n, (1,), generator=generator))
    context[1:] = context[1, 0]
    context[2, place] = (context[2, place] + 1) % alphabet
    queries = torch.arange(n).expand(3, n)
    for model in (built.model, built.model.to(torch.bfloat16)):
        with torch.no_grad():
            assert torch.equal(model(context, queries).argmax(-1), built.task.answer(context, queries))


@pytest.mark.parametrize("parameters", [{"alphabet": 4}, {"alphabet": 5, "offset": 3}])
def test_padded_rows_are_answered(parameters):
    built = create(length=9, mixed_lengths=True, **parameters)
    batch = built.task.sample(200, torch.Generator().manual_seed(0), queries=5)
    with torch.no_grad():
        assert torch.equal(built.model(batch.context, batch.queries).argmax(-1), batch.targets)
    check(built.model, built.certificate)


def test_the_width_is_exactly_the_theorems():
    for length, alphabet, width in [
        (400, 64, 16),
        (2**20, 64, 27),
        (2**20 + 1, 65, 29),
        (1, 2, 2),
        (2, 2, 3),
        (2**60, 3, 63),
    ]:
        built = create(length=length, alphabet=alphabet)
        assert built.width == width == attention_upper(built.task).size
        if length < 1000:
            assert built.model.embed.weight.shape == (length + alphabet, width)
    assert create(length=100, alphabet=5, code="jl").width == 74 + 3 + 1
    assert create(length=100, alphabet=5, code="algebraic").width == 16 + 3 + 1


def test_certificates_say_what_is_proved():
    built = create(length=2**20, alphabet=64, format="bf16")
    certificate = built.certificate
    assert (certificate.scope, certificate.number_format, certificate.order) == ("lengths up to N", "bf16", "any")
    assert certificate.margin == 2.0 and certificate.quantities["beta"] == 64
    assert "1 to 1048576 tokens over 64 symbols" in certificate.claim
    real = create(length=2**60, alphabet=64, format="real").certificate
    assert real.quantities["leak"] < 1 / 16 and 1.7 < real.margin < 2
    assert create(length=2**16, alphabet=4, format="e4m3").certificate.order == "sequential"
    assert create(length=9, alphabet=4, format="e4m3").certificate.order == "any"


def test_a_temperature_of_the_users_own():
    assert create(length=100, alphabet=4, beta=128.0).certificate.quantities["beta"] == 128
    with pytest.raises(CertificateError, match="exp of minus it does not round to 0"):
        create(length=100, alphabet=4, beta=32.0)
    with pytest.raises(CertificateError, match="wrong positions may weigh .* take a larger beta"):
        create(length=100, alphabet=4, beta=0.5, format="real")
    with pytest.raises(InputError, match="beta must be a power of two, so that no format rounds it, got 3"):
        create(length=100, alphabet=4, beta=3.0)


def test_formats_that_are_too_coarse_are_refused_in_one_line():
    with pytest.raises(CertificateError, match="scores up to .* are not told apart in e5m2"):
        create(length=513, alphabet=4, format="e5m2")
    with pytest.raises(CertificateError, match="e5m2 adds signs exactly up to 8, tokens have 10"):
        create(length=4, alphabet=1000, format="e5m2")
    with pytest.raises(CertificateError, match="e4m3 adds multiples of 0.25 exactly up to 4, scores go up to"):
        create(length=100, alphabet=4, code="jl", format="e4m3")
    with pytest.raises(CertificateError, match="fixed.3,2. holds no inverse temperature"):
        create(length=100, alphabet=4, format="fixed(3,2)")
    with pytest.raises(CertificateError, match="bf16 does not hold"):
        create(length=100, alphabet=4, format="bf16", beta=2.0**126)
    with pytest.raises(InputError, match="verified pair by pair, up to 131,072"):
        create(length=2**60, alphabet=4, code="jl")
    with pytest.raises(InputError, match="IndexLookup: unknown key 'lenght': did you mean 'length'"):
        create(lenght=4)


def test_saved_and_loaded(tmp_path):
    built = create(length=20, alphabet=4, format="bf16")
    path = built.save(tmp_path / "lookup.safetensors")
    assert check_file(path).certificate.weights_sha256
    again = constructions.load(path)
    batch = built.task.sample(4, torch.Generator().manual_seed(0), queries=20)
    assert torch.equal(again.model(batch.context, batch.queries), built.model(batch.context, batch.queries))
    assert all(parameter.requires_grad for parameter in again.model.parameters())


def test_many_queries_are_asked_in_parts(monkeypatch):
    built = create(length=20, alphabet=4)
    batch = built.task.sample(3, torch.Generator().manual_seed(0), queries=20)
    whole = built.model(batch.context, batch.queries)
    parts = []
    read = transformer.attention_read
    monkeypatch.setattr(transformer, "SCORES", 3 * 21 * 7)
    monkeypatch.setattr(transformer, "attention_read", lambda *it: parts.append(it[3].shape[1]) or read(*it))
    with torch.no_grad():
        assert torch.equal(built.model(batch.context, batch.queries), whole)
    assert parts == [7, 7, 6]


def test_first_rows_of_a_longer_lookup():
    """Weights of the first positions alone give what the whole model gives on contexts no longer."""
    task = tasks.create("index-lookup", length=100, alphabet=5)
    from separatrix.constructions.attention.index_lookup import IndexLookupOptions, Lookup

    made = Lookup(task, IndexLookupOptions())
    part, whole = made.model(64.0, rows=10), made.model(64.0)
    batch = part.task.sample(5, torch.Generator().manual_seed(0), queries=10)
    assert torch.equal(part(batch.context, batch.queries), whole(batch.context, batch.queries))
