"""The short part of the standing attack: a few hundred mutants, and the inputs that once were accepted and wrong."""

from __future__ import annotations

import pytest
import torch
from attack import instances
from attack.mutants import Mutator, certificate
from attack.networks import blank, filled
from attack.run import attack

from separatrix import constructions
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check, check_file
from separatrix.constructions.check.arguments.product import explore
from separatrix.models import save

SHORT = [(0, "bf16"), (3, "fp32"), (6, "bf16"), (10, "fp16"), (11, "bf16"), (12, "fp32"), (19, "e4m3"), (22, "fp32")]
SHORT += [(23, "bf16"), (25, "fp32")]


@pytest.mark.parametrize(("index", "number_format"), SHORT)
def test_no_mutant_is_accepted_that_answers_wrongly(index, number_format):
    name, parameters = instances.INSTANCES[index]
    outcome = attack(instances.built(name, parameters, number_format), 12, f"short {index}")
    assert outcome.mutants == 12 and outcome.refused + outcome.accepted == 12
    assert outcome.faults == [] and outcome.crashes == [] and outcome.slow == 0


def test_a_value_that_overflows_in_an_idle_head():
    """0 times infinity is no number: an average nobody reads must be finite all the same."""
    built = constructions.create("sparse-threshold", length=9)
    built.model.state_dict()["blocks.0.mixer.value.bias"][0] = 3e38
    with pytest.raises(
        CertificateError, match="depend on the positions|no logit depends on|one coordinate|are rounded"
    ):
        check(built.model, built.certificate)


def test_a_second_head_that_cancels_in_exact_arithmetic_only():
    built = constructions.create("equality", length=12, format="fp32")
    config = built.config.replace(heads=2)
    weights, inner = blank(built.task, config), built.config.head_width
    for name, old in built.model.state_dict().items():
        weights[name][tuple(slice(0, n) for n in old.shape)] = old
    a, b = 2.0**40, 3 * 2.0**18
    weights["blocks.0.mixer.value.bias"][inner : inner + 3] = torch.tensor([a, b, a + b])
    weights["blocks.0.mixer.out.weight"][0, inner : inner + 3] = torch.tensor([1.0, 1.0, -1.0])
    model = filled(built.task, config, weights, "second head")
    with pytest.raises(CertificateError, match="are rounded in fp32|depend on the positions"):
        check(model, built.certificate.replace(model=config.model_dump(mode="json")))


def test_two_spare_units_whose_drive_cancels():
    built = constructions.create("shift-register", length=6, alphabet=4)
    config, d, cell = built.config.replace(width=built.width + 2), built.width, "blocks.0.mixer.cell"
    weights = blank(built.task, config)
    for name, old in built.model.state_dict().items():
        weights[name][tuple(slice(0, n) for n in old.shape)] = old
    weights[f"{cell}.weight_hh_l0"][[d, d + 1], [d + 1, d]] = 1
    weights["embed.weight"][:4, d:] = 2.0**12
    weights["embed.weight"][4:, d] = -1
    weights[f"{cell}.weight_ih_l0"][d:, d], weights[f"{cell}.weight_ih_l0"][d:, d + 1] = 2.0**12, -(2.0**12)
    told = {**built.certificate.quantities, "units": d + 2, "state_bits": d + 2}
    certificate = built.certificate.replace(model=config.model_dump(mode="json"), quantities=told)
    with pytest.raises(CertificateError, match="are not held by fp32"):
        check(filled(built.task, config, weights, "spare units"), certificate)


