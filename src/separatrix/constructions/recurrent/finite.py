"""Issuing certificates for networks that are finite automata: by visiting every state they reach."""

from __future__ import annotations

import math
from typing import Any

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments import product
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.recurrent.issue import issue
from separatrix.models import SequenceModel
from separatrix.numerics import parse


def sizes(model: SequenceModel) -> dict[str, float | int | str]:
    """Units and bits of a network of 0 and 1, beside what every recurrent model needs at the task's length."""
    return {"units": model.config.width, "state_bits": model.config.width, **least(model)}


def least(model: SequenceModel) -> dict[str, float | int | str]:
    """What every recurrent model needs at the task's length, where that is known."""
    bits = model.task.recurrent_bits()
    return {} if bits is None else {"lower_bound_bits": bits}


def certified(name: str, model: SequenceModel, options: Options, **parameters: Any) -> Construction:
    """A network with a certificate for strings of all lengths, in the format asked for.

    Raises WrongAnswer, with the shortest string it is wrong on, where the network fails in that format.
    """
    found, number_format = product.explore(model, options.format), parse(options.format)
    if not all(number_format.holds(weight) for weight in model.state_dict().values()):
        raise CertificateError(f"{number_format} does not hold the weights of {name}")
    return issue(
        name,
        model,
        options,
        claim=product.claim(model.task, name),
        scope="all lengths",
        argument=product.ARGUMENT,
        margin=found.margin,
        exact=found.exact,
        quantities={
            **found.sizes,
            **least(model),
            "states": found.states,
            "log2_states": math.log2(found.states),
            "pairs": found.pairs,
            "definition_states": found.definition_states,
            "largest_activation": found.largest_activation,
            "largest_sum": found.largest_sum,
        },
        **parameters,
    )
