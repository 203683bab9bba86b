"""Argument "shift register": where every token of a context stands after N steps, read from the weights.

W permutes the units. Let B be the units that tokens write to. If B, W B, …, W^(N-1) B have no unit in common, then
after N tokens the units W^(N-1-i) B hold token i and nothing else. A query moves them once more; if its row is 0 on
W^(N-p) B and -1 elsewhere, only token p is left, and each of the S tokens that may stand there is tried against the
head.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments.relu_network import ReluNetwork
from separatrix.constructions.check.kernel.claims import Proved, known
from separatrix.models import SequenceModel
from separatrix.numerics import Arithmetic, Format
from separatrix.tasks import Task
from separatrix.tasks.base import context_task

ARGUMENT = "shift register"


@dataclass(frozen=True)
class Register:
    """What was read. margin: least gap between the right and any other logit; exact: no sum is ever rounded."""

    margin: float
    exact: bool


def read(model: SequenceModel, number_format: str | Format) -> Register:
    """Prove a shift register right. Raises CertificateError saying what failed."""
    network, task = ReluNetwork(model, number_format), model.task
    if task.name != "index-lookup" or task.alphabet_size != task.answers:
        raise CertificateError(f"{ARGUMENT} is about index lookup of one length, got {task.name}")
    _hold(network)
    slots, codes = _slots(network)
    queries = network.drive.total[[query + task.query_offset for query in task.query_values]]
    for p, row in enumerate(queries):
        wanted = np.full(network.units, -1.0)
        wanted[slots[p]] = 0
        if not np.array_equal(row, wanted):
            raise CertificateError(f"the query for position {p} does not leave its token alone, and only its token")
    if np.delete(network.head.weight(), np.unique(slots), axis=1).any():
        raise CertificateError("the head reads units that hold no token")
    head = network.head.weight()[:, slots].transpose(1, 2, 0)  # [position, bit, answer]
    logits = _logits(network, head, codes)
    own = np.arange(codes.shape[1])
    right = logits[:, own, own]
    logits[:, own, own] = -np.inf
    gaps = right - logits.max(axis=2)
    if not gaps.min() > 0:
        p, token = np.argwhere(~(gaps > 0))[0]
        raise CertificateError(
            f"in {network.format}, token {token} at position {p} is answered {logits[p, token].argmax()}"
        )
    up = np.maximum(head, 0).sum(axis=1).max() + max(0, network.head_bias.max())
    down = np.maximum(-head, 0).sum(axis=1).max() + max(0, -network.head_bias.min())
    return Register(float(gaps.min()), bool(max(up, down) <= network.integers))


def claim(task: Task) -> str:
    """What the argument proves, as a sentence."""
    return f"every query about every context of {task.length} tokens is answered right"


def allowed(certificate: Certificate) -> Collection[str]:
    """Of recurrent networks the argument itself bounds all sums."""
    return ()


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. Raises CertificateError for what the weights do not bear out."""
    found = read(model, certificate.number_format)
    units = model.config.width
    return Proved(
        claim=claim(context_task(model.task)),
        scope="length N",
        margin=found.margin,
        order="any" if found.exact else "sequential",
        equal={"units": units, "state_bits": units},
        at_least=known(lower_bound_bits=model.task.recurrent_bits()),
    )


def _hold(network: ReluNetwork) -> None:
    """Nothing is right of a register whose weights a format changes."""
    for name, value in network.model.state_dict().items():
        if not network.format.holds(value):
            raise CertificateError(
                f"{network.format} does not hold the weights {name}: a register holds 0 and 1 exactly"
            )


def _slots(network: ReluNetwork) -> tuple[np.ndarray, np.ndarray]:
    """Units [N, b] each position's token stands in after the query, and what each token writes there, [N, S, b]."""
    task, weight = network.model.task, network.recurrent.weight()
    if not (np.isin(weight, (0, 1)).all() and (weight.sum(axis=0) == 1).all() and (weight.sum(axis=1) == 1).all()):
        raise CertificateError("W does not permute the units")
    moved = weight.argmax(axis=0)  # unit → where it moves
    written = network.drive.total[: task.alphabet_size]
    if not np.isin(written, (0, 1)).all():
        raise CertificateError("tokens do not write zeros and ones")
    block = np.flatnonzero(written.any(axis=0))
    slots, standing = [], block
    for _ in range(task.length):
        standing = moved[standing]
        slots.append(standing)
    if len(np.unique(slots)) != len(block) * task.length:
        raise CertificateError(f"slots overlap: {task.length} tokens do not fit")
    arriving = np.ones((len(network.drive.up), network.units))  # W passes on one unit of 0 or 1
    arriving[: task.alphabet_size, block] = 0  # where tokens write, nothing arrives before N tokens are in
    network.require_whole(float(max((network.drive.up + arriving).max(), network.drive.down.max())))
    held = np.array(slots[::-1])
    order = np.argsort(held, axis=1)  # units in their order, in which rounded sums are taken
    return np.take_along_axis(held, order, axis=1), written[:, block][:, order].transpose(1, 0, 2)


def _logits(network: ReluNetwork, head: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Logits [position, token, answer], sums taken unit by unit in the order of the units, the bias last."""
    arithmetic = Arithmetic(network.format)
    total = torch.zeros(*codes.shape[:2], head.shape[2], dtype=torch.float64)
    for j in range(codes.shape[2]):
        bit, weight = torch.from_numpy(codes[:, :, j, None]), torch.from_numpy(head[:, None, j])
        total = arithmetic.add(total, arithmetic.multiply(bit, weight))
    return arithmetic.add(total, torch.from_numpy(network.head_bias)).numpy()
