"""Checking certificates against the weights, from scratch: never by the code that made them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.construction import load
from separatrix.errors import unknown
from separatrix.models import SequenceModel
from separatrix.models.files import weights_sha256

ARGUMENTS = {
    "product of automata": "product",
    "stack rules": "stack_rules",
    "shift register": "register",
    "fingerprint": "fingerprint",
}
"""Argument → the module of this package whose `verify(model, certificate)` returns the margin it finds."""


def check(model: SequenceModel, certificate: Certificate) -> float:
    """Verify a certificate against a model's weights. Returns the margin found, at least the one claimed.

    Raises CertificateError saying what failed: other weights, task or model than it was issued for, an argument whose
    hypotheses the weights do not meet, or more claimed than is found.
    """
    for what, told, config in (("task", certificate.task, model.task), ("model", certificate.model, model.config)):
        if told != config.model_dump(mode="json"):
            raise CertificateError(f"the certificate was issued for another {what}")
    if certificate.weights_sha256 not in (None, weights_sha256(model)):
        raise CertificateError("the certificate was issued for other weights: their hash differs")
    if certificate.argument not in ARGUMENTS:
        raise unknown("argument", certificate.argument, ARGUMENTS)
    verify = import_module(f"{__name__}.{ARGUMENTS[certificate.argument]}").verify
    margin = float(verify(model, certificate))
    if margin < certificate.margin:
        raise CertificateError(f"the certificate claims a margin of {certificate.margin:g}, the weights have {margin:g}")
    return margin


def check_file(path: str | Path) -> Certificate:
    """Verify the certificate of a saved construction. Returns it.

    Raises InputError for a file that is missing, damaged, changed or not ours, CertificateError as `check` does.
    """
    saved = load(path)
    if saved.certificate.weights_sha256 is None:
        raise CertificateError(f"{path}: the certificate does not say which weights it was issued for")
    check(saved.model, saved.certificate)
    return saved.certificate
