"""Theorems as weights, each with a certificate."""

from separatrix.constructions.basis import Space, linear
from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.construction import Construction, Options, assemble, load
from separatrix.constructions.registry import Theorem, create, names, theorem
from separatrix.constructions.scope import within_guarantee

__all__ = [
    "Certificate",
    "CertificateError",
    "Construction",
    "Options",
    "Space",
    "Theorem",
    "assemble",
    "create",
    "linear",
    "load",
    "names",
    "theorem",
    "within_guarantee",
]
