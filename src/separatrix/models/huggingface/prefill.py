"""One model of Transformers read with contexts of several lengths: every tensor it hands over, counted as stored."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from separatrix.errors import InputError
from separatrix.models.huggingface import cache
from separatrix.models.huggingface.configuration import language_model

BATCH = 3
"""Contexts read at once: odd and small, so that few other dimensions look like the batch."""

CLOSE = 1e-3
"""How far apart, relative to the largest, logits of the same function in float32 may be."""


@dataclass(frozen=True)
class Count:
    """One tensor of the state: scalars an example, and bits each."""

    numbers: int
    bits_each: int


class Reader:
    """A language model of a configuration, on `cpu` with numbers or on `meta` without; or one that there is already."""

    def __init__(
        self, config: Any, device: str = "cpu", places: list[str] | None = None, model: nn.Module | None = None
    ) -> None:
        self.kind, self.device = config.model_type, device
        self.model: nn.Module = _with_random_weights(config, device) if model is None else model
        self.slot = cache.slot(self.model, self.kind)
        sizes = [getattr(each, "vocab_size", None) for each in (config, config.get_text_config())]
        self.vocabulary = int(next((size for size in sizes if size), 2))
        self.before = cache.held(self.model)
        self.places: list[str] = []
        self.gives_back = getattr(self.call(self.tokens(4, 0, 1)), self.slot, None) is not None
        self.places = places if places is not None else self._places()

    def _places(self) -> list[str]:
        """Where modules hold what depends on the context."""
        return cache.held_apart(self.model, lambda i: self.read(6, seed=i, fresh=False))

    def forget(self) -> None:
        """Put what modules hold back to what it was before the first context."""
        cache.hold(self.model, self.places, None, self.before)

    def read(
        self, length: int, seed: int = 0, batch: int = BATCH, fresh: bool = True, tokens: Tensor | None = None
    ) -> Any:
        """The cache after a random context of so many tokens, or after those given."""
        if fresh:
            self.forget()
        tokens = self.tokens(length, seed, batch) if tokens is None else tokens
        if self.gives_back:
            return getattr(self.call(tokens), self.slot)
        own = self.empty()
        self.call(tokens, own)
        return own

    def empty(self) -> Any:
        """A cache to begin with, for models that hand none back."""
        from transformers import DynamicCache

        if self.slot not in ("past_key_values", "cache_params"):
            raise InputError(f"{self.kind}: hands over no cache, so its state cannot be measured")
        return DynamicCache(config=vars(self.model)["config"])

    def tokens(self, length: int, seed: int, batch: int) -> Tensor:
        """Int[B, N], drawn uniformly."""
        if self.device == "meta":
            return torch.zeros(batch, length, dtype=torch.int64, device="meta")
        first = min(3, self.vocabulary - 1)  # often 0 pads, 1 begins and 2 ends a text
        return torch.randint(first, self.vocabulary, (batch, length), generator=torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def call(self, tokens: Tensor, before: Any = None, **options: Any) -> Any:
        """The model's output on tokens, from a cache when there is one."""
        given = (
            options if before is None else {self.slot: before, **cache.positions(self.kind, before, tokens)} | options
        )
        with warnings.catch_warnings(), torch.device(self.device):
            warnings.simplefilter("ignore")
            try:
                return self.model(input_ids=tokens, use_cache=True, return_dict=True, **given)
            except Exception as error:  # these models raise every kind
                text = " ".join(str(error).split())[:200]
                raise InputError(
                    f"{self.kind}: Transformers cannot read {tokens.shape[1]} tokens: {type(error).__name__}: {text}"
                ) from error

    def counts(self, length: int) -> list[Count]:
        """Every tensor handed over after so many tokens, in a fixed order: the cache's, then those that modules hold.

        Raises InputError when nothing is handed over.
        """
        kept = self.read(length)
        held = cache.held(self.model)
        tensors = cache.leaves(kept, BATCH) + [held[place] for place in self.places]
        if not tensors:
            raise InputError(f"{self.kind}: hands over no cache, so its state cannot be measured")
        return [Count(t.numel() // BATCH, t.dtype.itemsize * 8) for t in tensors]

    def check_whole(self) -> None:
        """Raise InputError when what is counted is not the whole state. For models in float32.

        A context is read, then others; from what was counted of the first alone, the next token is answered as by a
        model that reads everything at once. And nothing without a batch dimension depends on what the context says.
        """
        fixed = [self._unbatched(self.read(7, seed)) for seed in (0, 1)]
        if not all(map(cache.same, *fixed)):
            raise InputError(f"{self.kind}: keeps what it read in a tensor without a batch dimension")
        context, last = self.tokens(8, 2, 1).split([7, 1], dim=1)
        self.forget()
        whole = self.call(torch.cat([context, last], dim=1)).logits[:, -1]
        kept = copy.deepcopy(self.read(7, batch=1, tokens=context))
        held = {place: cache.held(self.model)[place].clone() for place in self.places}
        self.read(7, 3, batch=1)
        self.read(4, 4, batch=1)
        cache.hold(self.model, self.places, held, self.before)
        apart = (self.call(last, kept).logits[:, -1] - whole).abs().max() / whole.abs().max()
        if not apart < CLOSE:
            raise InputError(
                f"{self.kind}: from the state that was found, the next token is not answered as from the whole context "
                f"(logits {float(apart):.1e} apart): a part of its state may be kept elsewhere, so no audit is given"
            )

    def reads_pieces(self, length: int, changed: Callable[[nn.Module], bool] | None = None) -> bool:
        """Whether a context of so many tokens can be read in pieces of several; some models start anew on each.

        For models in float32: the pieces' outputs are compared with those of the whole.
        changed: alters the model before it reads the pieces, or says that there is nothing to alter, and so no use
        """
        tokens = self.tokens(length, 5, 1)
        self.forget()
        whole = self.call(tokens).logits
        if changed is not None and not changed(self.model):
            return False
        head, *pieces = tokens.split(-(-length // 3), dim=1)
        kept = self.read(0, tokens=head)
        for piece in pieces:
            output = self.call(piece, kept)
            kept = self.after(output, kept)
        last = output.logits
        apart = (last - whole[:, -last.shape[1] :]).abs().max() / whole.abs().max()
        return bool(apart < CLOSE / 10)

    def after(self, output: Any, before: Any) -> Any:
        """The cache after an output: the one it hands back, or the one it was given, which it wrote into."""
        found = getattr(output, self.slot, None)
        return before if found is None else found

    def _unbatched(self, kept: Any) -> list[Tensor]:
        found: list[Tensor] = []
        batched = {id(tensor) for tensor in cache.leaves(kept, BATCH)}

        def note(tensor: Tensor) -> Tensor:
            if id(tensor) not in batched:
                found.append(tensor)
            return tensor

        cache.walk(kept, note)
        return found


def _with_random_weights(config: Any, device: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]), torch.device(device), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        return language_model(config, **_loops(config, device))


def _loops(config: Any, device: str) -> dict[str, Any]:
    """On `meta` there are no numbers to choose experts by: products for all of them, which need no choice."""
    experts = any(name.endswith("experts") or "num_experts" in name for name in vars(config))
    return {"experts_implementation": "batched_mm"} if device == "meta" and experts else {}
