"""Equality of concatenated strings by a random fingerprint of O(log n) bits (Karp and Rabin 1987, Rabin 1981).

The strings' bits are polynomials over GF(2), x(z) and y(z), of degree below n. The key is a random irreducible
polynomial P of degree d; the state holds x mod P while x is read, and z^n x + z^n y mod P at the end, which is 0 if and
only if P divides x + y. A polynomial of degree below n has at most (n - 1) / d irreducible factors of degree d, of
about 2^d / d: for every pair of strings all keys but a share of about n / 2^d answer right. The linear lower bound, n
log2 S bits, is about deterministic models that are right on every input: one key is right on almost every input, and a
random key is right on each with high probability.

All activations are 0 and 1. A register holds its bits shifted by one place at every token, and adds the bit that
leaves, the key's coefficients times over, back in. Adding modulo 2 takes a unit for every odd set of the summands: 1, 2
or 4 units a bit. A clock, a register of the same kind that is fed ones, stands at a certain value after n - 1 tokens
for the first time: `half` sees it, and `second` stays on from then. They send the token's bits to `first` or `second`,
whence the fingerprint takes them one token later, times 1 or z^n; the query comes after the last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments import fingerprint as proof
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.recurrent import gf2
from separatrix.constructions.recurrent.issue import issue, proved
from separatrix.constructions.recurrent.network import config, network
from separatrix.constructions.registry import Theorem
from separatrix.models.elman import Elman
from separatrix.tasks.equality import Equality
from separatrix.tasks.randomness import keyed_generator

NAME = "equality-fingerprint"
SOURCE = "Karp and Rabin 1987; Rabin 1981, Fingerprinting by random polynomials"
LONGEST = 2**16
"""Symbols of one string at most: the clock and the check go through them one by one."""


class FingerprintOptions(Options):
    """The key: drawn for an error, or given."""

    error: float = Field(0.01, gt=0, lt=1, description="largest share of keys that may be wrong on a pair of strings")
    degree: int | None = Field(
        None, ge=2, le=256, description="degree d of the key; None for the least the error allows"
    )
    seed: int = Field(0, ge=0, description="seed the key is drawn with")
    key: int | None = Field(None, ge=7, description="the key itself: bit i is the coefficient of z^i")


def share(n: int, degree: int) -> tuple[int, int]:
    """(keys of a degree that can be wrong on one pair of n-bit strings, all keys of that degree)."""
    return (n - 1) // degree, gf2.irreducible_count(degree)


def least_degree(n: int, error: float) -> int:
    """The least degree at which at most this share of the keys is wrong on any pair of strings."""
    for degree in range(2, 257):
        wrong, keys = share(n, degree)
        if wrong <= error * keys:
            return degree
    raise CertificateError(f"an error of {error} needs a key of degree above 256")


class Wiring:
    """Units by the sums they take of earlier units: rows of W, drive and bias, growing."""

    def __init__(self, tokens: int) -> None:
        self.rows: list[tuple[dict[str, int], list[int], int]] = []
        self.names: dict[str, list[int]] = {}
        self.tokens = tokens

    def unit(self, name: str, terms: dict[str, int], bias: int = 0, drive: Sequence[int] = ()) -> None:
        """One unit more of the bit `name`: relu of a sum of bits, a bias and what the token says."""
        self.names.setdefault(name, []).append(len(self.rows))
        self.rows.append((terms, [*drive] or [0] * self.tokens, bias))

    def exclusive_or(self, name: str, inputs: list[str]) -> None:
        """The bit that is the sum modulo 2 of bits: one unit for every odd set of them, on when just these are on."""
        for chosen in range(2 ** len(inputs)):
            if (size := chosen.bit_count()) % 2:
                self.unit(name, {bit: 1 if chosen >> i & 1 else -1 for i, bit in enumerate(inputs)}, 1 - size)

    def register(self, name: str, polynomial: int, entering: dict[int, list[str]]) -> None:
        """A register of bits name0, name1, …: times z modulo the polynomial, plus what enters at each place."""
        d = gf2.degree(polynomial)
        for i in range(d):
            inputs = [f"{name}{i - 1}"] if i else []
            inputs += [f"{name}{d - 1}"] if polynomial >> i & 1 else []
            self.exclusive_or(f"{name}{i}", inputs + entering.get(i, []))

    def weights(self) -> tuple[Float[Tensor, "D D"], Float[Tensor, " D"], Float[Tensor, "tokens D"]]:
        """W, bias and drive. A bit is the sum of its units."""
        width = config(len(self.rows)).width  # refuses too many units before their matrices are made
        recurrent, bias, drive = torch.zeros(width, width), torch.zeros(width), torch.zeros(self.tokens, width)
        for row, (terms, said, constant) in enumerate(self.rows):
            for name, weight in terms.items():
                recurrent[row, self.names[name]] = weight
            bias[row], drive[:, row] = constant, torch.tensor(said)
        return recurrent, bias, drive


def wiring(task: Equality, key: int) -> Wiring:
    """The network's units for a key."""
    n, b = task.length // 2, (task.alphabet - 1).bit_length()
    net, clock = Wiring(task.vocabulary), gf2.long_cycle(n)
    d = gf2.degree(clock)
    net.unit("clock0", {f"clock{d - 1}": -1}, 1)  # the bit that leaves, plus 1
    for i in range(1, d):
        net.exclusive_or(f"clock{i}", [f"clock{i - 1}"] + ([f"clock{d - 1}"] if clock >> i & 1 else []))
    mark = 0
    for _ in range(n - 1):
        mark = gf2.remainder(mark << 1, clock) ^ 1
    net.unit("half", {f"clock{i}": 1 if mark >> i & 1 else -1 for i in range(d)}, 1 - mark.bit_count())
    net.unit("second", {"half": 1, "second": 1})
    turn = gf2.power(n, key)
    for j in range(b):
        bits = [token >> j & 1 for token in range(task.alphabet)] + [0]
        net.unit(f"first{j}", {"half": -1, "second": -1}, 0, bits)
        net.unit(f"second{j}", {"half": 1, "second": 1}, -1, bits)
        entering = {i: [f"second{j}"] for i in range(gf2.degree(key)) if turn >> i & 1}
        entering[0] = [f"first{j}", *entering.get(0, [])]
        net.register(f"fingerprint{j}.", key, entering)
    return net


