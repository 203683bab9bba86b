"""A pretrained language model as `separatrix.bounds.repeats` reads it: token by token, from its cache."""

from __future__ import annotations

from typing import Any

from jaxtyping import Int
from torch import Tensor

from separatrix.models.huggingface import cache
from separatrix.models.huggingface.cache import CacheState
from separatrix.models.huggingface.pretrained import Pretrained
from separatrix.models.huggingface.streamed import Streamed
from separatrix.models.state import State


class TokenByToken:
    """`prefill` over a model's own tokens; the state is its cache and what its modules hold.

    A state that was gone on from is used up: Transformers writes into it. Raises InputError where not all of the state
    was found.
    """

    def __init__(self, found: Pretrained) -> None:
        self.streamed, self.body = Streamed(found), found.model
        self.vocabulary = self.streamed.vocabulary

    def prefill(self, context: Int[Tensor, "B N"], state: State | None = None, start: int = 0) -> State:
        """The state after tokens that begin a text, or that go on from a state."""
        if state is None:
            held = self.streamed.hold(context)
            return CacheState(held.kept, held.batch), *held.modules.values()
        reader, kept = self.streamed.reader, state[0].cache
        cache.hold(reader.model, reader.places, dict(zip(reader.places, state[1:], strict=True)), reader.before)
        for t in range(context.shape[1]):
            kept = reader.after(reader.call(context[:, t : t + 1], kept, **self.streamed.last_only), kept)
        now = cache.held(reader.model)
        return CacheState(kept, state[0].batch), *(now[place] for place in reader.places if place in now)

    def counters(self, state: State) -> list[Any]:
        """What the cache keeps beside its tensors."""
        return cache.counters(state[0].cache, state[0].batch)
