"""Causal language models of Hugging Face Transformers, by configuration: random weights, the cache as state."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, create_model
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from separatrix.errors import InputError
from separatrix.models.config import ModelConfig
from separatrix.models.huggingface import cache
from separatrix.models.huggingface.bare import bare, fewest_layers
from separatrix.models.huggingface.cache import CacheState, visit
from separatrix.models.huggingface.configuration import (
    PREFIX,
    configuration,
    language_model,
    load_config,
    model_type,
    one_line,
    plain_settings,
)
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State, map_state, repeat_queries
from separatrix.tasks.problem import Problem

_FEWEST_LAYERS = {"rwkv": 2, "recurrent_gemma": 3}
"""Model types that Transformers cannot run with a single layer."""


class HuggingFace(SequenceModel):
    """A model of Hugging Face Transformers with random weights; its cache is the state."""

    model_type: ClassVar[str]
    given: ClassVar[dict[str, Any]]
    parallel = "as implemented there"
    kernel = "Transformers"
    source = "Hugging Face Transformers"

    def __init__(self, task: Problem, config: ModelConfig) -> None:
        nn.Module.__init__(self)
        if config.tied:
            raise InputError(f"{config.name} has a head of its own: tied is for models of this library")
        if config.convolution is not None:
            raise InputError(
                f"{config.name} has the convolutions of Transformers: convolution is for models of this library"
            )
        self.task, self.config, self.query_offset = task, config, task.query_offset
        from transformers import AutoModel

        settings = {**self.given, **self.sizes(config), "vocab_size": task.vocabulary}
        for token in ("bos_token_id", "eos_token_id", "pad_token_id"):
            settings[token] = None
        built = configuration({**settings, "model_type": self.model_type})
        self.body = language_model(built, AutoModel).train()
        self.slot = cache.slot(self.body, config.name)
        self.fresh = cache.held(self.body)
        self.project = None if task.vector_size is None else nn.Linear(task.vector_size, config.width)
        self.head = nn.Linear(config.width, task.answers)

    def __deepcopy__(self, memo: dict[int, Any]) -> HuggingFace:
        for module in self.body.modules():  # some keep their last state, with the graph that led to it
            for name, kept in vars(module).items():
                if isinstance(kept, Tensor) and not kept.is_leaf:
                    setattr(module, name, kept.detach())
        return super().__deepcopy__(memo)

    def sizes(self, config: ModelConfig) -> dict[str, Any]:
        """Transformers' settings for the width and depth asked for, and every option given by name."""
        chosen = {
            name: value
            for name, value in dict(config).items()
            if name not in ModelConfig.model_fields and value is not None and name != "heads"
        }
        heads = getattr(config, "heads", None)
        if not self.given:  # a bare model type: keep the proportions of its default size
            return {**bare(_settings(self.model_type), config.width, config.layers, heads), **chosen}
        settings: dict[str, Any] = {"hidden_size": config.width, "num_hidden_layers": config.layers}
        return {**settings, **({"num_attention_heads": heads} if heads else {}), **chosen}

    @classmethod
    def build_mixer(cls, config: Any, layer: int) -> Mixer:
        raise InputError(f"{config.name} is a whole model and cannot be a layer of another")

    def embed_tokens(self, tokens: Tensor) -> dict[str, Tensor]:
        """The body's input: token numbers, or projected vectors."""
        return {"input_ids": tokens} if self.project is None else {"inputs_embeds": self.project(tokens)}

    def run(self, tokens: Tensor, state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        """Hidden states and the cache after them; the given state is left as it was.

        From a state, one token at a time: several of Transformers' models start anew on longer pieces.
        """
        if state is not None and self.model_type == "rwkv" and tokens.shape[1] == 1 and tokens.shape[0] > 1:
            return self.run_apart(tokens, state)
        if state is not None and self.model_type != "rwkv" and tokens.shape[1] > 1:
            pieces = []
            for t in range(tokens.shape[1]):
                hidden, state = self.run(tokens[:, t : t + 1], state)
                pieces.append(hidden)
            return torch.cat(pieces, dim=1), state
        batch = tokens.shape[0]
        if state is None:
            given, held = CacheState(self.empty_cache(), batch), None
        else:
            given, held = state[0], dict(zip(self.places, state[1:], strict=True))
        cache.hold(self.body, self.places, held, self.fresh)
        before = visit(given.cache, given.batch, torch.clone)
        with torch.autograd.graph.saved_tensors_hooks(self.keeping(before, given.batch), lambda x: x):
            past = {self.slot: before, **cache.positions(self.model_type, before, tokens)}
            output = self.body(**self.embed_tokens(tokens), **past, use_cache=True, return_dict=True)
        after = getattr(output, self.slot, None)
        after = before if after is None else after
        if after is None:
            raise InputError(f"{self.config.name}: hands over no cache, so its state cannot be measured")
        now = cache.held(self.body)
        return output.last_hidden_state, (CacheState(after, batch), *(now[place] for place in self.places))

    def counters(self, state: State) -> list[Any]:
        """What a state keeps beside its tensors: a part of it for whoever compares two states."""
        return cache.counters(state[0].cache, state[0].batch)

    @cached_property
    def places(self) -> list[str]:
        """Where the body's modules hold what depends on the context: a part of the state, put back for every run."""
        size, fixed = self.task.vector_size, torch.Generator().manual_seed(0)
        shape = (2, 5) if size is None else (2, 5, size)
        like = next(self.body.parameters())
        contexts = [torch.rand(shape, generator=fixed).to(like.device) for _ in range(2)]
        if size is None:
            contexts = [(context * self.task.vocabulary).long() for context in contexts]

        def run(i: int) -> None:
            self.body(**self.embed_tokens(contexts[i]), **{self.slot: self.empty_cache()}, use_cache=True)

        what = f"{self.config.name} of width {self.config.width} and {self.config.layers} layers"
        training = self.body.training
        self.body.eval()
        with torch.no_grad():
            places = one_line(what, lambda: cache.held_apart(self.body, run))
        self.body.train(training)
        return places

    def run_apart(self, tokens: Tensor, state: State) -> tuple[Float[Tensor, "B N D"], State]:
        """`run` for each example alone: Transformers' RWKV mixes the examples of a batch in steps of one token."""
        results = []
        for i in range(tokens.shape[0]):
            alone = map_state(partial(torch.narrow, dim=0, start=i, length=1), state)
            results.append(self.run(tokens[i : i + 1], alone))
        hidden, states = zip(*results, strict=True)
        return torch.cat(hidden), pytree.tree_map(lambda *parts: torch.cat(parts), *states)

    def empty_cache(self) -> Any:
        """A cache to begin with; None where the body makes its own."""
        from transformers import DynamicCache

        return None if self.makes_own else DynamicCache(config=vars(self.body)["config"])

    @cached_property
    def makes_own(self) -> bool:
        """Whether the body begins with a cache of its own and hands it back."""
        if self.slot not in ("past_key_values", "cache_params"):
            return True
        like = next(self.body.parameters())
        size = self.task.vector_size
        tokens = torch.zeros((1, 3) if size is None else (1, 3, size), device=like.device)
        inputs = self.embed_tokens(tokens.long() if size is None else tokens)
        training = self.body.training
        self.body.eval()
        what = f"{self.config.name} of width {self.config.width} and {self.config.layers} layers"
        with torch.no_grad():
            output = one_line(what, lambda: self.body(**inputs, use_cache=True, return_dict=True))
        self.body.train(training)
        return getattr(output, self.slot, None) is not None

    @staticmethod
    def keeping(cache: Any, batch: int) -> Any:
        """A pack hook that copies what the backward pass saves of a cache, because Transformers overwrites it."""
        places: set[int] = set()

        def note(tensor: Tensor) -> Tensor:
            places.add(tensor.untyped_storage().data_ptr())
            return tensor

        visit(cache, batch, note)
        return lambda x: x.clone() if x.untyped_storage().data_ptr() in places else x

    def prefill(self, context: Tensor, state: State | None = None, start: int = 0) -> tuple[State, ...]:
        self._check(context)
        return self.run(context, state)[1]

    def read(
        self, inputs: Int[Tensor, "B T"], where: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T answers"] | Float[Tensor, "M answers"]:
        self._check(inputs)
        hidden, _ = self.run(inputs)
        return self.head(hidden if where is None else hidden[where])

    def go_on(
        self, inputs: Int[Tensor, "B T"], state: tuple[State, ...] | None = None, start: int = 0
    ) -> tuple[Float[Tensor, "B T answers"], tuple[State, ...]]:
        self._check(inputs)
        hidden, after = self.run(inputs, state)
        return self.head(hidden), after

    def decode(
        self, state: tuple[State, ...], queries: Tensor, start: int | None = None
    ) -> Float[Tensor, "B Q answers"]:
        tokens = queries + self.query_offset if self.project is None else queries
        batch, count = queries.shape[:2]
        single = tokens.flatten(0, 1)[:, None]
        if self.model_type == "rwkv":  # in steps of two tokens the examples stay apart; only the first is read
            single = torch.cat([single, single], dim=1)
        hidden, _ = self.run(single, repeat_queries(state, count))
        return self.head(hidden[:, 0].to(self.head.weight.dtype)).unflatten(0, (batch, count))


def huggingface(name: str) -> type[SequenceModel]:
    """The class of `hf:model_type` or `hf:path/to/config.json`. Raises InputError when there is no such model."""
    try:
        import transformers
    except ImportError as error:
        raise InputError(f"{name} needs Transformers: pip install 'separatrix[hf]' ({error})") from None
    transformers.logging.set_verbosity_error()
    what, given = name.removeprefix(PREFIX), dict[str, Any]()
    if what.endswith(".json") or Path(what).is_dir():
        given = load_config(what)
        kind = model_type(str(given.pop("model_type")))
    else:
        kind = model_type(what)
    config = create_model("HuggingFaceConfig", __base__=ModelConfig, **_fields(name, kind, given))
    members = {"Config": config, "model_type": kind, "given": given, "__doc__": HuggingFace.__doc__}
    return type("HuggingFace", (HuggingFace,), members)


def _settings(kind: str) -> dict[str, Any]:
    return plain_settings(configuration({"model_type": kind}))


def _fields(name: str, kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Every plain setting of the Transformers configuration as a field; None leaves it as it is."""
    settings = _settings(kind)
    width = given.get("hidden_size", given.get("n_embd", given.get("d_model", 64)))
    fewest = fewest_layers(settings, _FEWEST_LAYERS.get(kind, 1))
    layers = given.get("num_hidden_layers", given.get("n_layer", fewest))
    fields: dict[str, Any] = {
        "name": (Literal[name], name),
        "width": (int, Field(width, ge=1, description="hidden_size")),
        "layers": (int, Field(layers, ge=_FEWEST_LAYERS.get(kind, 1), description="num_hidden_layers")),
    }
    if "num_attention_heads" in settings or "n_head" in settings:
        fields["heads"] = (int | None, Field(None, ge=1, description="num_attention_heads"))
    taken = {
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "model_type",
        "use_cache",
        "dtype",
    }
    for setting, default in settings.items():
        plain = isinstance(default, bool | int | float | str)
        if plain and setting not in taken and setting not in fields and not setting.startswith("_"):
            fields[setting] = (type(default) | None, Field(None, description=f"Transformers' {setting}"))
    if given:
        fields["given"] = (dict[str, Any], Field(given, description="the settings of the config.json"))
    return fields
