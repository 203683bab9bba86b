"""SequenceModel: an embedding, a stack of blocks and a head, run as prefill (the context) and decode (the queries)."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from separatrix.errors import InputError
from separatrix.models.block import NORMS, Block, BlockList
from separatrix.models.config import ModelConfig
from separatrix.models.convolved import mixer_of
from separatrix.models.mixer import Mixer, own_rows
from separatrix.models.positions import LearnedPositions, SinusoidalPositions
from separatrix.models.state import State
from separatrix.models.tied_head import TiedHead
from separatrix.tasks.problem import Problem

M = TypeVar("M", bound="SequenceModel")


class SequenceModel(nn.Module):
    """What learns. `state = prefill(context)` reduces the past; `logits = decode(state, queries)` answers from it.

    Architectures subclass it, naming their configuration and building one mixer per layer. Queries carry no position:
    they are asked of the context as a whole.

    >>> task = sx.tasks.create("index-lookup", length=16, alphabet=8)
    >>> model = sx.models.create("mamba", task, width=32)
    >>> batch = task.sample(2, torch.Generator().manual_seed(0), queries=5)
    >>> state = model.prefill(batch.context)
    >>> model.decode(state, batch.queries).shape, sx.state_numbers(state)
    (torch.Size([2, 5, 8]), 1216)
    """

    Config: ClassVar[type[ModelConfig]]
    state_formula: ClassVar[str] = "as measured"
    parallel: ClassVar[str] = "unknown"
    kernel: ClassVar[str] = "PyTorch"
    source: ClassVar[str] = ""
    config: ModelConfig

    def __init__(self, task: Problem, config: ModelConfig) -> None:
        super().__init__()
        self.task, self.config = task, config
        width = config.width
        self.query_offset = task.query_offset
        self.embed: nn.Module
        if task.vector_size is None:
            self.embed = nn.Embedding(task.vocabulary, width)
            nn.init.normal_(self.embed.weight, std=config.embedding_std)
        else:
            self.embed = nn.Linear(task.vector_size, width)
        self.positions: nn.Module | None = None
        if config.positions == "learned":
            self.positions = LearnedPositions(task.length, width, config.embedding_std)
        elif config.positions == "sinusoidal":
            self.positions = SinusoidalPositions(task.length, width)
        self.blocks = BlockList(Block(config, self.build_layer(config, layer)) for layer in range(config.layers))
        self.norm = NORMS[config.norm](width)
        self.head = self.build_head()

    def build_head(self) -> nn.Linear:
        """What turns the last layer's outputs into logits. Raises InputError where tied answers are no tokens."""
        if not self.config.tied:
            return nn.Linear(self.config.width, self.task.answers)
        if not isinstance(self.embed, nn.Embedding) or self.task.answers != self.task.vocabulary:
            raise InputError(f"tied: the answers of {self.task.name} are not its tokens, so it has a head of its own")
        return TiedHead(self.embed)

    @classmethod
    @abstractmethod
    def build_mixer(cls, config: Any, layer: int) -> Mixer:
        """The mixer of one layer (0 is nearest the input) for a configuration of the class's own type."""

    @classmethod
    def build_layer(cls, config: Any, layer: int) -> Mixer:
        """The mixer of one layer, with the short convolution asked for."""
        return mixer_of(cls, config, layer)

    @classmethod
    def for_task(cls: type[M], task: Problem, **options: Any) -> M:
        """A freshly initialised model for a task, e.g. `Transformer.for_task(task, width=64, layers=1, heads=2)`.

        Initialisation draws on torch's global generator. Raises InputError for unknown or impossible options.
        """
        return cls(task, cls.Config(**options))

    def prefill(self, context: Tensor, state: State | None = None, start: int = 0) -> tuple[State, ...]:
        """The state a context is reduced to: one entry per layer, a pytree of tensors with leading batch dimension.

        context: Int[B, N] tokens, or Float[B, N, d] vectors
        state:   go on from the state of an earlier part of the context
        start:   how many tokens that earlier part had (only absolute positions need it)
        """
        self._check(context)
        x = self._entered(context, start)
        states, last = [], len(self.blocks) - 1
        for layer, block in enumerate(self.blocks):
            before = None if state is None else state[layer]
            if layer == last:
                states.append(block.prefill(x, before))  # its outputs on the context would never be read
            else:
                x, after = block.scan(x, before)
                states.append(after)
        return tuple(states)

    def decode(
        self, state: tuple[State, ...], queries: Tensor, start: int | None = None
    ) -> Float[Tensor, "B Q answers"]:
        """Logits of the answers to each query, all asked of the same state.

        queries: Int[B, Q], or Float[B, Q, d] for vector tasks
        start:   tokens before them, where queries are the next tokens of a stream; None for queries that stand nowhere
        """
        rows, which = self.distinct(queries)
        if start is not None and self.positions is not None:
            rows = rows + self.positions(1, start).to(rows.dtype)
        x = self.blocks[0].alternatives(state[0], rows, which)
        for layer, block in enumerate(self.blocks):
            x = block.decode(state[layer], x) if layer else x
        return self.head(self.norm(x))

    def read(
        self, inputs: Tensor, where: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T answers"] | Float[Tensor, "M answers"]:
        """Logits at every token of a stream, in one pass: `decode(prefill(inputs[:, :t]), inputs[:, t:t+1], start=t)`.

        inputs: Int[B, T] tokens
        where:  the places whose logits are wanted: Float[M, answers] of those, in order, and nothing is made of others
        Raises InputError for a model that is not causal: its earlier answers would depend on later tokens.
        """
        self._check_stream(inputs)
        if where is not None and (where.shape != inputs.shape or where.dtype != torch.bool):
            expected = f"booleans of shape {tuple(inputs.shape)}"
            raise InputError(f"where must be {expected}, got {where.dtype} of shape {tuple(where.shape)}")
        x = self._entered(inputs, 0)
        *blocks, last = self.blocks
        for block in blocks:
            x, _ = block.scan(x, None)
        mixed, _ = last.mixer.scan(last.norm(x), None)
        if where is not None:  # what follows the last mixer is of each place alone
            x, mixed = x[where], mixed[where]
        return self.head(self.norm(last.finish(x, mixed)))

    def go_on(
        self, inputs: Int[Tensor, "B T"], state: tuple[State, ...] | None = None, start: int = 0
    ) -> tuple[Float[Tensor, "B T answers"], tuple[State, ...]]:
        """`read` from the state of `start` earlier tokens, and the state after the last: a stream in parts.

        Raises InputError for a model that is not causal.
        """
        self._check_stream(inputs)
        x = self._entered(inputs, start)
        states: list[State] = []
        for layer, block in enumerate(self.blocks):
            x, after = block.scan(x, None if state is None else state[layer])
            states.append(after)
        return self.head(self.norm(x)), tuple(states)

    def distinct(self, queries: Tensor) -> tuple[Float[Tensor, "R D"], Int[Tensor, "B Q"]]:
        """The queries' embeddings as rows of a table, and the row of each.

        The table holds every query there is where that is fewer than are asked, so that whatever depends on a query's
        token alone is computed once for all contexts.
        """
        if self.task.vector_size is not None:
            return own_rows(self.embed(queries))
        first, count = self.task.query_values[0], self.task.query_count
        if not fewer(count, queries.numel()):
            return own_rows(self.embed(queries + self.query_offset))
        tokens = torch.arange(first + self.query_offset, first + self.query_offset + count, device=queries.device)
        return self.embed(tokens), queries - first

    def forward(self, context: Tensor, queries: Tensor) -> Float[Tensor, "B Q answers"]:
        return self.decode(self.prefill(context), queries)

    def __deepcopy__(self: M, memo: dict[int, Any]) -> M:
        copied = type(self).__new__(type(self))  # of this very class, whatever its name stands for by now
        memo[id(self)] = copied
        copied.__dict__ = copy.deepcopy(self.__dict__, memo)
        return copied

    def _entered(self, tokens: Tensor, start: int) -> Float[Tensor, "B N D"]:
        """Embeddings, with those of the places behind `start` tokens."""
        if torch.compiler.is_compiling():
            x = self.embed(tokens)
        else:
            try:
                x = self.embed(tokens)
            except IndexError:
                least, largest = (int(token) for token in tokens.aminmax())
                known = f"0 to {self.task.vocabulary - 1}"
                raise InputError(f"tokens must be those of the vocabulary, {known}, got {least} to {largest}") from None
        return x if self.positions is None else x + self.positions(tokens.shape[1], start).to(x.dtype)

    def _check_stream(self, inputs: Tensor) -> None:
        self._check(inputs)
        if not all(block.mixer.causal for block in self.blocks):
            raise InputError(f"{self.config.name}: a stream is read causally, and causal is false")

    def _check(self, context: Tensor) -> None:
        dimensions = 2 if self.task.vector_size is None else 3
        if context.ndim != dimensions:
            shape = "(batch, length)" if dimensions == 2 else f"(batch, length, {self.task.vector_size})"
            raise InputError(f"context must have shape {shape}, got {tuple(context.shape)}")
        if self.task.vector_size is None and context.is_floating_point():
            raise InputError(f"context must hold integer tokens, got {context.dtype}")


def fewer(count: int, asked: int) -> bool:
    """Whether `count` is surely less than `asked`, which may be unknown while a model is exported."""
    if not exporting():
        return count < asked
    from torch.fx.experimental.symbolic_shapes import statically_known_true  # noqa: PLC0415  # slow to import

    return statically_known_true(count < asked)


def exporting() -> bool:
    """Whether torch.export is at work, which PyTorch 2.6 does not say."""
    if (told := getattr(torch.compiler, "is_exporting", None)) is not None:
        return bool(told())
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()


def parameter_count(model: nn.Module) -> int:
    """Number of trained scalars.

    >>> sx.models.parameter_count(torch.nn.Linear(3, 4))
    16
    """
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def initialised(model: type[SequenceModel], task: Problem, config: ModelConfig, seed: int) -> SequenceModel:
    """A model in float32 whose initial weights are a function of the seed alone; global state is left as it was.

    >>> task = sx.tasks.create("parity", length=10)
    >>> config = sx.models.configure("lstm", width=8)
    >>> one, two = (sx.models.initialised(sx.models.architecture("lstm"), task, config, seed=7) for _ in range(2))
    >>> all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))
    True
    """
    default = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_default_dtype(torch.float32)
        try:
            return model(task, config)
        finally:
            torch.set_default_dtype(default)
