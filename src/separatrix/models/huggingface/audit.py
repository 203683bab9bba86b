"""The state of a Hugging Face configuration, found by measuring small models of it and scaled to its real sizes.

1. Small models with the same layers, heads and number formats (`shrink`) are built with random weights and read at
   lengths beyond every window; each tensor handed over obeys one law of the length (`separatrix.models.growth`).
2. What is counted is checked to be the whole state: nothing else lets the model go on as it would have.
3. At three scales and a fourth that was held out, constants and slopes are polynomials of the scale: so they are at
   the real one. The place of each window is found by measuring with other windows.
4. The real configuration is built on PyTorch's `meta` device, without memory, and read at the length asked for: every
   tensor must have the size and format that was computed. Where Transformers needs numbers to run, this is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from separatrix.bounds.state_size import Part, StateSize, merged
from separatrix.errors import InputError
from separatrix.models.growth import Law, law, polynomial
from separatrix.models.huggingface.configuration import configuration, language_model, plain_settings
from separatrix.models.huggingface.fla import fla_size, is_fla
from separatrix.models.huggingface.prefill import Count, Reader
from separatrix.models.huggingface.shrink import Shrunk, scales, small_windows, windows
from separatrix.models.sequence import parameter_count

LENGTHS = (3, 4, 6, 9, 13, 16)
"""Contexts, in tokens, that small models read; others beyond the windows are added."""

LARGEST = 150_000_000
"""Parameters a small model may have."""

SMALL = 500_000
"""Parameters of a small model up to which larger ones are built with numbers, too."""

SECONDS = 10
"""About how long the real configuration may be read without memory."""

BRIEF = (9, 65)
"""Contexts, in tokens, that tell how long a longer one will take."""

Laws = list[tuple[int, Law]]
"""Bits a number, and the law of each tensor's numbers."""


@dataclass(frozen=True)
class Audit:
    """What was found: the state's size, which tensors modules hold, and how far the real build was compared."""

    size: StateSize
    places: list[str]
    scale: int
    compared: str


def audit_configuration(settings: dict[str, Any], length: int) -> Audit:
    """The state of a configuration after `length` tokens, measured. Raises InputError when it cannot be."""
    real = configuration(settings)
    plain = plain_settings(real)
    failure: InputError | None = None
    for scale in candidates(scales(plain)):
        try:
            laws, places = _scaled(plain, scale)
        except InputError as error:
            failure = failure or error
            continue
        compared = _compare(real, laws, places, length)
        return Audit(_size(real, laws, scale, compared), places, scale, compared)
    assert failure is not None
    raise failure


def configured_size(settings: dict[str, Any], length: int) -> StateSize:
    """The state of a configuration: audited where Transformers has its type, computed for flash-linear-attention's.

    Raises InputError when neither can be done.
    """
    return fla_size(settings) if is_fla(settings) else audit_configuration(settings, length).size


def candidates(found: list[int]) -> list[int]:
    """The scales worth trying: the largest few, and the real size itself."""
    return list(dict.fromkeys([*found[:4], 1]))


def _scaled(plain: dict[str, Any], scale: int) -> tuple[Laws, list[str]]:
    """The laws of a configuration's tensors at its real sizes, and where modules hold some of them."""
    lengths = windows(plain)
    first, second = small_windows(lengths, 5, 6), small_windows(lengths, 8, 5)

    def reader(t: int, small: dict[int, int], device: str) -> Reader:
        return _reader(Shrunk(plain, scale, small).at(t), device, places)

    places = _whole_state(Shrunk(plain, scale, first).at(1))
    smallest = reader(1, first, "cpu")
    laws = _laws(smallest, _lengths(first))
    few_weights = parameter_count(smallest.model) <= SMALL  # then numbers cost less than PyTorch's bookkeeping on meta
    device = "cpu" if few_weights or not _runs_without_numbers(lambda: reader(1, first, "meta"), smallest) else "meta"
    if scale > 1:
        few = _few(laws, first)
        grown = [laws, *(_laws(reader(t, first, device), few) for t in (2, 3))]
        try:
            laws = [_at_scale(list(tensor), scale) for tensor in zip(*grown, strict=True)]
        except InputError:  # no lines: matrices whose sides both grow
            grown.append(_laws(reader(4, first, device), few))
            laws = [_at_scale(list(tensor), scale) for tensor in zip(*grown, strict=True)]
    if any(found.window is not None for _, found in laws) and first != second:
        other = _laws(reader(1, second, device), _few(laws, second))
        laws = [
            (bits, _at_window(found, there, first, second))
            for (bits, found), (_, there) in zip(laws, other, strict=True)
        ]
    return laws, places


def _whole_state(settings: dict[str, Any]) -> list[str]:
    """Where the modules of a small model hold a part of its state. Raises InputError when some of it is not found."""
    reader = _reader(settings | {"dtype": "float32"}, "cpu")
    reader.check_whole()
    return reader.places


