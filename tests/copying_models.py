"""Tiny language models of Transformers, trained to say a string again after a separator, saved as ordinary folders."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

SEPARATOR, TOKENS = 0, 16
"""Strings are of tokens 1 to 16, so that the 16 tokens drawn for a measurement are these."""

SETTINGS: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 64, "resid_pdrop": 0.0, "attn_pdrop": 0.0,
             "embd_pdrop": 0.0},
    "mistral": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
                "intermediate_size": 32},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2},
    "falcon_mamba": {"hidden_size": 32, "num_hidden_layers": 2},
    "jamba": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
              "intermediate_size": 32, "attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 1,
              "num_experts_per_tok": 1, "use_mamba_kernels": False},
    "recurrent_gemma": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "lru_width": 32,
                        "intermediate_size": 64, "attention_window_size": 8},
    "mamba2": {"hidden_size": 32, "num_hidden_layers": 2, "num_heads": 4, "head_dim": 16, "n_groups": 1},
}  # fmt: skip


def language_model(kind: str, **settings: Any) -> Any:
    """A tiny model with random weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    none = dict.fromkeys(["bos_token_id", "eos_token_id", "pad_token_id"])
    config = AutoConfig.for_model(kind, vocab_size=TOKENS + 1, **none, **(SETTINGS[kind] | settings))
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config)


def strings(count: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Int[count, 2 * length + 1]: a string, the separator, the string."""
    once = torch.randint(1, TOKENS + 1, (count, length), generator=generator)
    return torch.cat([once, torch.full((count, 1), SEPARATOR), once], dim=1)


def trained(kind: str, length: int, rate: float, steps: int, batch: int = 32, **settings: Any) -> Any:
    """A model trained on strings of one length, for so many steps or until nothing is left to learn."""
    model = language_model(kind, **settings).train()
    optimiser = torch.optim.AdamW(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min((step + 1) / 20, 1.02 - step / steps))
    generator = torch.Generator().manual_seed(1)
    for _ in itertools.repeat(None, steps):
        tokens = strings(batch, length, generator)
        logits = model(tokens[:, :-1], use_cache=False).logits[:, length:]
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, length + 1 :].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if loss < 0.01:
            break
    return model.eval()


def saved(model: Any, folder: Path) -> str:
    """The folder, with the model in it."""
    model.save_pretrained(folder)
    return str(folder)
