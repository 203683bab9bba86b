"""A language model of Transformers read a piece at a time, from a cache that is measured, kept and gone on from."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from separatrix.errors import InputError
from separatrix.models.huggingface import cache
from separatrix.models.huggingface.audit import candidates
from separatrix.models.huggingface.configuration import configuration, plain_settings
from separatrix.models.huggingface.native_scan import scan_natively
from separatrix.models.huggingface.prefill import Reader
from separatrix.models.huggingface.pretrained import Pretrained
from separatrix.models.huggingface.shrink import Shrunk, scales, small_windows, windows

PIECE = 128
"""Tokens of each string that are read at once, at most."""

FIRST = 8192
"""Tokens, of all strings together, that a model reads at once which cannot go on in pieces: only its first ones."""

LOGITS = 2**25
"""Logits that are computed at once, at most."""


@dataclass
class Held:
    """What a model holds after some tokens: its cache, and the tensors that modules keep."""

    kept: Any
    modules: cache.Held
    batch: int

    @property
    def bits(self) -> int:
        """Bits of the tensors of one string, each in its own type."""
        tensors = cache.leaves(self.kept, self.batch) + list(self.modules.values())
        return sum(tensor.numel() * tensor.dtype.itemsize * 8 for tensor in tensors) // self.batch


class Streamed:
    """A pretrained model that is read in pieces where that gives what the whole gives, and token by token elsewhere.

    Which of the two, whether with the native scan, and where its state is, is found out on a small model of the same
    configuration in float32, past every window. Raises InputError where not all of the state was found.
    """

    def __init__(self, found: Pretrained) -> None:
        self.pretrained = found
        places, self.in_pieces, natively = _way_of_reading(found.config)
        if natively:
            scan_natively(found.model)
        self.reader = Reader(found.config, places=places, model=found.model)
        self.vocabulary = int(found.config.vocab_size)
        signature = inspect.signature(found.model.forward).parameters
        self.last_only: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in signature else {}

    def hold(self, tokens: Int[Tensor, "B N"]) -> Held:
        """What the model holds after tokens that begin a text."""
        self.reader.forget()
        batch, length = tokens.shape
        first = min(length, PIECE if self.in_pieces else max(1, FIRST // batch))
        kept: Any = None if self.reader.gives_back else self.reader.empty()
        for piece in (tokens[:, :first], *tokens[:, first:].split(self._piece(batch), dim=1)):
            if piece.shape[1]:
                kept = self.reader.after(self.reader.call(piece, kept, **self.last_only), kept)
        return self._held(kept, batch)

    def go_on(
        self, held: Held, tokens: Int[Tensor, "B M"], among: Int[Tensor, "T"], last: bool = False
    ) -> Float[Tensor, "B R T"]:
        """Logits of a few tokens after each of those read next, in float64. Uses `held` up: give a `copy` to keep it.

        last: only those after the last token, R = 1; else R = M
        """
        reader, kept, found = self.reader, held.kept, []
        cache.hold(reader.model, reader.places, held.modules, reader.before)
        for piece in tokens.split(self._piece(tokens.shape[0]), dim=1):
            output = reader.call(piece, kept, **(self.last_only if last else {}))
            kept = reader.after(output, kept)
            found.append(output.logits[..., among].double())
        return found[-1][:, -1:] if last else torch.cat(found, dim=1)

    def copy(self, held: Held) -> Held:
        """The same, in tensors of its own."""
        modules = {place: tensor.clone() for place, tensor in held.modules.items()}
        return Held(cache.walk(held.kept, torch.clone), modules, held.batch)

    def _piece(self, batch: int) -> int:
        return max(1, min(PIECE, LOGITS // (batch * self.vocabulary))) if self.in_pieces else 1

    def _held(self, kept: Any, batch: int) -> Held:
        now = cache.held(self.reader.model)
        return Held(kept, {place: now[place] for place in self.reader.places if place in now}, batch)


def _way_of_reading(config: Any) -> tuple[list[str], bool, bool]:
    """Where a model of a configuration holds its state, whether it can be read in pieces, and with the native scan."""
    plain = plain_settings(config)
    lengths = windows(plain)
    failure: InputError | None = None
    for scale in candidates(scales(plain)):
        try:
            settings = Shrunk(plain, scale, small_windows(lengths, 5, 6)).at(1) | {"dtype": "float32"}
            reader = Reader(configuration(settings))
            reader.check_whole()
            length = 3 * max([8, *small_windows(lengths, 5, 6).values()])
            if reader.reads_pieces(length):
                return reader.places, True, False
            natively = reader.reads_pieces(length, scan_natively)
            return reader.places, natively, natively
        except InputError as error:
            failure = failure or error
    assert failure is not None
    raise failure
