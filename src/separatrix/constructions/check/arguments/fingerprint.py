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

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments.bits import BitNetwork
from separatrix.constructions.check.arguments.relu_network import ReluNetwork
from separatrix.constructions.check.kernel.claims import Proved, known
from separatrix.models import SequenceModel
from separatrix.numerics import Format

ARGUMENT = "fingerprint"
LARGEST_DEGREE = 256
LONGEST = 2**18
"""Tokens that are gone through one by one, at most."""


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
    if task.length > LONGEST:
        raise CertificateError(
            f"strings of {task.length:,} tokens are more than the {LONGEST:,} the checker goes through"
        )
    if not irreducible(key):
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


def claim(wrong: int, keys: int) -> str:
    """What the argument proves, as a sentence."""
    return (
        "equal strings are always answered equal; unequal ones are answered equal only if the key divides their "
        f"difference: for every pair of strings, {wrong} of the {keys} keys of this degree at most"
    )


def allowed(certificate: Certificate) -> Collection[str]:
    """Of recurrent networks the argument itself bounds all sums."""
    return ()


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. Raises CertificateError for what the weights do not bear out."""
    key = certificate.parameters.get("key")
    if not isinstance(key, int) or isinstance(key, bool) or not 2 <= _degree(key) <= LARGEST_DEGREE:
        raise CertificateError(f"the certificate names no key of degree 2 to {LARGEST_DEGREE}")
    found = read(model, certificate.number_format, key)
    d, n, units = _degree(key), model.task.length // 2, model.config.width
    wrong, keys = (n - 1) // d, irreducible_count(d)
    degree = certificate.parameters.get("degree")
    return Proved(
        claim=claim(wrong, keys),
        scope="all inputs but a share",
        margin=found.margin,
        order="any" if found.exact else "sequential",
        equal={
            "key": f"{key:#x}",
            "degree": d,
            "wrong_keys": wrong,
            "keys": keys if keys < 2**53 else str(keys),
            "error": wrong / keys,
            "units": units,
            "state_bits": units,
            "log2_n": math.log2(n),
        },
        at_least=known(deterministic_lower_bound_bits=model.task.recurrent_bits()),
        options={"key": key, "degree": None if degree is None else d},
    )


def _degree(key: int) -> int:
    return key.bit_length() - 1


def irreducible(key: int) -> bool:
    """Whether a polynomial over GF(2), bit i the coefficient of z^i, has no proper factor."""
    import flint  # noqa: PLC0415  # a compiled library that only codes and keys need

    factors = flint.nmod_poly([key >> i & 1 for i in range(key.bit_length())], 2).factor()[1]
    return [multiplicity for _, multiplicity in factors] == [1]


def irreducible_count(d: int) -> int:
    """How many irreducible polynomials of degree d there are: what degrees e | d leave of 2^d, over d (Gauss)."""
    return (2**d - sum(e * irreducible_count(e) for e in range(1, d) if d % e == 0)) // d


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
    d = _degree(key)
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
