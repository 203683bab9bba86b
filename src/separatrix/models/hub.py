"""Models as Hugging Face model directories, read back by `AutoModel` once this module is imported (extra `hf`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

from separatrix.errors import InputError
from separatrix.models.registry import architecture
from separatrix.models.sequence import SequenceModel
from separatrix.tasks import create


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


def export_huggingface(model: SequenceModel, folder: str | Path) -> Path:
    """Write a model as a Hugging Face model directory (config.json, model.safetensors). Returns the folder.

    Raises InputError for a path that is a file, and for tasks and models that come from Python files.
    """
    folder = Path(folder)
    if folder.is_file():
        raise InputError(f"expected a folder for the model directory, got the file {folder}")
    config = SeparatrixConfig(model.task.model_dump(mode="json"), model.config.model_dump(mode="json"))
    wrapped = SeparatrixModel(config)
    wrapped.model.load_state_dict(model.state_dict(), assign=True)
    wrapped.save_pretrained(folder)
    return folder


AutoConfig.register(SeparatrixConfig.model_type, SeparatrixConfig)
AutoModel.register(SeparatrixConfig, SeparatrixModel)
