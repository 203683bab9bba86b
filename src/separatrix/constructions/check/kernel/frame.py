"""What every check does: the certificate belongs to the model, the weights are the format's, the argument holds.

An argument is a module of `check.arguments` with `verify(model, certificate) -> margin`: it reads the weights, proves
the claim for the certificate's scope, format and order of sums, and raises CertificateError for whatever the weights do
not bear out. It knows the theorem's lemma, and nothing of how the weights were made.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.construction import load
from separatrix.errors import unknown
from separatrix.models import SequenceModel
from separatrix.models.files import weights_sha256
from separatrix.numerics import Format, Grid, parse

_ARGUMENTS: dict[str, str] = {
    "attention lookup": "lookup",
    "copy and compare": "nearest",
    "copy and match": "recall",
    "fetch and count": "count",
    "fetch and veto": "any_objection",
    "fingerprint": "fingerprint",
    "product of automata": "product",
    "shift register": "register",
    "stack rules": "stack_rules",
}
"""Argument, as certificates name it → module of `check.arguments`."""


@dataclass(frozen=True)
class Verdict:
    """A certificate the weights bear out. margin: what was found, at least what the certificate claims."""

    certificate: Certificate
    margin: float


def check_file(path: str | Path) -> Verdict:
    """Verify the certificate in a file against the weights in it.

    Raises InputError for a file that is missing, damaged, changed or not ours, CertificateError for a certificate that
    is missing or not borne out.
    """
    built = load(path)
    if built.certificate.weights_sha256 is None:
        raise CertificateError(f"{path}: its certificate does not say which weights it was issued for")
    return check(built.model, built.certificate)


@torch.no_grad()
def check(model: SequenceModel, certificate: Certificate) -> Verdict:
    """Verify a certificate against a model's weights, from scratch. Raises CertificateError saying what failed."""
    if certificate.argument not in _ARGUMENTS:
        raise unknown("argument", certificate.argument, _ARGUMENTS)
    for what, recorded, found in (
        ("task", certificate.task, model.task.model_dump(mode="json")),
        ("model", certificate.model, model.config.model_dump(mode="json")),
    ):
        if recorded != found:
            keys = sorted(key for key in recorded | found if recorded.get(key) != found.get(key))
            raise CertificateError(f"the certificate is about another {what}: {', '.join(keys)} differ")
    if (claimed := certificate.weights_sha256) is not None and claimed != weights_sha256(model):
        raise CertificateError("the certificate was issued for other weights: their hash differs")
    if model.query_offset != model.task.query_offset:
        raise CertificateError(f"queries are embedded {model.query_offset} rows down, the task says otherwise")
    number_format = parse(certificate.number_format)
    for name, weight in model.state_dict().items():
        if not bool(weight.isfinite().all()) or not _held(number_format, weight):
            raise CertificateError(f"{name} holds numbers that are none of {number_format}")
    margin = import_module(f"separatrix.constructions.check.arguments.{_ARGUMENTS[certificate.argument]}").verify(
        model, certificate
    )
    if not margin >= certificate.margin * (1 - 1e-9):
        raise CertificateError(f"the certificate claims a margin of {certificate.margin:g}, found {margin:g}")
    return Verdict(certificate, margin)


def _held(number_format: Format, weight: Tensor) -> bool:
    """Whether all of these are values of the format; large tables of few values are recognised by their grid."""
    return (weight.ndim == 2 and Grid.of(weight).exact_in(number_format)) or number_format.holds(weight)
