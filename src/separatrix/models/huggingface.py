"""Causal language models of Hugging Face Transformers, by configuration: random weights, the cache as state."""

from __future__ import annotations

import copy
import inspect
import json
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, create_model
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from separatrix.errors import InputError, nearest
from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State, map_state, repeat_queries
from separatrix.tasks.base import Task

PREFIX = "hf:"
_FEWEST_LAYERS = {"rwkv": 2, "recurrent_gemma": 3}
"""Model types that Transformers cannot run with a single layer."""

_CACHES = ("past_key_values", "cache_params", "state")


class CacheState:
    """A Transformers cache as a pytree: its tensors with a leading batch dimension are the state."""

    def __init__(self, cache: Any, batch: int) -> None:
        self.cache, self.batch = cache, batch


def visit(value: Any, batch: int, change: Any) -> Any:
    """A copy of a cache with `change` applied to every tensor whose first dimension is the batch."""
    if isinstance(value, Tensor):
        return change(value) if value.ndim and value.shape[0] == batch else value
    if isinstance(value, list | tuple):
        return type(value)(visit(item, batch, change) for item in value)
    if isinstance(value, dict):
        return {key: visit(item, batch, change) for key, item in value.items()}
    if type(value).__module__.startswith("transformers.") and hasattr(value, "__dict__"):
        new = copy.copy(value)
        for name, item in vars(value).items():
            if not name.endswith("config"):
                setattr(new, name, visit(item, batch, change))
        return new
    return value


