"""Polynomials over the field of two elements. Bit i of an int is the coefficient of z^i."""

from __future__ import annotations

import torch

from separatrix.errors import InputError


def degree(p: int) -> int:
    """The degree; -1 for the zero polynomial."""
    return p.bit_length() - 1


def remainder(a: int, p: int) -> int:
    """The remainder of a modulo p."""
    while a.bit_length() >= p.bit_length():
        a ^= p << (a.bit_length() - p.bit_length())
    return a


def multiply(a: int, b: int, p: int) -> int:
    """The product of a and b modulo p."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a, b = a << 1, b >> 1
    return remainder(product, p)


def power(exponent: int, p: int) -> int:
    """The power of z, modulo p."""
    result, square = remainder(1, p), remainder(2, p)
    while exponent:
        if exponent & 1:
            result = multiply(result, square, p)
        square, exponent = multiply(square, square, p), exponent >> 1
    return result


def common_divisor(a: int, b: int) -> int:
    """The greatest common divisor."""
    while b:
        a, b = b, remainder(a, b)
    return a


def irreducible(p: int) -> bool:
    """Whether a polynomial of degree at least 1 has no proper factor (Rabin 1980)."""
    d = degree(p)
    if d < 1:
        return False
    proper = [common_divisor(p, power(2 ** (d // r), p) ^ 2) for r in prime_divisors(d)]
    return power(2**d, p) == remainder(2, p) and all(common == 1 for common in proper)


def prime_divisors(n: int) -> list[int]:
    """The primes that divide n."""
    found, r = [], 2
    while n > 1:
        if n % r == 0:
            found.append(r)
        while n % r == 0:
            n //= r
        r += 1
    return found


def irreducible_count(d: int) -> int:
    """How many irreducible polynomials of degree d there are (Gauss): the sum over e | d of mu(d / e) 2^e, over d."""
    total, primes = 0, prime_divisors(d)
    for chosen in range(2 ** len(primes)):
        divisor = 1
        for i, r in enumerate(primes):
            divisor *= r if chosen >> i & 1 else 1
        total += (-1) ** chosen.bit_count() * 2 ** (d // divisor)
    return total // d


def draw_irreducible(d: int, generator: torch.Generator) -> int:
    """An irreducible polynomial of degree d >= 2, uniformly: one in about d / 2 with constant term 1 is."""
    if d < 2:
        raise InputError(f"degree must be at least 2, got {d}")
    while True:
        bits = torch.randint(2, (d - 1,), generator=generator).tolist()
        p = 1 | sum(bit << i for i, bit in enumerate(bits, start=1)) | 1 << d
        if irreducible(p):
            return p


def long_cycle(length: int) -> int:
    """The first irreducible polynomial of degree ceil(log2(length + 2)) modulo which 1, z, …, z^length all differ."""
    d = (length + 1).bit_length()
    for p in range(1 << d | 1, 2 << d, 2):
        if irreducible(p) and _order_exceeds(p, length):
            return p
    raise InputError(f"no polynomial of degree {d} has a cycle of more than {length} powers")


def _order_exceeds(p: int, length: int) -> bool:
    """Whether z^t is not 1 modulo p for 1 <= t <= length."""
    state, top = 1, 1 << degree(p)
    for _ in range(length):
        state <<= 1
        if state & top:
            state ^= p
        if state == 1:
            return False
    return True
