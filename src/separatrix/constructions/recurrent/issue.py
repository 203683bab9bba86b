"""Issuing certificates of recurrent networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from separatrix.constructions.certificate import Certificate, CertificateError, Scope
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.recurrent.failing import with_input
from separatrix.models import SequenceModel

T = TypeVar("T")


def proved(read: Callable[[], T], model: SequenceModel, options: Options) -> T:
    """What an argument reads from the weights. Raises its CertificateError with an input that shows it, if one does."""
    try:
        return read()
    except CertificateError as error:
        raise with_input(error, model, options.format) from None


def issue(
    name: str,
    model: SequenceModel,
    options: Options,
    *,
    claim: str,
    scope: Scope,
    argument: str,
    margin: float,
    exact: bool = True,
    quantities: dict[str, float | int | str],
    **parameters: Any,
) -> Construction:
    """The network with its certificate, for sums in any order where they are exact."""
    certificate = Certificate(
        construction=name,
        claim=claim,
        scope=scope,
        argument=argument,
        number_format=options.format,
        order="any" if exact else "sequential",
        margin=margin,
        quantities=quantities,
        parameters={**options.model_dump(), **parameters},
        task=model.task.model_dump(mode="json"),
        model=model.config.model_dump(mode="json"),
    )
    return Construction(model.task, model.config, certificate, lambda: model)
