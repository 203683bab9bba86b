"""Fingerprints: what a key answers on every pair of strings, how many keys err, the proof from the weights."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recurrent_networks import strings, tampered, wrong

import separatrix as sx
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check
from separatrix.constructions.check.arguments.fingerprint import read
from separatrix.constructions.recurrent import gf2
from separatrix.constructions.recurrent.fingerprint import elman, least_degree, share


def create(n: int, **options):
    return sx.constructions.create("equality-fingerprint", length=2 * n, **options)


def has_factor(p: int) -> bool:
    return any(gf2.remainder(p, q) == 0 for q in range(2, 1 << (gf2.degree(p) // 2 + 1)))


@pytest.mark.parametrize("d", range(1, 10))
def test_irreducible_polynomials_are_those_without_factors(d):
    found = [p for p in range(1 << d, 2 << d) if gf2.irreducible(p)]
    assert found == [p for p in range(1 << d, 2 << d) if not has_factor(p)]
    assert len(found) == gf2.irreducible_count(d)


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(2, 2**20), st.integers(0, 200))
def test_arithmetic_of_polynomials(a, b, p, e):
    product = 0
    for i in range(b.bit_length()):
        product ^= (b >> i & 1) * (a << i)
    assert gf2.multiply(a, b, p) == gf2.remainder(product, p)
    assert gf2.power(e, p) == gf2.remainder(1 << e, p)
    assert gf2.remainder(a ^ gf2.remainder(a, p), p) == 0


def test_keys_are_drawn_uniformly():
    drawn = [gf2.draw_irreducible(5, torch.Generator().manual_seed(seed)) for seed in range(600)]
    counts = [drawn.count(p) for p in range(32, 64) if gf2.irreducible(p)]
    assert len(counts) == 6
    assert sum(counts) == 600
    assert sum((count - 100) ** 2 / 100 for count in counts) < 20.5  # chi squared, 5 degrees: 0.1 %


@pytest.mark.parametrize(("n", "d"), [(1, 2), (2, 2), (5, 2), (5, 3), (6, 4), (4, 6)])
def test_every_pair_of_strings_and_every_key(n, d):
    """Each network errs on the pairs whose difference its key divides; each pair on no more keys than is claimed."""
    task = sx.tasks.create("equality", length=2 * n)
    contexts = strings(2, 2 * n)
    queries = torch.zeros(len(contexts), 1, dtype=torch.int64)
    wrong_keys = torch.zeros(len(contexts), dtype=torch.int64)
    keys = [p for p in range(1 << d, 2 << d) if gf2.irreducible(p)]
    for key in keys:
        built = create(n, key=key)
        assert check(built.model, built.certificate).margin == 1
        with torch.no_grad():
            said = built.model(contexts, queries).argmax(dim=-1)[:, 0]
        x, y = contexts[:, :n], contexts[:, n:]
        numbers = ((x ^ y) * 2 ** torch.arange(n - 1, -1, -1)).sum(dim=1)
        divides = torch.tensor([gf2.remainder(int(number), key) == 0 for number in numbers])
        assert torch.equal(said == 1, divides)
        wrong_keys += said != task.answer(contexts, queries)[:, 0]
    most, all_keys = share(n, d)
    assert all_keys == len(keys)
    assert wrong_keys.max() <= min(most, len(keys))
    if n == 5:
        assert wrong_keys.max() > 0


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 24), st.integers(2, 9), st.integers(2, 12), st.integers(0, 9))
def test_any_length_and_alphabet(n, alphabet, degree, seed):
    built = create(n, alphabet=alphabet, degree=degree, seed=seed)
    assert check(built.model, built.certificate).margin == 1
    equal = torch.randint(alphabet, (16, n), generator=torch.Generator().manual_seed(seed))
    assert not wrong(built.model, built.task, torch.cat([equal, equal], dim=1))
    if degree >= n:  # no polynomial of degree below n is divisible by the key: never wrong, with n bits and more
        assert built.certificate.quantities["error"] == 0
        assert not wrong(built.model, built.task, built.task.sample(64, torch.Generator().manual_seed(seed)).context)


def test_logarithmic_bits_and_an_error_as_asked():
    sizes = [create(n).width for n in (10, 100, 1000)]
    assert [least_degree(n, 0.01) for n in (10, 100, 1000)] == [10, 14, 17]
    assert sizes[2] < 100 < create(1000).certificate.quantities["deterministic_lower_bound_bits"]
    assert create(1000).certificate.quantities["error"] <= 0.01
    assert create(100, error=1e-6).certificate.quantities["error"] <= 1e-6


def test_measured_error_is_within_the_bound():
    """The hardest strings for degree 3: x + y has both keys as factors. Random strings err about once in 2^d."""
    n, d = 12, 3
    keys = [p for p in range(8, 16) if gf2.irreducible(p)]
    task = sx.tasks.create("equality", length=2 * n)
    context = torch.randint(2, (4000, 2 * n), generator=torch.Generator().manual_seed(5))
    rates = [wrong(elman(task, key), task, context) / len(context) for key in keys]
    assert sum(rates) / len(keys) == pytest.approx(2**-d, abs=0.02)
    assert sum(rates) / len(keys) <= share(n, d)[0] / share(n, d)[1]


@pytest.mark.parametrize(("number_format", "order"), [("bf16", "any"), ("e4m3", "any"), ("e5m2", "sequential")])
def test_formats(number_format, order):
    built = create(20, format=number_format)
    assert built.certificate.order == order
    assert check(built.model, built.certificate).margin == 1


def test_the_first_length_at_which_a_format_fails():
    """The unit that sees the clock's mark adds up one bit a place: e5m2 holds 8, which 9 places exceed."""
    failing = next(n for n in itertools.chain(range(250, 260), [510, 511, 600]) if _fails(n, "e5m2"))
    with pytest.raises(CertificateError, match=r"sums of up to \d+ are not held by e5m2: whole numbers up to 8 are"):
        create(failing, format="e5m2")
    assert math.log2(failing) > 7


