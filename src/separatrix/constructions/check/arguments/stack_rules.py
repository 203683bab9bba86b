"""Argument "stack rules": a stack network proved by its local rules, whatever the number of stacks.

The certificate names the units of every slot's bits, of the violations and of the flag; all of it is verified here. Let
s_ij be the sum of the units of bit j of slot i. (1) An opening bracket makes s_0j its code and s_ij the old s_(i-1)j, a
closing one makes s_ij the old s_(i+1)j, for every value of the bits these units hear. (2) Every violation hears one
bit: a closing bracket turns one on iff the top is not its code, an opening one iff the last slot is not empty. (3) The
flag falls with a violation, and stays. (4) Codes differ and none is all zeros. By induction, while the flag stands and
no violation is on, the slots hold the stack of the definition; otherwise the definition rejects. (5) The head accepts
iff the flag stands and the end finds no top.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments.product import claim
from separatrix.constructions.check.arguments.relu_network import ReluNetwork
from separatrix.constructions.check.kernel.claims import Proved, known
from separatrix.models import SequenceModel
from separatrix.numerics import Format
from separatrix.tasks.base import context_task

ARGUMENT = "stack rules"


@dataclass(frozen=True)
class StackRules:
    """What was found. margin: least gap between right and wrong logit."""

    margin: float
    largest_sum: float


def read(model: SequenceModel, number_format: str | Format, layout: dict[str, Any]) -> StackRules:
    """Prove a stack network right. Raises CertificateError saying which rule fails.

    layout: slots [k][b] lists of units, violations, alive and begun
    """
    if model.task.name != "bounded-dyck":
        raise CertificateError(f"{ARGUMENT} is about bounded-dyck, got {model.task.name}")
    return _Reader(ReluNetwork(model, number_format), layout).read()


def allowed(certificate: Certificate) -> Collection[str]:
    """Of recurrent networks the argument itself bounds all sums."""
    return ()


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. Raises CertificateError for what the weights do not bear out."""
    layout = certificate.parameters.get("layout")
    if not isinstance(layout, dict) or set(layout) != {"slots", "violations", "alive", "begun"}:
        raise CertificateError("the certificate names no slots, violations, alive and begun")
    found, units = read(model, certificate.number_format, layout), model.config.width
    return Proved(
        claim=claim(context_task(model.task), certificate.construction),
        scope="all lengths",
        margin=found.margin,
        equal={"units": units, "state_bits": units, "largest_sum": found.largest_sum},
        at_least=known(lower_bound_bits=model.task.recurrent_bits()),
        options={"layout": layout},
    )


