"""Configurations of Hugging Face Transformers: read from a file, named, and built, or refused in one line."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from separatrix.errors import InputError, nearest

PREFIX = "hf:"
DTYPES = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""Number formats Transformers can compute in."""

CODE = ("auto_map", "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
        "experts_implementation", "use_kernels", "kernel_config")  # fmt: skip
"""Settings that name code, which nothing that is read may choose."""

_SPELT = {"mamba_2": "mamba2", "gpt_2": "gpt2", "recurrentgemma": "recurrent_gemma"}


def load_config(path: str | Path) -> dict[str, Any]:
    """The settings of a config.json, of the folder that holds one, or of `hf:` and either.

    Files of the original state-spaces package become settings of Transformers' mamba and mamba2. Raises InputError
    when there is none, or it describes no model.
    """
    path = Path(str(path).removeprefix(PREFIX))
    if path.is_dir():
        path = path / "config.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"), object_hook=_number)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # no text, no JSON, integers of thousands of digits
        raise InputError(f"{path} is not JSON: {' '.join(str(error)[:200].split())}") from None
    if not isinstance(settings, dict):
        raise InputError(f"{path} must hold a JSON object, got {type(settings).__name__}")
    if "model_type" not in settings and {"d_model", "n_layer"} <= settings.keys():
        return _state_spaces(settings)
    if "model_type" not in settings:
        names = ", ".join(settings) or "none at all"
        raise InputError(f"a Hugging Face configuration has a field model_type; the fields of this one are {names}")
    return settings


def _number(found: dict[str, Any]) -> Any:
    """What Transformers writes in place of the infinities, which JSON has not, as the number it stands for."""
    if found.keys() != {"__float__"} or found["__float__"] not in ("Infinity", "-Infinity", "NaN"):
        return found
    return float(found["__float__"])


def _state_spaces(given: dict[str, Any]) -> dict[str, Any]:
    """Settings of the package mamba_ssm (MambaConfig), as Transformers names them."""
    layer = given.get("ssm_cfg") or {}
    if not isinstance(layer, dict):
        raise InputError(f"ssm_cfg: expected settings of the layer, got {type(layer).__name__}")
    kind = str(layer.get("layer", "Mamba1"))
    if given.get("attn_layer_idx"):
        raise InputError("attn_layer_idx: Transformers has no type for attention layers in a state-spaces file")
    if kind not in ("Mamba1", "Mamba2"):
        raise InputError(f"ssm_cfg: expected the layer Mamba1 or Mamba2, got {kind!r}")
    width, expand = _count(given, "d_model"), _count(layer, "expand", 2)
    settings = {
        "model_type": "mamba" if kind == "Mamba1" else "mamba2",
        "hidden_size": width,
        "num_hidden_layers": _count(given, "n_layer"),
        "vocab_size": _count(given, "vocab_size", 50277),
        "expand": expand,
        "state_size": _count(layer, "d_state", 16 if kind == "Mamba1" else 128),
        "conv_kernel": _count(layer, "d_conv", 4),
    }
    if kind == "Mamba2":
        head = _count(layer, "headdim", 64)
        groups = _count(layer, "ngroups", 1)
        settings |= {"head_dim": head, "num_heads": expand * width // head, "n_groups": groups}
    return settings


def _count(settings: dict[str, Any], name: str, default: int | None = None) -> int:
    """A positive whole number among settings. Raises InputError for anything else."""
    value = settings.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{name}: expected a positive whole number, got {str(value)[:40]!r}")
    return value


def model_type(name: str) -> str:
    """The causal language model type of Transformers meant by a name. Raises InputError naming the nearest."""
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_MAPPING, __version__

    plain = name.lower().replace("-", "_")
    for spelt in (name, name.lower(), plain, _SPELT.get(plain, plain)):
        if spelt in CONFIG_MAPPING:
            config = CONFIG_MAPPING[spelt]
            if config not in MODEL_FOR_CAUSAL_LM_MAPPING and config not in MODEL_MAPPING:
                raise InputError(f"Transformers {__version__} has the type {spelt!r}, but no model to build of it")
            return spelt
    guess = nearest(name, CONFIG_MAPPING.keys())
    hint = f": did you mean {guess!r}?" if guess else ", for instance mamba, gpt2 or llama"
    raise InputError(f"Transformers {__version__} has no model type {name!r}{hint}")


def configuration(settings: dict[str, Any]) -> Any:
    """A PreTrainedConfig of settings that name their model_type; of several parts, the one that writes text.

    How weights are quantised is left out, for it changes no state, and so is what names code. Raises InputError for
    what Transformers refuses.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

    settings = copy.deepcopy(settings)
    kind = model_type(str(settings.pop("model_type")))
    for name in ("quantization_config", *CODE):
        settings.pop(name, None)
    number_format(settings)
    config = one_line(kind, lambda: AutoConfig.for_model(kind, **settings))
    try:
        text = config.get_text_config(decoder=True)
    except (ValueError, AttributeError):
        text = config
    if text is not config and type(text) in MODEL_FOR_CAUSAL_LM_MAPPING:
        text.dtype = text.dtype or config.dtype
        config = text
    if hasattr(config, "is_decoder"):
        config.is_decoder = True  # asked of as a causal language model; encoders keep no cache
    config.use_cache = True
    return config


def number_format(settings: dict[str, Any]) -> torch.dtype:
    """The dtype a configuration names; float32, as in Transformers, where it names none."""
    name = str(settings.get("dtype") or settings.get("torch_dtype") or "float32").removeprefix("torch.")
    if name not in DTYPES:
        raise InputError(f"dtype {name}: Transformers computes in {', '.join(DTYPES)}: name the one its cache has")
    return DTYPES[name]


def language_model(config: Any, auto: Any = None, **options: Any) -> nn.Module:
    """The causal language model of a configuration with random weights, in evaluation mode, on the default device.

    auto: another of Transformers' Auto classes. Raises InputError for what Transformers refuses to build.
    """
    from transformers import AutoModelForCausalLM

    config = copy.deepcopy(config)
    build = (auto or AutoModelForCausalLM).from_config
    return one_line(config.model_type, lambda: build(config, dtype=number_format(vars(config)), **options)).eval()


def one_line(what: str, build: Any) -> Any:
    """What `build` returns; whatever Transformers raises instead as an InputError of one line."""
    try:
        return build()
    except InputError:
        raise
    except Exception as error:  # its configurations and models raise every kind
        cause = " ".join(str(error.__cause__ or error).split())[:300]
        raise InputError(f"Transformers cannot build {what!r} so: {type(error).__name__}: {cause}") from error


def plain_settings(config: Any) -> dict[str, Any]:
    """The settings that build a configuration again."""
    settings = config.to_dict() | {
        "model_type": config.model_type,
        "dtype": config.dtype and str(config.dtype).removeprefix("torch."),
    }
    return {name: value for name, value in settings.items() if name not in ("id2label", "label2id")}
