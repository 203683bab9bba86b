"""What was proved, in the checker's own words, and a certificate's every field held against it.

Nothing of a file is believed: what can be said of weights is what an argument found. `certify` prints a `Proved`.
Fields that say how weights were drawn claim nothing of them; their names and types are known, and they are not printed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Context
from typing import Any, Literal

from separatrix.constructions.certificate import Certificate, CertificateError, Scope
from separatrix.constructions.check.kernel.ranges import Range
from separatrix.errors import unknown
from separatrix.numerics import Real, parse
from separatrix.tasks import Problem

AUTOMATA = ("product of automata",)
CONSTRUCTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "index-lookup": ("index-lookup", ("attention lookup",)),
    "index-lookup-linear-attention": ("index-lookup", ("linear table",)),
    **{name: (name, AUTOMATA) for name in ("automaton", "parity", "modular-counter", "group-word")},
    **{name: (name, AUTOMATA) for name in ("state-tracking", "flip-flop", "next-bracket")},
    "bounded-dyck-automaton": ("bounded-dyck", AUTOMATA),
    "bounded-dyck-stack": ("bounded-dyck", (*AUTOMATA, "stack rules")),
    "bounded-dyck-two-layers": ("bounded-dyck", ("match and veto",)),
    "bounded-dyck-three-layers": ("bounded-dyck", ("count, match and veto",)),
    "shift-register": ("index-lookup", ("shift register",)),
    "equality-interleaved": ("equality", AUTOMATA),
    "disjointness-interleaved": ("disjointness", AUTOMATA),
    "equality-fingerprint": ("equality", ("fingerprint",)),
    "equality": ("equality", ("fetch and veto",)),
    "disjointness": ("disjointness", ("fetch and veto",)),
    "sparse-threshold": ("sparse-threshold", ("fetch and count", "fetch and veto")),
    "associative-recall": ("associative-recall", ("copy and match",)),
    "associative-recall-deltanet": ("associative-recall", ("overwriting memory",)),
    "nearest-neighbor": ("nearest-neighbor", ("copy and compare",)),
}
"""Construction → the task it is about, and the arguments that may prove it."""

Number = float | int | str


@dataclass(frozen=True)
class Proved:
    """What an argument found. A certificate may say less, and nothing else.

    order:    of the sums it holds for
    equal, at_least, at_most: numbers of the argument: a certificate may put the second lower and the third higher
    options:  values that parameters of the construction may have
    streams:  what context tokens and queries hold after the first layer, where all their values were tried
    loudest:  the largest of the values that are averaged in the last layer, where that is known
    """

    claim: str
    scope: Scope
    margin: float
    order: Literal["any", "sequential"] = "any"
    equal: Mapping[str, Number] = field(default_factory=dict)
    at_least: Mapping[str, float] = field(default_factory=dict)
    at_most: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    streams: tuple[Range, Range] | None = None
    loudest: float | None = None

    @property
    def quantities(self) -> dict[str, Number]:
        """All numbers found."""
        return {**self.at_least, **self.at_most, **self.equal}

    def statement(self, number_format: str) -> str:
        """The whole of what holds, arithmetic included."""
        where = "in real arithmetic, of which no number format is a case"
        if not isinstance(parse(number_format), Real):
            where = f"every weight and result rounded to {number_format}, sums in {self.order} order"
        margin = Context(prec=4, rounding=ROUND_FLOOR).create_decimal_from_float(self.margin)
        return f"{self.claim}; {where}; the right logit exceeds every other by at least {margin}"


def known(**numbers: float | None) -> dict[str, float]:
    """Those numbers there are: of what is not known a certificate says nothing."""
    return {name: number for name, number in numbers.items() if number is not None}


DRAWN: dict[str, tuple[type, ...]] = {
    "code": (str,),
    "coefficients": (int,),
    "degree": (int, type(None)),
    "draw": (int,),
    "error": (float,),
    "gamma": (float, type(None)),
    "seed": (int,),
}
"""How weights were drawn, which nobody can tell from them: name → types."""


def compare(certificate: Certificate, proved: Proved, task: Problem) -> None:
    """CertificateError for the first field of a certificate that says anything else than what was proved."""
    _names(certificate, task)
    for name, found in (("claim", proved.claim), ("scope", proved.scope)):
        if (told := getattr(certificate, name)) != found:
            raise CertificateError(f"proved is the {name} {found!r}, the certificate says otherwise: {told!r}")
    if certificate.order not in (proved.order, "sequential") and proved.order != "any":
        raise CertificateError(f"proved for sums in {proved.order} order, the certificate says {certificate.order}")
    if not proved.margin >= certificate.margin * (1 - 1e-9):
        raise CertificateError(f"the certificate claims a margin of {certificate.margin:g}, found {proved.margin:g}")
    _quantities(certificate.quantities, proved)
    for name, told in certificate.parameters.items():
        if name == "format":
            right = isinstance(told, str) and parse(told) == parse(certificate.number_format)
        elif name in proved.options:
            right = told == proved.options[name] and type(told) is type(proved.options[name])
        elif name == "combine":
            right = told == "auto" or (told, certificate.argument) in (
                ("veto", "fetch and veto"),
                ("count", "fetch and count"),
            )
        else:
            right = _drawn(name, told) or (name == "beta" and told in (None, proved.quantities.get("beta")))
        if not right:
            raise CertificateError(
                f"the certificate says {name} = {told!r} among its parameters, which is not borne out"
            )


def _names(certificate: Certificate, task: Problem) -> None:
    if certificate.construction not in CONSTRUCTIONS:
        raise unknown("construction", certificate.construction, CONSTRUCTIONS)
    about, arguments = CONSTRUCTIONS[certificate.construction]
    if task.name != about or certificate.argument not in arguments:
        raise CertificateError(
            f"{certificate.construction} is about {about}, by {' or '.join(arguments)}: got {task.name}, by "
            f"{certificate.argument}"
        )


def _quantities(told: Mapping[str, Number], proved: Proved) -> None:
    for name, found in proved.quantities.items():
        claimed = told.get(name)
        if isinstance(found, str) or isinstance(claimed, str):
            right = str(claimed) == str(found)
        elif isinstance(claimed, bool) or not isinstance(claimed, int | float) or math.isnan(claimed):
            right = False
        else:
            slack = 1e-9 * abs(found) if abs(found) < math.inf else 0.0
            above, below = claimed > found + slack, claimed < found - slack
            right = not (above if name in proved.at_least else below if name in proved.at_most else above or below)
        if not right:
            raise CertificateError(f"the certificate says {name} = {claimed}, found {_shown(found)}")
    for name, claimed in told.items():
        if name not in proved.quantities and not _drawn(name, claimed):
            raise CertificateError(f"the certificate says {name} = {claimed}, of which nothing is proved")


def _shown(found: Number) -> str:
    return found if isinstance(found, str) else f"{found:g}"


def _drawn(name: str, told: Any) -> bool:
    return name in DRAWN and isinstance(told, DRAWN[name]) and not isinstance(told, bool)
