"""ReLU networks read as machines over bits that are linear over GF(2), once the clocks among the bits are known.

Units whose outgoing weights are equal act only through their sum: a *bit*. Bits that hear nothing but each other
whatever the token is are *clocks*: they are run. Each other bit, for each reading of the clocks it hears, is tabulated
over the bits it hears and the tokens: it must be 0 or 1 everywhere, and a sum modulo 2 of the bits plus a function of
the token. By induction over the tokens the network then is the linear machine v' = M v + u(token), at every time with
the M and u of the clocks' reading then.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments.relu_network import ReluNetwork

HEARD = 12
"""Bits that one bit may hear, at most: its table has two to that power rows."""


@dataclass(frozen=True)
class Linear:
    """v' = M v + u(token) modulo 2. matrix [V, V]; enters [vocabulary, V]."""

    matrix: np.ndarray
    enters: np.ndarray


class BitNetwork:
    """The bits of a network, and the linear machine they are after t tokens. CertificateError where they are none."""

    def __init__(self, network: ReluNetwork, length: int) -> None:
        self.network = network
        weight, head = network.recurrent.weight(), network.head.weight()
        columns, self.bit_of = np.unique(np.vstack([weight, head]), axis=1, return_inverse=True)
        self.bit_of = self.bit_of.reshape(-1)
        self.weight, self.head = columns[: network.units], columns[network.units :]  # by bits
        self.drive = network.drive.total
        self.members = [np.flatnonzero(self.bit_of == bit) for bit in range(columns.shape[1])]
        hears = [set(np.flatnonzero(self.weight[rows].any(axis=0)).tolist()) for rows in self.members]
        clocks = {bit for bit, rows in enumerate(self.members) if (self.drive[:, rows] == self.drive[0, rows]).all()}
        while late := {bit for bit in clocks if not hears[bit] <= clocks}:
            clocks -= late
        self.clocks = sorted(clocks)
        self.bits = [bit for bit in range(len(self.members)) if bit not in clocks]
        self.hears = {bit: sorted(hears[bit] - clocks) for bit in self.bits}
        self.listens = sorted(set().union(*(hears[bit] & clocks for bit in self.bits)) if self.bits else [])
        readings, self.largest = self._run(length), 0.0
        machines = {reading: self._tabulate(reading) for reading in dict.fromkeys(readings)}
        self.machines = [machines[reading] for reading in readings]  # for the token after t tokens, t = 0 … length
        self._bound()

    def _run(self, length: int) -> list[tuple[float, ...]]:
        """What the clocks that are listened to read after 0 … length tokens. All clocks must be 0 or 1 at all times."""
        rows = np.concatenate([self.members[bit] for bit in self.clocks]) if self.clocks else np.zeros(0, int)
        place = {bit: i for i, bit in enumerate(self.clocks)}
        owners = np.array([place[int(self.bit_of[row])] for row in rows], dtype=int)
        weight, drive = self.weight[rows][:, self.clocks], self.drive[0, rows]
        state: np.ndarray = np.zeros(len(self.clocks))
        readings = []
        for t in range(length + 1):
            readings.append(tuple(state[[place[bit] for bit in self.listens]]))
            if t == length:
                break
            state = np.bincount(owners, np.maximum(weight @ state + drive, 0), minlength=len(self.clocks))
            if not np.isin(state, (0, 1)).all():
                raise CertificateError("a clock's bits are not 0 and 1 at all times")
        return readings

    def _tabulate(self, reading: tuple[float, ...]) -> Linear:
        """The linear machine at one reading of the clocks."""
        index = {bit: i for i, bit in enumerate(self.bits)}
        matrix = np.zeros((len(self.bits), len(self.bits)), dtype=np.uint8)
        enters = np.zeros((len(self.drive), len(self.bits)), dtype=np.uint8)
        for bit in self.bits:
            rows, heard = self.members[bit], self.hears[bit]
            if len(heard) > HEARD:
                raise CertificateError(f"a bit hears {len(heard)} others: tables are made of at most {HEARD}")
            inputs = np.array(list(product((0, 1), repeat=len(heard))), dtype=float).reshape(2 ** len(heard), -1)
            known = self.weight[rows][:, self.listens] @ np.array(reading) if self.listens else 0.0
            sums = inputs @ self.weight[rows][:, heard].T + known  # [assignment, unit]
            table = np.maximum(sums[None] + self.drive[:, None, rows], 0).sum(axis=2)  # [token, assignment]
            if not np.isin(table, (0, 1)).all():
                raise CertificateError("a bit is not 0 or 1 after bits of 0 and 1")
            constant = table[:, 0].astype(np.uint8)
            slopes = np.array([int(table[0, 2 ** (len(heard) - 1 - i)]) ^ constant[0] for i in range(len(heard))], int)
            linear = (constant[:, None] + inputs.astype(int) @ slopes) % 2
            if not np.array_equal(linear, table):
                raise CertificateError("a bit is no sum modulo 2 of the bits it hears")
            matrix[index[bit], [index[each] for each in heard]] = slopes
            enters[:, index[bit]] = constant
        return Linear(matrix, enters)

    def _bound(self) -> None:
        """No partial sum of any unit is rounded, in any order: of a bit's units one is on at most."""
        up = np.maximum(self.weight, 0).sum(axis=1) + self.network.drive.up.max(axis=0)
        down = np.maximum(-self.weight, 0).sum(axis=1) + self.network.drive.down.max(axis=0)
        self.largest = float(max(up.max(), down.max()))
        self.network.require_whole(self.largest)
