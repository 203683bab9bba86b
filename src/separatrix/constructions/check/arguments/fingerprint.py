"""Argument "fingerprint": what a network that is linear over GF(2) says of two concatenated strings.

The bits that the head hears after the query are a sum modulo 2 of contributions w_t(token), found by running the linear
machine backwards. (1) w_(n+t) = w_t: equal strings cancel. (2) The bits fall into planes; those of a plane hear one
yes-or-no question about the tokens, and any two tokens are told apart by some plane's question. (3) In every plane the
contributions of positions n - 1, n - 2, … obey the linear recurrence of the key P, and the first deg P of them are
independent: so the contributions of a set of positions cancel if and only if P divides its polynomial. (4) The head
answers "equal" if and only if all bits are 0. Over keys: P is irreducible, and a nonzero polynomial of degree below n
has at most (n - 1) / d irreducible factors of degree d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments.relu_network import ReluNetwork
from separatrix.constructions.check.kernel.bits import BitNetwork
from separatrix.constructions.recurrent import gf2
from separatrix.models import SequenceModel
from separatrix.numerics import Format

ARGUMENT = "fingerprint"


@dataclass(frozen=True)
class Fingerprint:
    """What was read. margin: least gap of the logits; exact: no sum is ever rounded, in any order."""

    margin: float
    exact: bool


def read(model: SequenceModel, number_format: str | Format, key: int) -> Fingerprint:
    """Prove that a network compares concatenated strings modulo a key. Raises CertificateError saying what failed."""
    task, told = model.task, model.task.model_dump()
    if task.name != "equality" or told["layout"] != "concatenated":
        raise CertificateError(f"{ARGUMENT} is about equality of concatenated strings, got {task.name}")
    if not gf2.irreducible(key):
        raise CertificateError(f"key {key:#x} is no irreducible polynomial over GF(2)")
    network = ReluNetwork(model, number_format)
    for name, value in model.state_dict().items():
        if not network.format.holds(value):
            raise CertificateError(f"{network.format} does not hold the weights {name}")
    bits = BitNetwork(network, task.length)
    said = _contributions(bits, task.length, task.alphabet_size, task.query_offset)
    n = task.length // 2
    if not np.array_equal(said[:n], said[n:]):
        raise CertificateError("equal strings do not cancel")
    _planes(said[:n], key)
    return _head(network, bits)


def verify(model: SequenceModel, certificate: Certificate) -> float:
    """The margin found. Raises CertificateError for what the weights do not bear out."""
    told, key = certificate.quantities, certificate.parameters.get("key")
    if certificate.scope != "all inputs but a share":
        raise CertificateError(
            f"{ARGUMENT} proves claims about shares of keys, the certificate says {certificate.scope!r}"
        )
    if not isinstance(key, int):
        raise CertificateError("the certificate names no key")
    d, n = gf2.degree(key), model.task.length // 2
    expected = {"key": f"{key:#x}", "degree": d, "wrong_keys": (n - 1) // d, "keys": gf2.irreducible_count(d)}
    for name, value in expected.items():
        if str(told.get(name)) != str(value):
            raise CertificateError(f"the certificate says {name} {told.get(name)}, it is {value}")
    found = read(model, certificate.number_format, key)
    if told.get("error") != expected["wrong_keys"] / expected["keys"]:  # type: ignore[operator]
        raise CertificateError(f"the certificate says error {told.get('error')}, it is wrong_keys / keys")
    if certificate.order == "any" and not found.exact:
        raise CertificateError(f"sums are rounded in {certificate.number_format}: the order of sums matters")
    return found.margin


def _contributions(bits: BitNetwork, length: int, alphabet: int, query: int) -> np.ndarray:
    """w_t(token) [N, S, heard]: what each token adds to the bits the head hears. All else must add up to 0."""
    heard = [i for i, bit in enumerate(bits.bits) if bits.head[:, bit].any()]
    if bits.head[:, bits.clocks].any():
        raise CertificateError("the head hears a clock")
    last = bits.machines[length]
    readout, constant = last.matrix[heard].astype(int), last.enters[query, heard].astype(int)
    said = np.zeros((length, alphabet, len(heard)), dtype=np.uint8)
    for t in reversed(range(length)):
        machine = bits.machines[t]
        said[t] = machine.enters[:alphabet] @ readout.T % 2
        readout = readout @ machine.matrix % 2
    if constant.any():
        raise CertificateError("the fingerprint of nothing is not 0")
    return said


def _planes(said: np.ndarray, key: int) -> None:
    """Check (2) and (3) of contributions [n, S, heard] of one string."""
    change = said ^ said[:, :1]
    change = change[:, :, change.any(axis=(0, 1))]  # bits that are never on say nothing
    asked = change.any(axis=0)  # [S, heard]: each bit's question
    answered = change.any(axis=1)  # [n, heard]
    if not np.array_equal(change, answered[:, None] & asked[None]):
        raise CertificateError("a bit asks different questions at different positions")
    questions, plane_of = np.unique(asked, axis=1, return_inverse=True)
    if len(np.unique(questions, axis=0)) < len(questions):
        raise CertificateError("two tokens have one fingerprint")
    d = gf2.degree(key)
    for plane in range(questions.shape[1]):
        powers = answered[::-1, plane_of.reshape(-1) == plane].astype(np.uint8)  # of position n - 1, n - 2, …
        terms = [powers[i : len(powers) - d + i] for i in range(d + 1) if key >> i & 1 and len(powers) > d]
        if terms and np.bitwise_xor.reduce(terms).any():
            raise CertificateError(f"contributions do not obey the recurrence of the key {key:#x}")
        if not _independent(powers[:d]):
            raise CertificateError("two polynomials of degree below the key's have one fingerprint")


def _independent(rows: np.ndarray) -> bool:
    """Whether rows are linearly independent over GF(2)."""
    basis: list[int] = []
    for row in rows:
        value = int("".join(map(str, row)) or "0", 2)
        for other in basis:
            value = min(value, value ^ other)
        if not value:
            return False
        basis.append(value)
    return True


def _head(network: ReluNetwork, bits: BitNetwork) -> Fingerprint:
    """Check (4): the logits for 0, 1, 2, … bits on, one added after the other."""
    rows, bias = network.head.weight(), network.head_bias
    heard = rows.any(axis=0)
    if not ((rows[0, heard] == 1).all() and (rows[1, heard] == -1).all()):
        raise CertificateError("the head does not count the bits that differ")
    total, margin, count = 0.0, np.inf, sum(bool(bits.head[:, bit].any()) for bit in bits.bits)
    rounded = network.format.round_number
    for on in range(count + 1):
        differs, equal = rounded(total + bias[0]), rounded(-total + bias[1])
        margin = min(margin, equal - differs if on == 0 else differs - equal)
        total = rounded(total + 1)
    if not margin > 0:
        raise CertificateError(f"in {network.format} the head cannot tell whether any bit differs")
    return Fingerprint(float(margin), bool(count + max(abs(bias)) <= network.integers))