def _runs_without_numbers(build: Callable[[], Reader], smallest: Reader) -> bool:
    """Whether a small model hands over the same on `meta`. Raises InputError when it hands over something else."""
    try:
        found = build().counts(BRIEF[0])
    except InputError:
        return False
    _agree(smallest.kind, BRIEF[0], found, smallest.counts(BRIEF[0]))
    return True


def _reader(settings: dict[str, Any], device: str, places: list[str] | None = None) -> Reader:
    config = configuration(settings)
    if device == "meta":
        return Reader(config, "meta", places)
    with torch.device("meta"):
        weights = parameter_count(language_model(config))
    if weights > LARGEST:
        raise InputError(f"{config.model_type}: a small model of it would still have {weights:,} parameters")
    return Reader(config, "cpu", places)


def _lengths(small: dict[int, int]) -> list[int]:
    most = max(small.values(), default=0)
    return sorted({*LENGTHS, *small.values(), *(w + 1 for w in small.values()), most + 3, 2 * most + 4})


def _few(laws: Laws, small: dict[int, int]) -> list[int]:
    """Lengths enough to tell laws of a known shape: all where the past is kept in blocks."""
    lengths = _lengths(small)
    return lengths if any(found.block > 1 for _, found in laws) else [*lengths[:2], *lengths[-2:]]


def _laws(reader: Reader, lengths: list[int]) -> Laws:
    by_length = {length: reader.counts(length) for length in lengths}
    shortest = by_length[lengths[0]]
    if any(len(counts) != len(shortest) for counts in by_length.values()):
        raise InputError(f"{reader.kind}: hands over another number of tensors at other lengths")
    return [
        (shortest[i].bits_each, law({length: counts[i].numbers for length, counts in by_length.items()}))
        for i in range(len(shortest))
    ]


def _at_scale(found: Laws, scale: int) -> tuple[int, Law]:
    """One tensor's law at the real scale, from its laws at scales 1, 2, 3 and, where that is needed, 4."""
    bits, smallest = found[0]
    shapes = {(b, one.window, one.block, one.rest) for b, one in found}
    if len(shapes) != 1:
        raise InputError(f"the state grows otherwise at other widths: {[one for _, one in found]}")
    constant = polynomial({t: one.constant for t, (_, one) in enumerate(found, 1)}, scale)
    per_token = polynomial({t: one.per_token for t, (_, one) in enumerate(found, 1)}, scale)
    return bits, replace(smallest, constant=constant, per_token=per_token)


def _at_window(found: Law, other: Law, first: dict[int, int], second: dict[int, int]) -> Law:
    """A law with its window at the real length: as far from it as in both measurements with small ones."""
    if found.window is None:
        return found
    assert other.window is not None
    for real, small in first.items():
        apart = found.window - small
        if apart == other.window - second[real] and abs(apart) <= 1:
            return replace(found, window=real + apart)
    if found.window == other.window:
        return found
    raise InputError(f"no window of the configuration explains {found.window} and {other.window} tokens kept")


def _compare(real: Any, laws: Laws, places: list[str], length: int) -> str:
    """Build the real configuration on `meta` and compare. Raises InputError when a tensor is not as computed."""
    read: dict[int, list[Count]] = {}
    took = [0.0]
    why = ""
    try:
        reader = Reader(real, "meta", places)
        for tokens in (*BRIEF, length) if length > BRIEF[-1] else (BRIEF[0], length):
            if len(took) > 2 and took[2] + (took[2] - took[1]) * (tokens / BRIEF[1]) > SECONDS:
                break  # a loop over the tokens, in each layer
            begun = time.perf_counter()
            read[tokens] = reader.counts(tokens)
            took.append(time.perf_counter() - begun)
    except Exception as error:  # it needs numbers to run, or has fewer positions
        why = f" ({' '.join(str(error).split())[:120]})"
    for tokens, counts in read.items():
        _agree(real.model_type, tokens, counts, [Count(found(tokens), bits) for bits, found in laws])
    if not read:
        return f"not compared with one of real size, which needs numbers to run{why}"
    compared = max(read)
    return f"at {compared:,} tokens every tensor is as in one of real size, built without memory"


def _agree(kind: str, length: int, counts: list[Count], expected: list[Count]) -> None:
    if counts != expected:
        raise InputError(
            f"{kind}: at {length} tokens the real configuration hands over {sum(c.numbers for c in counts):,} numbers, "
            f"and small ones of it foretell {sum(c.numbers for c in expected):,}: no audit is given"
        )


def _size(real: Any, laws: Laws, scale: int, compared: str) -> StateSize:
    from transformers import __version__

    parts = [Part(bits, one.constant, one.per_token, one.window, one.block, one.rest) for bits, one in laws]
    small = f"scaled by {scale} from small models of it" if scale > 1 else "a model of it"
    source = f"{real.model_type} of Transformers {__version__}: {small}, prefilled beyond its windows; {compared}"
    return StateSize(merged(parts), source)