def _flatten(state: CacheState) -> tuple[list[Tensor], Any]:
    found: list[Tensor] = []

    def take(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    visit(state.cache, state.batch, take)
    return found, state


def _unflatten(tensors: Any, state: CacheState) -> CacheState:
    waiting = list(tensors)
    batch = waiting[0].shape[0] if waiting and isinstance(waiting[0], Tensor) else state.batch
    return CacheState(visit(state.cache, state.batch, lambda _: waiting.pop(0)), batch)


pytree.register_pytree_node(CacheState, _flatten, _unflatten)


class HuggingFace(SequenceModel):
    """A model of Hugging Face Transformers with random weights; its cache is the state."""

    model_type: ClassVar[str]
    given: ClassVar[dict[str, Any]]
    parallel = "as implemented there"
    kernel = "Transformers"
    source = "Hugging Face Transformers"

    def __init__(self, task: Task, config: ModelConfig) -> None:
        nn.Module.__init__(self)
        self.task, self.config, self.query_offset = task, config, task.query_offset
        from transformers import AutoConfig, AutoModel

        settings = {**self.given, **self.sizes(config), "vocab_size": task.vocabulary, "use_cache": True}
        for token in ("bos_token_id", "eos_token_id", "pad_token_id"):
            settings[token] = None
        try:
            self.body = AutoModel.from_config(AutoConfig.for_model(self.model_type, **settings))
        except (ValueError, TypeError, ImportError, RuntimeError, ZeroDivisionError) as error:
            raise InputError(f"{config.name}: Transformers cannot build it: {' '.join(str(error).split())}") from error
        self.project = None if task.vector_size is None else nn.Linear(task.vector_size, config.width)
        self.head = nn.Linear(config.width, task.answers)

    def sizes(self, config: ModelConfig) -> dict[str, Any]:
        """Transformers' settings for the width and depth asked for, and every option given by name."""
        chosen = {
            name: value
            for name, value in dict(config).items()
            if name not in ModelConfig.model_fields and value is not None and name != "heads"
        }
        defaults = _settings(self.model_type)
        heads = config.heads if hasattr(config, "heads") else None
        settings: dict[str, Any] = {"hidden_size": config.width, "num_hidden_layers": config.layers}
        if not self.given:  # a bare model type: keep the proportions of its default size
            ratio = config.width / (defaults.get("hidden_size") or defaults.get("n_embd") or config.width)
            inner = defaults.get("intermediate_size")
            if inner and self.model_type not in ("mamba", "mamba2"):
                settings["intermediate_size"] = max(1, round(inner * ratio))
            if "num_attention_heads" in defaults or "n_head" in defaults:
                settings["num_attention_heads"] = heads or max(h for h in (1, 2, 4) if config.width % h == 0)
                if "num_key_value_heads" in defaults:
                    settings["num_key_value_heads"] = settings["num_attention_heads"]
                if "head_dim" in defaults:
                    settings["head_dim"] = config.width // settings["num_attention_heads"]
            if "lru_width" in defaults:
                settings["lru_width"] = config.width
            if self.model_type == "mamba2":
                inner = config.width * (chosen.get("expand") or defaults["expand"])
                head = chosen.get("head_dim") or min(64, inner)
                settings |= {"head_dim": head, "num_heads": inner // head, "n_groups": 1}
        elif heads:
            settings["num_attention_heads"] = heads
        return {**settings, **chosen}

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
        held = CacheState(self.empty_cache(), tokens.shape[0]) if state is None else state[0]
        before = visit(held.cache, held.batch, torch.clone)
        with torch.autograd.graph.saved_tensors_hooks(self.keeping(before, held.batch), lambda x: x):
            output = self.body(**self.embed_tokens(tokens), **{self.slot: before}, use_cache=True, return_dict=True)
        after = getattr(output, self.slot, None)
        after = before if after is None else after
        if after is None:
            raise InputError(f"{self.config.name}: hands over no cache, so its state cannot be measured")
        return output.last_hidden_state, (CacheState(after, tokens.shape[0]),)

    def run_apart(self, tokens: Tensor, state: State) -> tuple[Float[Tensor, "B N D"], State]:
        """`run` for each example alone: Transformers' RWKV mixes the examples of a batch in steps of one token."""
        results = []
        for i in range(tokens.shape[0]):
            alone = map_state(partial(torch.narrow, dim=0, start=i, length=1), state)
            results.append(self.run(tokens[i : i + 1], alone))
        hidden, states = zip(*results, strict=True)
        return torch.cat(hidden), pytree.tree_map(lambda *parts: torch.cat(parts), *states)

    @property
    def slot(self) -> str:
        """What the body calls its cache."""
        arguments = inspect.signature(self.body.forward).parameters
        for name in _CACHES:
            if name in arguments:
                return name
        raise InputError(f"{self.config.name}: is no causal language model with a cache")

    def empty_cache(self) -> Any:
        """A cache to begin with; None where the body makes its own."""
        from transformers import DynamicCache

        makes_own = self.slot == "state" or self.model_type == "xlstm"
        return None if makes_own else DynamicCache(config=self.body.config)

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

    def decode(self, state: tuple[State, ...], queries: Tensor) -> Float[Tensor, "B Q answers"]:
        tokens = queries + self.query_offset if self.project is None else queries
        batch, count = queries.shape[:2]
        single = tokens.flatten(0, 1)[:, None]
        if self.model_type == "rwkv":  # in steps of two tokens the examples stay apart; only the first is read
            single = torch.cat([single, single], dim=1)
        hidden, _ = self.run(single, repeat_queries(state, count))
        return self.head(hidden[:, 0]).unflatten(0, (batch, count))


def huggingface(name: str) -> type[SequenceModel]:
    """The class of `hf:model_type` or `hf:path/to/config.json`. Raises InputError when there is no such model."""
    try:
        import transformers
        from transformers import CONFIG_MAPPING
    except ImportError as error:
        raise InputError(f"{name} needs Transformers: pip install 'separatrix[hf]' ({error})") from None
    transformers.logging.set_verbosity_error()
    what = name.removeprefix(PREFIX)
    given: dict[str, Any] = {}
    if what.endswith(".json"):
        try:
            given = json.loads(Path(what).read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise InputError(f"cannot read {what}: {error}") from None
        if not isinstance(given, dict) or "model_type" not in given:
            raise InputError(f"{what}: expected a Transformers config.json with a 'model_type'")
        model_type = given.pop("model_type")
    else:
        model_type = what
    model_type = model_type.lower().replace("recurrentgemma", "recurrent_gemma").replace("-", "_")
    model_type = {"mamba_2": "mamba2", "gpt_2": "gpt2", "recurrent_gemma": "recurrent_gemma"}.get(
        model_type, model_type
    )
    if model_type not in CONFIG_MAPPING:
        guess = nearest(model_type, CONFIG_MAPPING.keys())
        hint = f": did you mean 'hf:{guess}'?" if guess else ", e.g. hf:mamba, hf:gpt2 or hf:path/to/config.json"
        raise InputError(f"Transformers has no model type {model_type!r}{hint}")
    config = create_model("HuggingFaceConfig", __base__=ModelConfig, **_fields(name, model_type, given))
    members = {"Config": config, "model_type": model_type, "given": given, "__doc__": HuggingFace.__doc__}
    return type("HuggingFace", (HuggingFace,), members)


def _settings(model_type: str) -> dict[str, Any]:
    from transformers import CONFIG_MAPPING

    return CONFIG_MAPPING[model_type]().to_dict()


def _fields(name: str, model_type: str, given: dict[str, Any]) -> dict[str, Any]:
    """Every plain setting of the Transformers configuration as a field; None leaves it as it is."""
    settings = _settings(model_type)
    width = given.get("hidden_size", given.get("n_embd", given.get("d_model", 64)))
    layers = given.get("num_hidden_layers", given.get("n_layer", _FEWEST_LAYERS.get(model_type, 1)))
    fields: dict[str, Any] = {
        "name": (Literal[name], name),
        "width": (int, Field(width, ge=1, description="hidden_size")),
        "layers": (int, Field(layers, ge=_FEWEST_LAYERS.get(model_type, 1), description="num_hidden_layers")),
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
