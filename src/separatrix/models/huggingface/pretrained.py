"""Language models of Transformers as they were trained, from a local folder or by a name on the hub.

No code of the folder runs: the model is one of the installed Transformers, built from plain settings, and its weights
come from safetensors files. Settings that would fetch or run something (remote code, kernels, adapters, quantisers)
are left out or refused.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from separatrix.errors import InputError, shortened
from separatrix.machine import MachineFailure, memory
from separatrix.models.huggingface.configuration import (
    PREFIX,
    configuration,
    language_model,
    load_config,
    model_type,
    number_format,
    one_line,
)

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
TRAINED, RANDOM = "trained", "random"
"""Where weights come from: the folder's files, or nowhere."""


@dataclass(frozen=True)
class Pretrained:
    """A causal language model in evaluation mode, its configuration, and whether its weights were trained."""

    name: str
    config: Any
    model: nn.Module
    weights: str

    @property
    def parameters(self) -> int:
        """Numbers in its weights, shared ones once."""
        return sum(weight.numel() for weight in self.model.parameters())


def names_language_model(what: str) -> bool:
    """Whether a name is one of a language model of Transformers: `hf:…`, a config.json, or a folder that holds one."""
    if what.startswith(PREFIX):
        return True
    return "\0" not in what and (os.path.isfile(os.path.join(what, "config.json")) or what.endswith("config.json"))


def pretrained(what: str) -> Pretrained:
    """The language model of a folder, of `hf:owner/name` on the hub, or of `hf:type` or a config.json.

    A folder's weights are read from model.safetensors or its shards. A bare type has Transformers' default sizes; it,
    a config.json and a folder with no weights at all give random ones. Raises InputError for weights in another form
    or that do not fit, for adapters, and without a network.
    """
    settings, folder = settings_of(what)
    return _built(what, settings, folder)


def settings_of(what: str) -> tuple[dict[str, Any], Path | None]:
    """A model's settings, and the folder of its weights if it has one. Raises InputError for what is no model."""
    try:
        import transformers
    except ImportError as error:
        raise InputError(f"{what} needs Transformers: pip install 'separatrix[hf]' ({error})") from None
    if "\0" in what:
        raise InputError(f"expected a model's folder or name, got {what[:80]!r}")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    place = Path(what.removeprefix(PREFIX))
    if not place.exists() and what.startswith(PREFIX):
        if "/" not in str(place):
            return {"model_type": model_type(str(place))}, None
        place = _fetched(str(place))
    return load_config(place), place if place.is_dir() else None


def _built(name: str, settings: dict[str, Any], folder: Path | None) -> Pretrained:
    config = configuration(settings)
    files = [] if folder is None else weight_files(folder)
    _check_memory(name, config)
    if files:
        return Pretrained(name, config, _loaded(name, config, files), TRAINED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Pretrained(name, config, language_model(config), RANDOM)


def _check_memory(name: str, config: Any) -> None:
    """Raise MachineFailure when the weights alone are more than this machine has room for."""
    with torch.device("meta"):
        weights = list(language_model(config).parameters())
    needed = sum(weight.numel() * weight.dtype.itemsize for weight in weights)
    if needed > memory():
        raise MachineFailure(
            f"{name}: its weights take {needed / 2**30:,.1f} GiB, this machine has {memory() / 2**30:,.1f}"
        )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder's weights; none where it has no weights in any form.

    Raises InputError for weights in other forms, adapters, and an index that names files elsewhere.
    """
    if (folder / "adapter_config.json").exists():
        raise InputError(f"{folder} holds an adapter: merge it into its model and save that")
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        try:
            named = sorted(set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError, OSError):
            raise InputError(f"{folder / INDEX} is no index of weights") from None
        if wrong := [each for each in named if Path(each).name != each or not (folder / each).is_file()]:
            raise InputError(f"{folder / INDEX} names {shortened(str(wrong[0]))!r}, which is no file of the folder")
        return [folder / each for each in named]
    others = sorted(path.name for end in ("*.bin", "*.pt", "*.pth", "*.gguf") for path in folder.glob(end))
    if others:
        raise InputError(
            f"{folder} has its weights in {others[0]}, which is not read: save them as safetensors "
            "(`model.save_pretrained`)"
        )
    return []


def _loaded(name: str, config: Any, files: list[Path]) -> nn.Module:
    """The model with its weights. Raises InputError where some are missing or of another shape."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise InputError(f"{name}: Transformers has no causal language model of the type {config.model_type!r}")
    weights: dict[str, Tensor] = {}
    for file in files:
        try:
            weights |= load_file(file)
        except (SafetensorError, OSError) as error:
            raise InputError(f"cannot read {file}: {error}") from None
    found_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    model, found = one_line(
        config.model_type,
        lambda: found_class.from_pretrained(
            None, config=config, state_dict=weights, dtype=number_format(vars(config)), output_loading_info=True
        ),
    )
    if missing := sorted([*found["missing_keys"], *(each[0] for each in found["mismatched_keys"])]):
        raise InputError(
            f"{name}: the weights do not fit the configuration: {len(missing)} are missing, as {missing[0]}"
        )
    return model.eval()


def _fetched(repository: str) -> Path:
    """The files of a repository of the hub: settings and safetensors, nothing else. Raises InputError without them."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=["*.json", "*.safetensors"]))
    except Exception as error:  # every kind: names that cannot be, no network, no such repository
        cause = shortened(" ".join(str(error).split()), 160)
        raise InputError(
            f"no folder {repository!r} here, and the hub did not give it ({type(error).__name__}: {cause}): "
            "give the path of a downloaded folder"
        ) from None


def special_tokens(config: Any) -> set[int]:
    """The tokens that a configuration gives a meaning: beginnings, ends, padding."""
    found: set[int] = set()
    for name, value in vars(config).items():
        if name.endswith("token_id"):
            found |= {value} if isinstance(value, int) else set(value) if isinstance(value, list) else set()
    return found


def first_token(config: Any) -> int | None:
    """The token that begins a document for this model; None where it has none."""
    token = getattr(config, "bos_token_id", None)
    return token if isinstance(token, int) and 0 <= token < config.vocab_size else None
