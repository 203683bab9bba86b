"""Lower bounds you can run: the protocol a model executes across a cut, with every message counted in bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from separatrix.bounds.sizes import log_length
from separatrix.errors import InputError
from separatrix.tasks import Task


@dataclass(frozen=True)
class Message:
    """One message: who sends how many bits, and what they say."""

    sender: str
    bits: int
    content: str


@dataclass(frozen=True)
class Transcript:
    """A protocol's messages and its answers, beside the model's own.

    logits:     Float[B, Q, answers], recombined from the messages
    difference: the largest difference from the model's own forward pass

    >>> task = sx.tasks.create("parity", length=6)
    >>> batch = task.sample(4, torch.Generator().manual_seed(0))
    >>> said = sx.bounds.recurrent_protocol(sx.models.create("gru", task, width=8), batch.context, batch.queries, cut=3)
    >>> [(message.sender, message.bits) for message in said.messages], said.difference
    ([('Alice', 256)], 0.0)
    """

    messages: tuple[Message, ...]
    logits: Tensor
    difference: float

    @property
    def bits(self) -> int:
        """Bits sent per example."""
        return sum(message.bits for message in self.messages)

    @property
    def answers(self) -> Tensor:
        """Int[B, Q]: the answers the protocol gives."""
        return self.logits.argmax(dim=-1)


@torch.no_grad()
def recurrent_protocol(
    model: Any, context: Tensor, queries: Tensor, cut: int, precision: int | None = None
) -> Transcript:
    """The recurrent protocol: Alice reads the first `cut` tokens and sends the state; Bob reads on and answers.

    precision: bits per scalar of the message: uniform quantisation of each tensor between its least and largest value,
               which are sent too, 32 bits each; None sends the state as it is stored
    The theorem behind it: an exact model's message takes at least log2 rows(prefix) values. Raises InputError when the
    cut lies outside the context.

    >>> task = sx.tasks.create("index-lookup", length=8, alphabet=4)
    >>> model = sx.models.create("lstm", task, width=16)
    >>> batch = task.sample(2, torch.Generator().manual_seed(0))
    >>> said = sx.bounds.recurrent_protocol(model, batch.context, batch.queries, cut=5, precision=8)
    >>> said.messages[0].bits  # 8 bits for each of 32 numbers, and the range of each of 2 tensors
    384
    """
    if not 0 < cut <= context.shape[1]:
        raise InputError(f"cut must be in 1 … {context.shape[1]}, got {cut}")
    state = model.prefill(context[:, :cut])
    sent, bits = quantise(state, precision)
    rest = context[:, cut:]
    after = model.prefill(rest, sent, start=cut) if rest.shape[1] else sent
    logits = model.decode(after, queries)
    own = model(context, queries)
    stored = "as stored" if precision is None else f"{precision} bits a scalar"
    message = Message("Alice", bits, f"the state after {cut} tokens, {stored}")
    return Transcript((message,), logits, float((logits - own).abs().max()))


def quantise(state: Any, precision: int | None) -> tuple[Any, int]:
    """A state as Bob receives it, and the bits per example that took."""
    leaves, form = pytree.tree_flatten(state)
    if precision is None:
        return state, sum(leaf[0].numel() * leaf.dtype.itemsize * 8 for leaf in leaves)
    if not 1 <= precision <= 24:
        raise InputError(f"precision must be in 1 … 24 bits, got {precision}")
    received, bits = [], 0
    for leaf in leaves:
        if not leaf.is_floating_point():
            raise InputError(f"only real states are quantised, got {leaf.dtype}: send it as stored (precision None)")
        flat = leaf.flatten(1)
        low, high = flat.amin(dim=1, keepdim=True), flat.amax(dim=1, keepdim=True)
        step = ((high - low) / (2**precision - 1)).clamp(min=torch.finfo(leaf.dtype).tiny)
        received.append((low + ((flat - low) / step).round() * step).view_as(leaf))
        bits += leaf[0].numel() * precision + 64
    return pytree.tree_unflatten(received, form), bits


@torch.no_grad()
def attention_protocol(
    model: Any, context: Tensor, queries: Tensor, held: list[int], precision: int = 32
) -> Transcript:
    """The attention protocol of a one-layer Transformer: each side sends its heads' partial sums, which are added up.

    Alice holds the positions `held`, Bob the others; queries are public. Per query and head a side's message is the sum
    of its weights and the weighted sum of its values. A referee adds them, and goes on as the model does. `precision`
    is what the bits are counted at, p: m (2p + L + 1) + H (p + L) for Alice's message, by the paper's theorem.
    Raises InputError for a model of another form.

    >>> task = sx.tasks.create("index-lookup", length=8, alphabet=4)
    >>> model = sx.models.create("transformer", task, width=16)
    >>> batch = task.sample(2, torch.Generator().manual_seed(0), queries=3)
    >>> said = sx.bounds.attention_protocol(model, batch.context, batch.queries, held=[0, 2, 4, 6], precision=16)
    >>> [message.bits for message in said.messages], said.difference < 1e-5
    ([1785, 1785], True)
    """
    mixer = getattr(model.blocks[0], "mixer", None) if len(getattr(model, "blocks", [])) == 1 else None
    if mixer is None or not all(hasattr(mixer, name) for name in ("query", "key", "value", "out", "heads")):
        raise InputError("the attention protocol runs on one-layer Transformers of this library")
    if getattr(model.config, "positions", "none") in ("rope", "alibi") or getattr(model.config, "window", None):
        raise InputError("the attention protocol needs plain attention: no rope, alibi or window")
    n = context.shape[1]
    if not set(held) <= set(range(n)):
        raise InputError(f"held must be positions in 0 … {n - 1}, got {sorted(held)}")
    block = model.blocks[0]
    keys, values = model.prefill(context)[0]
    x = model.embed(queries + model.task.query_offset if model.task.vector_size is None else queries)
    inner = block.norm(x)
    q, k, v = (mixer.split(part(inner)) for part in (mixer.query, mixer.key, mixer.value))
    own = (q * k).sum(-1, keepdim=True) * mixer.scale
    shift = own.double()  # public: both sides know the query, so scores are taken relative to its own
    sums = torch.ones_like(shift)
    weighted = sums * v
    rest = [i for i in range(n) if i not in set(held)]
    for side in (list(held), rest):
        weights = (q @ keys[:, :, side].transpose(-1, -2) * mixer.scale - shift).exp()
        sums = sums + weights.sum(-1, keepdim=True)
        weighted = weighted + weights @ values[:, :, side].double()
    logits = model.head(model.norm(block.finish(x, mixer.merge((weighted / sums).to(x.dtype)))))
    levels = log_length(n)
    width = mixer.heads * q.shape[-1]
    per_query = width * (2 * precision + levels + 1) + mixer.heads * (precision + levels)
    messages = tuple(
        Message(
            who, per_query * queries.shape[1], f"{mixer.heads} heads' partial sums over {count} positions, each query"
        )
        for who, count in (("Alice", len(held)), ("Bob", len(rest)))
    )
    return Transcript(messages, logits, float((logits - model(context, queries)).abs().max()))


# Reductions: instances of the classical communication problems as inputs of the tasks --------------------------------
def index_instance(bits: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """INDEX (Alice: bits, Bob: a place) as index lookup over two tokens: (contexts Int[B, n], queries Int[B, 1])."""
    return bits, place[:, None]


def equality_instance(task: Task, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """EQ as the equality task in the task's layout: (contexts, queries)."""
    return task.join(first, second), torch.zeros(len(first), 1, dtype=torch.int64)  # type: ignore[attr-defined]


def disjointness_instance(task: Task, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """DISJ as the disjointness task in the task's layout: (contexts, queries)."""
    return equality_instance(task, first, second)


def dyck_instance(bits: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """EQ as bounded Dyck-(2, 1): Alice's bits open at odd places, Bob's close at even ones; equal iff balanced."""
    return torch.stack([bits, 2 + other], dim=2).flatten(1), torch.zeros(len(bits), 1, dtype=torch.int64)


def recall_instance(task: Task, bits: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """INDEX as associative recall: key i stands beside Alice's bit i; Bob asks key `place`."""
    keys = torch.arange(bits.shape[1]).expand_as(bits)
    return torch.stack([keys, bits + task.value_offset], dim=2).flatten(1), place[:, None]  # type: ignore[attr-defined]