class _Reader:
    """The rules of one network, read from its weights."""

    def __init__(self, network: ReluNetwork, layout: dict[str, Any]) -> None:
        task = network.model.task.model_dump()
        self.network, self.kinds, self.depth = network, task["kinds"], task["depth"]
        self.weight, self.drive = network.recurrent.weight(), network.drive.total
        self.slots = [[np.array(units, dtype=int) for units in slot] for slot in layout["slots"]]
        self.violations = np.array(layout["violations"], dtype=int)
        self.alive, self.begun = int(layout["alive"]), int(layout["begun"])
        flat = [*(unit for slot in self.slots for units in slot for unit in units), *self.violations]
        if sorted([*flat, self.alive, self.begun]) != list(range(network.units)):
            raise CertificateError("the certificate does not name every unit once")
        if len(self.slots) != self.depth or len({len(slot) for slot in self.slots}) != 1:
            raise CertificateError(f"the certificate names {len(self.slots)} slots, the depth is {self.depth}")
        self.bits = len(self.slots[0])
        self.hears = np.empty((network.units, self.depth, self.bits))  # weight of every unit on every slot's bit
        for i, slot in enumerate(self.slots):
            for j, units in enumerate(slot):
                if (self.weight[:, units] != self.weight[:, units[:1]]).any():
                    raise CertificateError(f"units of bit {j} of slot {i} do not act by their sum")
                self.hears[:, i, j] = self.weight[:, units[0]]

    def read(self) -> StackRules:
        """All rules, one after the other."""
        codes = self._moves()
        if len(np.unique(codes, axis=0)) < self.kinds or not codes.any(axis=1).all():
            raise CertificateError("two kinds have one code, or one has the code of an empty slot")
        self._violations(codes)
        self._flag()
        margin, read = self._end()
        largest = self._largest(read)
        self.network.require_whole(largest)
        return StackRules(margin, largest)

    def _table(self, units: np.ndarray, heard: list[tuple[int, int]]) -> np.ndarray:
        """Activations [token, assignment, unit] of units that hear nothing but these slots' bits (slot, bit)."""
        others = self.hears[units].copy()
        for i, j in heard:
            others[:, i, j] = 0
        flags = [*self.violations, self.alive, self.begun]
        if others.any() or self.weight[np.ix_(units, flags)].any():
            raise CertificateError(f"units {units.tolist()} hear more than their neighbours in the stack")
        values = np.array(np.meshgrid(*[[0, 1]] * len(heard), indexing="ij")).reshape(len(heard), 2 ** len(heard)).T
        weight = np.array([self.hears[units, i, j] for i, j in heard]).reshape(len(heard), len(units))
        return np.maximum(values @ weight + self.drive[:, None, units], 0)

    def _moves(self) -> np.ndarray:
        """Rule 1. Returns the codes [kinds, bits]."""
        n, k = self.kinds, self.depth
        codes = np.zeros((n, self.bits))
        for i, slot in enumerate(self.slots):
            for j, units in enumerate(slot):
                above = [(i - 1, j)] if i else []
                below = [(i + 1, j)] if i + 1 < k else []
                table = self._table(units, above + below).sum(axis=2)[: 2 * n].reshape(2 * n, 2 ** len(above), -1)
                pushed, popped = table[:n], table[n:]
                entered = np.arange(2)[:, None] if above else pushed[:, :1, :1]
                left = np.arange(2) if below else np.zeros(1)
                if i == 0:
                    codes[:, j] = pushed[:, 0, 0]
                if (pushed != entered).any() or (popped != left).any() or not np.isin(codes, (0, 1)).all():
                    raise CertificateError(f"bit {j} of slot {i} does not move with the stack")
        return codes

    def _triggers(self, violation: int) -> tuple[tuple[int, int], np.ndarray]:
        """The bit (slot, bit) a violation hears, and its activation [token, value of the bit]."""
        heard = [(int(i), int(j)) for i, j in np.argwhere(self.hears[violation])]
        if len(heard) != 1:
            raise CertificateError(f"violation {violation} hears {len(heard)} bits of the stack instead of one")
        table = self._table(np.array([violation]), heard)[:, :, 0]
        if not np.isin(table, (0, 1)).all():
            raise CertificateError(f"violation {violation} is not 0 or 1")
        return heard[0], table

    def _violations(self, codes: np.ndarray) -> None:
        """Rule 2: which values of which bits turn a violation on, for every token."""
        n, k = self.kinds, self.depth
        counts = np.zeros((2 * n + 1, k, self.bits, 2))
        for violation in self.violations.tolist():
            (i, j), table = self._triggers(violation)
            counts[:, i, j] += table
        wanted = np.zeros(counts.shape, dtype=bool)
        wanted[:n, k - 1, :, 1] = True
        wanted[n : 2 * n, 0, :, 0] = codes == 1
        wanted[n : 2 * n, 0, :, 1] = codes == 0
        if not np.array_equal(counts[: 2 * n] > 0, wanted[: 2 * n]):
            raise CertificateError("violations are not those of a wrong bracket or a full stack")
        self.simultaneous = counts[: 2 * n].max(axis=3).sum(axis=(1, 2)).max()

    def _flag(self) -> None:
        """Rule 3."""
        wanted = np.zeros((2, self.network.units))
        wanted[0, self.alive], wanted[0, self.begun], wanted[0, self.violations] = 1, -1, -1
        flag = [self.alive, self.begun]
        if not np.array_equal(self.weight[flag], wanted) or (self.drive[:, flag] != 1).any():
            raise CertificateError("the flag does not fall with every violation and stay")

    def _end(self) -> tuple[float, np.ndarray]:
        """Rule 5: (margin, violations the head reads). They must be on iff the top's bit is, each for one bit."""
        head, bias = self.network.head.weight(), self.network.head_bias
        gap = head[1] - head[0]
        read = self.violations[gap[self.violations] != 0]
        others = np.delete(head, [*read, self.alive], axis=1)
        if others.any() or (gap[read] >= 0).any():
            raise CertificateError("the head reads more than the flag and what the end finds")
        end, bits = 2 * self.kinds, []
        for violation in read.tolist():
            (i, j), table = self._triggers(violation)
            if i == 0 and table[end].tolist() == [0, 1]:
                bits.append(j)
            elif table[end].any():
                raise CertificateError("the end of the string does not look at the top alone")
        if sorted(set(bits)) != list(range(self.bits)):
            raise CertificateError("the end of the string does not look at every bit of the top")
        constant = bias[1] - bias[0]
        accepts, rejects = constant + gap[self.alive], max(constant, constant + gap[self.alive] + gap[read].max())
        if not (accepts > 0 > rejects):
            raise CertificateError("the head accepts or rejects the wrong strings")
        return float(min(accepts, -rejects)), read

    def _largest(self, read: np.ndarray) -> float:
        """The largest partial sum in any order: bits and units are 0 or 1, so many violations are on at a time."""
        most = 0.0
        for sign, drive in ((1, self.network.drive.up), (-1, self.network.drive.down)):
            sums = np.maximum(sign * self.hears, 0).sum(axis=(1, 2)) + drive.max(axis=0)
            sums += np.maximum(sign * self.weight[:, [self.alive, self.begun]], 0).sum(axis=1)
            sums += np.maximum(sign * self.weight[:, self.violations], 0).max(axis=1, initial=0) * self.simultaneous
            head = np.maximum(sign * self.network.head.weight()[:, [self.alive, *read]], 0).sum(axis=1)
            most = max(most, sums.max(), (head + np.maximum(sign * self.network.head_bias, 0)).max())
        return float(most)
