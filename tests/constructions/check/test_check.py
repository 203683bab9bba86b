"""The checker accepts what is right, and nothing that is wrong on any input."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from separatrix import constructions
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check, check_file
from separatrix.constructions.check.arguments import separation
from separatrix.constructions.check.arguments.separation import separation as separate
from separatrix.constructions.rounding.transformer import rounded
from separatrix.errors import InputError
from separatrix.models import save


def create(**parameters):
    return constructions.create("index-lookup", **{"length": 3, "alphabet": 3} | parameters)


def wrong_inputs(built, name):
    """Inputs answered wrongly, or by a tie, of all there are, with every result rounded."""
    count, evaluate = 0, rounded(built.model, name)
    for length in range(1, built.task.length + 1):
        context = torch.tensor(list(product(range(built.task.alphabet), repeat=length)))
        queries = torch.arange(length).expand(len(context), length)
        logits = evaluate.forward(context, queries)
        right = logits.gather(2, built.task.answer(context, queries)[..., None])
        count += int((logits >= right).sum() - right.numel()) + int((~logits.isfinite()).sum())
    return count


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(["bf16", "e4m3", "fixed(5,0)", "real"]), st.sampled_from(["binary", "algebraic"]))
def test_tampered_weights_that_pass_are_harmless(data, name, code):
    """Whatever weight is changed, to whatever: either the check refuses, or no input at all is answered wrongly."""
    if code == "algebraic" and name in ("e4m3", "fixed(5,0)"):
        name = "bf16"
    built = create(format=name, code=code)
    parameters = list(built.model.parameters())
    parameter = parameters[data.draw(st.integers(0, len(parameters) - 1))]
    flat = parameter.data.view(-1)
    i = data.draw(st.integers(0, len(flat) - 1))
    value = float(flat[i])
    changed = data.draw(st.sampled_from([-value, 0.0, 1.0, -1.0, 2 * value, value + 1, 0.5, 64.0]))
    flat[i] = changed
    try:
        check(built.model, built.certificate)
    except CertificateError:
        return
    assert wrong_inputs(built, name) == 0


def weights_that_matter():
    yield "embed.weight", lambda w: w[3:, 0].neg_(), "gap"  # query codes
    yield "embed.weight", lambda w: w[0, -1].zero_(), "keys depend on the token"
    yield "embed.weight", lambda w: w[0].copy_(w[1]), "some token's logit"
    yield "positions.table.weight", lambda w: w[1].copy_(w[0]), "the gap is 0"
    yield "positions.table.weight", lambda w: w[0, 2].fill_(1.0), "values depend on the position"
    yield "blocks.0.mixer.query.weight", lambda w: w.mul_(0.5), r"exp\(-64\) does not round to 0"
    yield "blocks.0.mixer.query.bias", lambda w: w.neg_(), "the gap is -"
    yield "blocks.0.mixer.query.bias", lambda w: w.mul_(-64), "the gap is -"
    yield "blocks.0.mixer.key.weight", lambda w: w.zero_(), "the gap is 0"
    yield "blocks.0.mixer.value.weight", lambda w: w.zero_(), "some token's logit"
    yield "blocks.0.mixer.out.weight", lambda w: w.neg_(), "some token's logit"
    yield "blocks.0.mixer.out.bias", lambda w: w.fill_(4.0), "some token's logit"
    yield "blocks.0.mixer.out.bias", lambda w: w.fill_(2.0**-20), "outputs are not exact|fetched values are not exact"
    yield "head.weight", lambda w: w.zero_(), "some token's logit"
    yield "head.bias", lambda w: w[0].fill_(2.0), "some token's logit"
    yield "head.bias", lambda w: w[0].fill_(1.0), "claims a margin of 2, found 1"
    yield "head.weight", lambda w: w[0, 0].fill_(0.1), "holds numbers that are none of bf16"
    yield "head.weight", lambda w: w[0, 0].fill_(torch.nan), "holds numbers that are none of bf16"


@pytest.mark.parametrize(("name", "tamper", "message"), list(weights_that_matter()))
def test_weights_that_matter_are_refused_with_the_reason(name, tamper, message):
    built = create(format="bf16")
    tamper(built.model.state_dict()[name])
    with pytest.raises(CertificateError, match=message):
        check(built.model, built.certificate)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"margin": 2.5}, "claims a margin of 2.5, found 2"),
        ({"scope": "all lengths"}, "the certificate says otherwise"),
        ({"claim": "everything"}, "the certificate says otherwise"),
        (
            {"task": {"name": "index-lookup", "length": 4}},
            "about another task: alphabet, length, mixed_lengths, offset",
        ),
        ({"model": {"name": "transformer"}}, "about another model: .*width"),
        ({"weights_sha256": "0" * 64}, "issued for other weights"),
        ({"quantities": {"score_gap": 1000.0, "largest_score": 256.0}}, "says score_gap = 1000.0, found 128"),
        ({"quantities": {"score_gap": 128.0, "largest_score": 1.0}}, "says largest_score = 1.0, found 256"),
        ({"quantities": {}}, "says score_gap = None"),
        ({"number_format": "e5m2"}, "scores up to 768 in steps of 64 are not exact in e5m2"),
        ({"number_format": "real"}, "says leak = None"),
        ({"argument": "attention lookups"}, "unknown argument 'attention lookups': did you mean 'attention lookup'"),
    ],
)
def test_certificates_that_claim_too_much_are_refused(changes, message):
    built = create(format="bf16")
    if "e5m2" in changes.values():
        built = create(length=513, format="bf16")
    with pytest.raises(InputError, match=message):
        check(built.model, built.certificate.replace(**changes))


def test_an_order_of_sums_that_is_not_proved_is_refused():
    built = create(length=100, alphabet=4, format="e5m2")
    assert built.certificate.order == "sequential"
    check(built.model, built.certificate)
    with pytest.raises(CertificateError, match="scores up to 144 in steps of 16 are not exact in e5m2"):
        check(built.model, built.certificate.replace(order="any"))
    built.model.state_dict()["blocks.0.mixer.query.weight"][0, 0] = 20.0
    with pytest.raises(CertificateError):
        check(built.model, built.certificate)


def test_other_models_are_refused():
    built = create()
    other = constructions.create("index-lookup", length=3, alphabet=3)
    config = built.config.replace(layers=2)
    model = constructions.assemble(other.task, config, {})
    certificate = built.certificate.replace(model=config.model_dump(mode="json"))
    with pytest.raises(CertificateError, match="layers=1, got 2|layers"):
        check(model, certificate)


def test_files(tmp_path):
    built = create()
    path = built.save(tmp_path / "a.safetensors")
    assert check_file(path).margin == 2
    data = bytearray(path.read_bytes())
    data[-3] ^= 0x40
    (tmp_path / "b.safetensors").write_bytes(data)
    with pytest.raises(InputError, match="was changed after it was saved"):
        check_file(tmp_path / "b.safetensors")
    with pytest.raises(CertificateError, match="has no certificate"):
        check_file(save(built.model, tmp_path / "c.safetensors"))
    notes = {"certificate": built.certificate.model_dump(mode="json")}
    with pytest.raises(CertificateError, match="does not say which weights"):
        check_file(save(built.model, tmp_path / "d.safetensors", notes=notes))
    with pytest.raises(InputError, match="no such file"):
        check_file(tmp_path / "e.safetensors")


@given(st.integers(1, 20), st.integers(1, 4), st.integers(0, 2**31), st.booleans())
def test_separation_is_that_of_all_pairs(count, width, seed, group):
    generator = torch.Generator().manual_seed(seed)
    if group:
        keys = 1.0 - 2 * (torch.arange(count)[:, None] >> torch.arange(5) & 1)
        weight = torch.randint(1, 4, (5,), generator=generator)
        queries = keys * weight
    else:
        queries, keys = (torch.randint(-3, 4, (count, width), generator=generator).float() for _ in range(2))
    scores = queries @ keys.T
    differences = (scores.diagonal()[:, None] - scores)[~torch.eye(count, dtype=torch.bool)]
    found = separate(queries, keys)
    if count == 1:
        assert found.gap > 1e9 and found.leak == 0
        return
    assert found.gap <= differences.min() and (not group or found.gap == differences.min() or count & (count - 1))
    if not group:
        assert found.gap == differences.min() or (keys == keys[0]).all()
    if found.gap > 0:
        off = torch.where(
            torch.eye(count, dtype=torch.bool), 0.0, torch.exp(scores - scores.diagonal()[:, None]).double()
        )
        assert found.leak >= float(off.sum(dim=1).max()) * (1 - 1e-6)


def test_too_many_pairs_without_structure_are_refused(monkeypatch):
    monkeypatch.setattr(separation, "ALL_PAIRS", 50)
    check_built = create(length=100, code="jl")
    with pytest.raises(CertificateError, match="100 keys are no group of signs, and more than the 50"):
        check(check_built.model, check_built.certificate)
