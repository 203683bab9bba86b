"""How few bits a number may have: the smallest format a construction is proved right in, and inputs failing below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.registry import Attempt, create, request, theorem
from separatrix.constructions.rounding.transformer import rounded
from separatrix.numerics import FixedPoint, FloatingPoint, Format, parse
from separatrix.tasks.base import LONGEST, context_task

Family = Literal["fixed", "float"]


@dataclass(frozen=True)
class Failure:
    """An input the construction answers wrongly in a format, every result rounded.

    setting:  of the weights, e.g. the inverse temperature
    answered: the answer given; None where the logits are no numbers
    """

    number_format: str
    setting: str
    context: list[int]
    query: int
    expected: int
    answered: int | None


@dataclass(frozen=True)
class FormatVerdict:
    """What is known of a construction in one format: proved right, or wrong in every setting, or neither.

    failures: one for every setting, where each has one
    open:     settings without a proof and without an input found that fails
    """

    number_format: str
    certificate: Certificate | None
    failures: tuple[Failure, ...]
    open: tuple[str, ...]

    @property
    def fails(self) -> bool:
        """Whether an input is known that fails, in every setting."""
        return bool(self.failures) and not self.open


def verdict(name: str, number_format: str | Format, **parameters: Any) -> FormatVerdict:
    """Whether a construction is proved right in a format, and if not, inputs that show that it is wrong.

    parameters: of the task and the construction, e.g. length=2**20, alphabet=64
    Raises InputError for bad parameters.
    """
    number_format = parse(number_format)
    parameters = {**parameters, "format": number_format.name}
    try:
        return FormatVerdict(number_format.name, create(name, **parameters).certificate, (), ())
    except CertificateError:
        failures, unknown = [], []
        for setting in _trials(name, parameters):
            label, found = "", None
            for trial in setting:
                label = trial.setting
                if (found := failing(trial, number_format)) is not None:
                    break
            if found is None:
                unknown.append(label)
            else:
                failures.append(found)
        return FormatVerdict(number_format.name, None, tuple(failures), tuple(unknown))


def _trials(name: str, parameters: dict[str, Any]) -> Iterator[Iterator[Attempt]]:
    found = theorem(name)
    return iter(()) if found.trials is None else found.trials(*request(found, parameters))


def failing(trial: Attempt, number_format: Format) -> Failure | None:
    """The first input of a trial that is answered wrongly, with every intermediate result rounded."""
    logits = rounded(trial.model, number_format).forward(trial.context, trial.queries)
    answers, right = logits.argmax(dim=-1), context_task(trial.model.task).answer(trial.context, trial.queries)
    wrong = ((answers != right) | ~logits.isfinite().all(dim=-1)).nonzero()
    if not len(wrong):
        return None
    row, column = wrong[0].tolist()
    return Failure(
        number_format.name,
        trial.setting,
        trial.context[row].tolist(),
        int(trial.queries[row, column]),
        int(right[row, column]),
        int(answers[row, column]) if bool(logits[row, column].isfinite().all()) else None,
    )


@dataclass(frozen=True)
class Smallest:
    """The fewest bits at which a format of the family suffices, and what is known of those of one bit less.

    bits:  of one number; None when no format of the family is proved right
    below: the formats of one bit less, the smallest proved: each with inputs that fail, as far as they were found
    """

    bits: int | None
    certificate: Certificate | None
    below: tuple[FormatVerdict, ...]

    @property
    def tight(self) -> bool:
        """Whether every format of one bit less is known to fail."""
        return all(each.fails for each in self.below)


def formats(family: Family, bits: int, exponent: int | None = None) -> list[Format]:
    """The formats of a family whose numbers have so many bits: any fraction, any exponent unless one is given."""
    if family == "fixed":
        return [FixedPoint(bits, fraction) for fraction in range(bits)] if 2 <= bits <= 25 else []
    exponents = range(2, 9) if exponent is None else [exponent]
    return [FloatingPoint(each, bits - 1 - each) for each in exponents if 1 <= bits - 1 - each <= 24]


def smallest_precision(name: str, family: Family = "fixed", exponent: int | None = None, **parameters: Any) -> Smallest:
    """The fewest bits a construction is proved right with, for every input of its scope.

    family:     fixed(p, fraction) with any fraction, or float(exponent, mantissa)
    exponent:   of the floating-point formats; any when None
    parameters: of the task and the construction, e.g. length=2**20, alphabet=64
    Raises InputError for bad parameters.
    """
    for bits in range(2, 34):
        for number_format in formats(family, bits, exponent):
            try:
                certificate = create(name, **parameters, format=number_format.name).certificate
            except CertificateError:
                continue
            below = [verdict(name, each, **parameters) for each in formats(family, bits - 1, exponent)]
            return Smallest(bits, certificate, tuple(below))
    return Smallest(None, None, ())


@dataclass(frozen=True)
class FirstFailure:
    """The first length at which a format fails. certified: the greatest length it is proved right for, one step less.

    length is None where the format is proved right up to LONGEST.
    """

    certified: int | None
    length: int | None
    verdict: FormatVerdict | None


def first_failure(name: str, number_format: str | Format, step: int = 1, **parameters: Any) -> FirstFailure:
    """The first length, a multiple of `step`, at which a construction is not proved right in a format.

    Longer contexts contain the shorter ones' difficulties, so that lengths are searched by doubling and bisection. The
    verdict has the inputs that fail there.
    """

    def proved(length: int) -> bool:
        try:
            create(name, **parameters, length=length, format=parse(number_format).name)
        except CertificateError:
            return False
        return True

    low, high = 0, step
    while high <= LONGEST and proved(high):
        low, high = high, 2 * high
    if high > LONGEST:
        return FirstFailure(low, None, None)
    while high - low > step:
        middle = (low + high) // (2 * step) * step
        low, high = (middle, high) if proved(middle) else (low, middle)
    return FirstFailure(low or None, high, verdict(name, number_format, **parameters, length=high))


def growth(name: str, lengths: Iterable[int], family: Family = "fixed", **parameters: Any) -> list[dict[str, Any]]:
    """The smallest p against N, one row a length, for a figure.

    bits: proved to suffice; fails: whether inputs are known that fail with one bit less, in every format of the family
    """
    rows = []
    for length in lengths:
        found = smallest_precision(name, family, length=length, **parameters)
        number_format = found.certificate.number_format if found.certificate else None
        rows.append(
            {
                "construction": name,
                "length": length,
                "bits": found.bits,
                "format": number_format,
                "fails": bool(found.below) and found.tight,
            }
        )
    return rows
