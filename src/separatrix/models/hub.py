"""Models as Hugging Face model directories, read back by `AutoModel` once this module is imported (extra `hf`).

Those of streams whose answers are tokens are causal language models too: `AutoModelForCausalLM`, with `generate`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub import HfApi
from jaxtyping import Float, Int
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    GenerationMixin,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils.generic import ModelOutput

from separatrix.atomic import write_whole
from separatrix.errors import InputError
from separatrix.models.model_card import model_card
from separatrix.models.registry import architecture
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State, map_state
from separatrix.tasks import Problem, create
from separatrix.tasks.streams.contract import StreamTask


class SeparatrixConfig(PretrainedConfig):
    """The task's and the model's configurations, as `tasks.create` and `models.create` take them."""

    model_type = "separatrix"

    def __init__(self, task: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **options: Any) -> None:
        self.task, self.model = task, model
        super().__init__(**options)


@dataclass
class Answers(ModelOutput):
    """What a model says to each query, or at each token of a stream.

    logits: Float[B, Q, answers], or Float[B, T, answers]; loss: mean cross-entropy in nats, where labels were given
    """

    logits: Tensor | None = None
    loss: Tensor | None = None


class SeparatrixModel(PreTrainedModel):
    """A SequenceModel behind the interface of Hugging Face's models.

    Example: `AutoModel.from_pretrained(folder)(context, queries).logits`
    """

    config_class = SeparatrixConfig
    main_input_name = "input_ids"
    base_model_prefix = "model"

    def __init__(self, config: SeparatrixConfig) -> None:
        super().__init__(config)
        if not config.task or not config.model:
            raise InputError("a separatrix model needs `task` and `model` in its config.json")
        for kind in (config.task, config.model):
            if ".py:" in str(kind.get("name")):
                raise InputError(f"{kind['name']!r} is a Python file, which a model directory may not execute")
        self.model = self._build()
        self.post_init()

    def _build(self) -> SequenceModel:
        build = architecture(self.config.model["name"])
        return build(create(**self.config.task), build.Config(**self.config.model))

    @torch.no_grad()
    def _init_weights(self, module: Any) -> None:
        """Loaders build on `meta` and know only what was saved: tables that are computed are computed again."""
        saved = module.state_dict()
        computed = [name for name, _ in module.named_buffers(recurse=False) if name not in saved]
        if computed:
            path = next(name for name, part in self.model.named_modules() if part is module)
            again = self._build().get_submodule(path)
            for name in computed:
                getattr(module, name).copy_(getattr(again, name))

    def forward(
        self, input_ids: Tensor, queries: Tensor | None = None, labels: Int[Tensor, "B Q"] | None = None, **_: Any
    ) -> Answers:
        """Answer queries about contexts; or, without queries, say at every token what a stream asks there.

        input_ids: Int[B, N] tokens, or Float[B, N, d] for vector tasks; queries: Int[B, Q] or Float[B, Q, d]
        labels:    right answers, for a loss; -100 where there is none. Those of a token stand at its own place.
        """
        logits: Float[Tensor, "B Q answers"]
        logits = self.model.read(input_ids) if queries is None else self.model(input_ids, queries)
        loss = None if labels is None else F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return Answers(logits=logits, loss=loss)

    def save_pretrained(  # type: ignore[override]
        self, save_directory: str | Path, *arguments: Any, **options: Any
    ) -> None:
        """As of any model of Transformers, with a model card (README.md) beside it."""
        super().save_pretrained(save_directory, *arguments, **options)
        card = model_card(self.model, type(self).__name__).encode()
        write_whole(str(Path(save_directory) / "README.md"), card)

    def push_to_hub(  # type: ignore[override]
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        private: bool | None = None,
        token: bool | str | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        **saving: Any,
    ) -> Any:
        """Upload the model and its card; what `huggingface_hub` says of the commit. Options as in Transformers."""
        api = HfApi(token=token)
        where = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, **saving)
            return api.upload_folder(
                repo_id=where, folder_path=folder, commit_message=commit_message or f"Upload {type(self).__name__}",
                revision=revision, create_pr=create_pr,
            )  # fmt: skip


class Past:
    """What `generate` hands from token to token: a state, and how many tokens it is of."""

    is_compileable = False

    def __init__(self, state: State, length: int) -> None:
        self.state, self.length = state, length

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens that have been read."""
        return self.length

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep the states of these examples, in this order: of the beams that are followed."""
        self.state = map_state(lambda part: part.index_select(0, beam_idx.to(part.device)), self.state)


class SeparatrixForCausalLM(SeparatrixModel, GenerationMixin):
    """A model of a stream whose answers are tokens: what it says at a token is the token after it.

    Example: `AutoModelForCausalLM.from_pretrained(folder).generate(input_ids, max_new_tokens=8)`
    """

    def __init__(self, config: SeparatrixConfig) -> None:
        super().__init__(config)
        if not says_tokens(self.model.task):
            raise InputError(
                f"{self.model.task.name} is no stream whose answers are tokens: load it with AutoModel, not as a "
                "language model"
            )

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # the state is no cache of keys and values

    def forward(  # type: ignore[override]
        self,
        input_ids: Int[Tensor, "B T"],
        past_key_values: Past | None = None,
        labels: Int[Tensor, "B T"] | None = None,
        use_cache: bool | None = None,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        """Logits of the token after each, from the state of earlier tokens where there is one.

        labels: tokens, -100 where there is none; as everywhere in Transformers, that of a token stands at its own
                place and is predicted at the one before
        Raises InputError for padded texts: a state would hold the padding.
        """
        if attention_mask is not None and not bool(attention_mask.all()):
            raise InputError("texts of one length are needed: the state would hold what they are padded with")
        state, start = (None, 0) if past_key_values is None else (past_key_values.state, past_key_values.length)
        logits, after = self.model.go_on(input_ids, state, start)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        past: Any = None if use_cache is False else Past(after, start + input_ids.shape[1])
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=past)


def says_tokens(task: Problem) -> bool:
    """Whether a task is a stream whose answers are its tokens, so that what is said can be read on."""
    return isinstance(task, StreamTask) and task.answers == task.vocabulary


def export_huggingface(model: SequenceModel, folder: str | Path) -> Path:
    """Write a model as a Hugging Face model directory (config, weights, model card). Returns the folder.

    Raises InputError for a path that is a file, and for tasks and models that come from Python files.
    """
    folder = Path(folder)
    if folder.is_file():
        raise InputError(f"expected a folder for the model directory, got the file {folder}")
    config = SeparatrixConfig(model.task.model_dump(mode="json"), model.config.model_dump(mode="json"))
    wrapped = (SeparatrixForCausalLM if says_tokens(model.task) else SeparatrixModel)(config)
    wrapped.model.load_state_dict(model.state_dict(), assign=True)
    wrapped.save_pretrained(folder)
    return folder


AutoConfig.register(SeparatrixConfig.model_type, SeparatrixConfig)
AutoModel.register(SeparatrixConfig, SeparatrixModel)
AutoModelForCausalLM.register(SeparatrixConfig, SeparatrixForCausalLM)