def _fails(n: int, number_format: str) -> bool:
    try:
        create(n, format=number_format)
    except CertificateError:
        return True
    return False


def test_tampered_weights_are_refused_unless_they_change_no_answer():
    built, contexts = create(6, degree=3), strings(2, 12)
    queries = torch.zeros(len(contexts), 1, dtype=torch.int64)
    said = built.model(contexts, queries).argmax(dim=-1)
    generator, refused = torch.Generator().manual_seed(0), 0
    for i in range(40):
        name = ("blocks.0.mixer.cell.weight_hh_l0", "embed.weight", "head.weight")[i % 3]
        weight = built.model.state_dict()[name]
        index = tuple(int(torch.randint(size, (), generator=generator)) for size in weight.shape)
        model = tampered(built, name, index, float(weight[index]) + 1)
        try:
            check(model, built.certificate)
        except CertificateError:
            refused += 1
        else:
            assert torch.equal(model(contexts, queries).argmax(dim=-1), said)
    assert refused >= 30


def test_certificates_that_claim_too_much_are_refused():
    built = create(9, degree=5, seed=1)
    told, key = built.certificate.quantities, built.certificate.parameters["key"]
    other = next(p for p in range(33, 64) if gf2.irreducible(p) and p != key)
    for changes, message in (
        ({"quantities": told | {"wrong_keys": 0}}, "says wrong_keys = 0, found 1"),
        ({"quantities": told | {"error": 0.0}}, "says error = 0.0"),
        ({"scope": "length N"}, "proved is the scope .all inputs but a share."),
        ({"parameters": {}}, "names no key"),
        ({"quantities": told | {"key": f"{other:#x}"}, "parameters": {"key": other}}, "recurrence of the key"),
    ):
        with pytest.raises(CertificateError, match=message):
            check(built.model, built.certificate.replace(**changes))
    with pytest.raises(CertificateError, match="no irreducible polynomial"):
        read(built.model, "fp32", 0b101)


def test_bad_input():
    with pytest.raises(CertificateError, match="no irreducible polynomial"):
        create(9, key=9)
    with pytest.raises(CertificateError, match="use equality-interleaved"):
        create(9, layout="interleaved")
    with pytest.raises(CertificateError, match="above 256"):
        create(1000, error=1e-90)
