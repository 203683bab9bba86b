"""What the recurrent constructions share: a ReLU Elman network whose weights are given."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions.certificate import CertificateError
from separatrix.models.elman import Elman, ElmanConfig
from separatrix.tasks import Problem

LARGEST_WIDTH = 2**13
"""Units of one network at most: its two square matrices take 512 MB then."""


def config(width: int) -> ElmanConfig:
    """The configuration of a network of so many units. Raises CertificateError above LARGEST_WIDTH."""
    if width > LARGEST_WIDTH:
        raise CertificateError(
            f"the network needs {width:,} units and two square matrices: at most {LARGEST_WIDTH:,} units are built"
        )
    return ElmanConfig(width=width, nonlinearity="relu")


def network(
    task: Problem,
    drive: Float[Tensor, "vocabulary D"],
    recurrent: Float[Tensor, "D D"],
    bias: Float[Tensor, " D"],
    head: Float[Tensor, "answers D"],
    head_bias: Float[Tensor, " answers"],
) -> Elman:
    """The network h' = relu(W h + drive[token] + bias) with logits head h' + head_bias, read after the query.

    The drive is the embedding; W_ih is the identity, so that each token's row says what it adds to every unit.
    """
    width = len(bias)
    with torch.device("meta"):  # no drawing of weights that are replaced at once
        model = Elman(task, config(width))
    cell = "blocks.0.mixer.cell"
    weights = {
        "embed.weight": drive,
        f"{cell}.weight_ih_l0": torch.eye(width),
        f"{cell}.weight_hh_l0": recurrent,
        f"{cell}.bias_ih_l0": bias,
        f"{cell}.bias_hh_l0": torch.zeros(width),
        "head.weight": head,
        "head.bias": head_bias,
    }
    model.load_state_dict(weights, assign=True)
    return model