@pytest.mark.parametrize("index", [12, 17, 18, 19, 22])
@pytest.mark.parametrize(
    "changes", [{"claim": "every CNF formula is decided satisfiable or not"}, {"construction": "index-lookup"}]
)
def test_claims_are_the_checkers_own(index, changes, tmp_path):
    """A file whose words are edited is refused, and what is printed of another comes from the checker."""
    name, parameters = instances.INSTANCES[index]
    built = constructions.create(name, **parameters)
    fields = {**built.certificate.model_dump(mode="json"), **changes}
    path = save(built.model, tmp_path / "edited.safetensors", notes={"certificate": {**fields, "weights_sha256": "0"}})
    with pytest.raises(CertificateError):
        check_file(path)
    with pytest.raises(CertificateError, match="proved is the claim|is about"):
        check(built.model, built.certificate.replace(**changes))
    statement = check_file(built.save(tmp_path / "true.safetensors")).statement
    assert statement.startswith(built.certificate.claim) and "fp32, sums in any order" in statement


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        ("parameters", "format", "bf16"),
        ("parameters", "unheard of", 1),
        ("quantities", "unheard of", 1.0),
        ("quantities", "fetch_beta", 1e6),
        ("quantities", "object_leak", -1.0),
        ("quantities", "width", 5),
    ],
)
def test_every_field_is_verified_or_refused(where, key, value):
    built = constructions.create("equality", length=8)
    fields = built.certificate.model_dump()
    fields[where][key] = value
    with pytest.raises(CertificateError, match="the certificate says"):
        check(built.model, constructions.Certificate(**fields))


def test_real_certificates_say_that_they_speak_of_real_arithmetic():
    built = constructions.create("equality", length=8, format="real")
    assert "in real arithmetic, of which no number format is a case" in check(built.model, built.certificate).statement


@pytest.mark.parametrize("number_format", ["real", "fp32", "bf16"])
def test_automata_that_never_end_are_given_up(number_format):
    """A unit that counts is no bit, and the check stops early, with one line."""
    built = constructions.create("parity", length=4, format=number_format)
    config, d, cell = built.config.replace(width=built.width + 1), built.width, "blocks.0.mixer.cell"
    weights = blank(built.task, config)
    for name, old in built.model.state_dict().items():
        weights[name][tuple(slice(0, n) for n in old.shape)] = old
    weights[f"{cell}.weight_hh_l0"][d, d] = weights[f"{cell}.bias_hh_l0"][d] = 1
    told = {**built.certificate.quantities, "units": d + 1, "state_bits": d + 1}
    certificate = built.certificate.replace(model=config.model_dump(mode="json"), quantities=told)
    with pytest.raises(CertificateError, match="units hold up to .*, or fractions: they are no bits"):
        check(filled(built.task, config, weights, "endless"), certificate)


def test_automata_too_large_to_visit_are_given_up():
    """The last 24 tokens, remembered beside the parity: 2^24 states."""
    built = constructions.create("parity", length=4)
    config, d, cell = built.config.replace(width=built.width + 24), built.width, "blocks.0.mixer.cell"
    weights = blank(built.task, config)
    for name, old in built.model.state_dict().items():
        weights[name][tuple(slice(0, n) for n in old.shape)] = old
    units = torch.arange(d, d + 23)
    weights[f"{cell}.weight_hh_l0"][units + 1, units] = 1
    weights["embed.weight"][1, d] = weights[f"{cell}.weight_ih_l0"][d, d] = 1
    model = filled(built.task, config, weights, "register")
    with pytest.raises(CertificateError, match="more states than a check visits: .* none of them answered wrongly"):
        explore(model, "fp32", budget=2**23)


def test_a_demotion_that_overflows_upwards():
    """Points so far above labels that the difference is infinite: that is no vanishing."""
    built = constructions.create("nearest-neighbor", points=2, dimension=2, margin=0.5, format="fp16")
    built.model.state_dict()["blocks.1.mixer.query.bias"][1] = -65504.0
    with pytest.raises(CertificateError, match="do not score far enough below labels"):
        check(built.model, built.certificate)


def test_keys_that_float32_holds_and_queries_that_it_does_not():
    """Tables of two types are compared in the wider: found by the attack, where the check ended in a traceback."""
    built = constructions.create("index-lookup", length=3, alphabet=3, format="real")
    mutator = Mutator(built, 'index-lookup {"length": 3, "alphabet": 3} real from 200 0')
    model, fields = [mutator.next() for _ in range(99)][-1][1]
    with pytest.raises(CertificateError, match="score is not above all others"):
        check(model, certificate(fields))