def elman(task: Equality, key: int) -> Elman:
    """The network of a key: answers "equal" when no bit of the fingerprint is on."""
    net = wiring(task, key)
    recurrent, bias, drive = net.weights()
    row = torch.zeros(len(bias))
    for name, members in net.names.items():
        row[members] = float(name.startswith("fingerprint"))
    return network(task, drive, recurrent, bias, torch.stack([row, -row]), torch.tensor([0.0, 1.0]))


def build(task: Equality, options: FingerprintOptions) -> Construction:
    """The fingerprint network of a key with its certificate. Raises CertificateError for what cannot be guaranteed."""
    n = task.length // 2
    if task.layout != "concatenated":
        raise CertificateError("the fingerprint compares concatenated strings: use equality-interleaved")
    if n > LONGEST:
        raise CertificateError(f"strings of {n:,} symbols: at most {LONGEST:,} are built")
    key = options.key
    if key is None:
        degree = options.degree or least_degree(n, options.error)
        key = gf2.draw_irreducible(degree, keyed_generator(f"separatrix/fingerprint/{options.seed}/{degree}"))
    elif not gf2.irreducible(key):
        raise CertificateError(f"key {key:#x} is no irreducible polynomial over GF(2)")
    model, (wrong, keys) = elman(task, key), share(n, gf2.degree(key))
    found = proved(lambda: proof.read(model, options.format, key), model, options)
    return issue(
        NAME,
        model,
        options,
        claim=proof.claim(wrong, keys),
        scope="all inputs but a share",
        argument=proof.ARGUMENT,
        margin=found.margin,
        exact=found.exact,
        quantities={
            "key": f"{key:#x}",
            "degree": gf2.degree(key),
            "wrong_keys": wrong,
            "keys": keys if keys < 2**53 else str(keys),
            "error": wrong / keys,
            "units": model.config.width,
            "state_bits": model.config.width,
            "deterministic_lower_bound_bits": task.recurrent_bits(),
            "log2_n": math.log2(n),
        },
        key=key,
    )


THEOREMS = {
    NAME: Theorem(
        NAME,
        "equality",
        "equality of two n-bit strings, wrong on a share n / 2^d of random keys, needs O(d + log n) recurrent bits",
        SOURCE,
        build,
        options=FingerprintOptions,
        fixed={"layout": "concatenated"},
    )
}
