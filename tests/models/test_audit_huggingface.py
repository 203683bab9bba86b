"""Audits of configurations equal the caches that the real models keep, tensor by tensor."""

from __future__ import annotations

import json
import warnings

import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.models import measured_numbers
from separatrix.models.growth import Law, law, polynomial

transformers = pytest.importorskip("transformers")

from separatrix.models.huggingface.audit import audit_configuration, configured_size  # noqa: E402
from separatrix.models.huggingface.configuration import configuration, language_model, load_config  # noqa: E402

WIDE = {"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 50, "intermediate_size": 48}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
MAMBA2 = {"mamba_n_heads": 4, "mamba_d_head": 32, "mamba_d_state": 8, "mamba_n_groups": 1}
DENSE = WIDE | HEADS
EXPERTS = {"num_local_experts": 4, "num_experts": 4, "n_routed_experts": 4, "moe_intermediate_size": 16}
TYPES = {
    "llama": DENSE,
    "mistral": DENSE | {"sliding_window": 6},
    "mixtral": DENSE | {"num_local_experts": 2},
    "qwen2": DENSE | {"use_sliding_window": True, "sliding_window": 20, "max_window_layers": 1},
    "qwen3": DENSE,
    "qwen3_next": DENSE | EXPERTS | {
        "layer_types": ["linear_attention", "full_attention"],
        "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16,
        "linear_value_head_dim": 16, "num_experts_per_tok": 2, "shared_expert_intermediate_size": 16,
    },
    "gemma": DENSE,
    "gemma2": DENSE | {"sliding_window": 20},
    "gemma3_text": DENSE | {"sliding_window": 20, "layer_types": ["sliding_attention", "full_attention"]},
    "phi3": DENSE | {"sliding_window": 20, "pad_token_id": 0},
    "deepseek_v3": WIDE | EXPERTS | {
        "num_attention_heads": 4, "num_key_value_heads": 4, "kv_lora_rank": 32, "q_lora_rank": 32,
        "qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 16, "n_group": 1, "topk_group": 1,
        "num_experts_per_tok": 2, "first_k_dense_replace": 1,
    },
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 50},
    "opt": {"hidden_size": 64, "word_embed_proj_dim": 64, "ffn_dim": 32, "num_hidden_layers": 2,
            "num_attention_heads": 4, "vocab_size": 50},
    "gpt_oss": DENSE | EXPERTS | {"sliding_window": 20, "layer_types": ["sliding_attention", "full_attention"]},
    "mamba": {"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 50, "state_size": 4},
    "mamba2": {"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 50, "state_size": 8, "head_dim": 32,
               "num_heads": 4, "n_groups": 1, "chunk_size": 8},
    "falcon_mamba": {"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 50, "state_size": 4},
    "falcon_h1": DENSE | MAMBA2 | {"mamba_d_ssm": 128, "mamba_chunk_size": 8},
    "bamba": DENSE | MAMBA2 | {"attn_layer_indices": [1], "mamba_chunk_size": 8},
    "jamba": DENSE | {"num_experts": 2, "attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 4},
    "zamba2": DENSE | {
        "num_hidden_layers": 3, "layers_block_type": ["mamba", "mamba", "hybrid"], "mamba_d_state": 8,
        "n_mamba_heads": 4, "mamba_headdim": 32, "num_key_value_heads": 4, "attention_hidden_size": 128,
        "attention_head_dim": 32, "num_query_groups": 4, "chunk_size": 8,
    },
    "recurrent_gemma": DENSE | {"num_hidden_layers": 3, "attention_window_size": 20, "lru_width": 64},
    "rwkv": {"hidden_size": 64, "attention_hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 50},
    "lfm2": DENSE | {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
    "granitemoehybrid": DENSE | MAMBA2 | {
        "layer_types": ["mamba", "attention"], "num_local_experts": 0, "shared_intermediate_size": 32,
        "mamba_chunk_size": 8,
    },
    "nemotron_h": DENSE | {
        "layers_block_type": ["mamba", "attention"], "mamba_num_heads": 4, "mamba_head_dim": 32, "ssm_state_size": 8,
        "n_groups": 1, "chunk_size": 8,
    },
    "olmo2": DENSE,
    "xlstm": {"hidden_size": 128, "embedding_dim": 128, "num_hidden_layers": 2, "num_blocks": 2, "num_heads": 2,
              "vocab_size": 50},
}  # fmt: skip
LENGTHS = (5, 19, 40)


def cache_bits(config, length: int) -> int:
    """Bits an example's state takes: of the cache, or of what modules hold, found by another walk than the audit's."""
    model = language_model(config)
    cache = transformers.DynamicCache(config=model.config) if config.model_type == "recurrent_gemma" else None
    given = {} if cache is None else {"past_key_values": cache}
    with torch.no_grad():
        out = model(torch.randint(50, (1, length)), use_cache=True, **given)
    kept = next((getattr(out, n) for n in ("past_key_values", "cache_params", "state") if getattr(out, n, None)), cache)
    held = [m for m in model.modules() if hasattr(m, "conv1d_state") or hasattr(m, "recurrent_states")]
    found: dict[int, torch.Tensor] = {}
    waiting = [kept, *([vars(m).get("conv1d_state"), vars(m).get("recurrent_states")] for m in held)]
    while waiting:
        item = waiting.pop()
        if isinstance(item, torch.Tensor) and item.ndim > 1:  # the rest are counters
            found[id(item)] = item
        elif isinstance(item, list | tuple):
            waiting += item
        elif isinstance(item, dict):
            waiting += item.values()
        elif type(item).__module__.startswith("transformers") and not hasattr(item, "to_diff_dict"):
            waiting += vars(item).values()
    return sum(tensor.numel() * tensor.dtype.itemsize * 8 for tensor in found.values())


@pytest.mark.parametrize("kind", TYPES)
def test_audits_equal_the_caches_of_real_models(kind):
    if kind not in transformers.CONFIG_MAPPING:
        pytest.skip(f"Transformers {transformers.__version__} has no {kind}")
    for dtype in ("bfloat16", "float32"):
        settings = {"model_type": kind, "dtype": dtype, **TYPES[kind]}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = audit_configuration(settings, LENGTHS[-1]).size
            real = [cache_bits(configuration(settings), length) for length in LENGTHS]
        assert [found.bits(length) for length in LENGTHS] == real


def test_what_is_stored_wider_than_the_weights_is_counted_so():
    size = audit_configuration({"model_type": "mamba", "dtype": "bfloat16", **TYPES["mamba"]}, 40).size
    assert {part.bits_each: part.constant for part in size.parts} == {16: 2 * 128 * 4, 32: 2 * 128 * 4}


def test_state_in_modules_is_found():
    audit = audit_configuration({"model_type": "recurrent_gemma", **TYPES["recurrent_gemma"]}, 40)
    assert len(audit.places) == 4
    assert audit.size.growth == "windowed"


@pytest.mark.parametrize(("window", "kept"), [(6, 5), (4096, 4095)])
def test_a_window_keeps_one_token_less(window, kept):
    size = audit_configuration({"model_type": "mistral", **DENSE, "sliding_window": window}, 40).size
    assert [part.window for part in size.parts] == [kept]
    assert audit_configuration({"model_type": "qwen2", **DENSE, "sliding_window": window}, 40).size.growth == "linear"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model_type": "llame"}, "did you mean 'llama'"),
        ({"model_type": "llama", "dtype": "float8_e4m3fn"}, "dtype float8_e4m3fn: Transformers computes in"),
        ({"model_type": "llama", "hidden_size": "big"}, "cannot build 'llama'"),
        ({"model_type": "openai-gpt", "n_embd": 64, "n_layer": 1, "n_head": 4}, "cache"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(settings, message):
    with pytest.raises(InputError, match=message) as error:
        audit_configuration(settings, 40)
    assert "\n" not in str(error.value)


def test_original_state_space_files(tmp_path):
    given = {"d_model": 64, "n_layer": 2, "vocab_size": 50, "ssm_cfg": {"layer": "Mamba2", "d_state": 8}}
    (tmp_path / "config.json").write_text(json.dumps(given))
    settings = load_config(f"hf:{tmp_path}")
    assert settings == load_config(tmp_path / "config.json") == load_config(f"hf:{tmp_path}/config.json")
    assert audit_configuration(settings, 40).size.numbers(40) == 2 * (128 * 8 + (128 + 2 * 8) * 4)
    (tmp_path / "config.json").write_text(json.dumps(given | {"attn_layer_idx": [1]}))
    with pytest.raises(InputError, match="attn_layer_idx"):
        load_config(tmp_path)


def test_laws():
    assert law({3: 6, 4: 8, 6: 12}) == Law(0, 2)
    assert law({3: 7, 4: 9, 6: 11, 9: 11}) == Law(1, 2, 5)
    assert law({3: 0, 4: 5, 6: 5, 8: 10, 9: 10}) == Law(0, 5, None, 4)
    with pytest.raises(InputError, match="grows neither"):
        law({3: 1, 4: 4, 6: 2, 8: 9})
    assert polynomial({1: 3, 2: 12, 3: 27, 4: 48}, 10) == 300
    with pytest.raises(InputError, match="no polynomial"):
        polynomial({1: 3, 2: 12, 3: 26}, 10)


FLA = [  # settings of flash-linear-attention, and the same model here; its convolutions keep one input more
    ({"model_type": "delta_net", "num_heads": 4}, "deltanet", {"heads": 4}, 3 * 64),
    ({"model_type": "gla", "num_heads": 2}, "gla", {"heads": 2}, 0),
    ({"model_type": "retnet", "num_heads": 4}, "retnet", {"heads": 4}, 0),
    ({"model_type": "hgrn2", "expand_ratio": 16}, "hgrn2", {"heads": 4}, 0),
    ({"model_type": "rwkv6", "expand_k": 1, "num_heads": 2}, "rwkv6", {"heads": 2}, 64),  # the MLP's shift
    ({"model_type": "rwkv7", "head_dim": 32}, "rwkv7", {"heads": 2}, 64),
    ({"model_type": "kda", "num_heads": 4, "head_dim": 16}, "kda", {"heads": 4}, 3 * 64),
    ({"model_type": "gated_deltanet", "num_heads": 2, "head_dim": 32}, "gated-deltanet", {"heads": 2}, 4 * 64),
    (
        {"model_type": "gated_deltaproduct", "num_heads": 2, "head_dim": 32, "expand_v": 1, "num_householder": 3},
        "deltaproduct",
        {"heads": 2, "reflections": 3},
        7 * 64,
    ),
    ({"model_type": "forgetting_transformer", "num_heads": 2}, "forgetting", {"heads": 2}, 0),
    (  # the angles of both heads, and b for the second
        {"model_type": "mamba3", "state_size": 8, "head_dim": 64, "is_mimo": True, "mimo_rank": 3},
        *("mamba3", {"heads": 2, "state": 8, "rank": 3}, 2 * 2 + 3 * 8),
    ),
]


@pytest.mark.parametrize(("settings", "name", "options", "more"), FLA, ids=[case[0]["model_type"] for case in FLA])
def test_states_of_flash_linear_attention_are_those_of_the_same_models(settings, name, options, more):
    size = configured_size({"hidden_size": 64, "num_hidden_layers": 2} | settings, 100)
    kept = sx.tasks.create("parity", length=100) if size.growth == "linear" else sx.tasks.create("parity", length=16)
    ours = measured_numbers(name, kept, width=64, layers=2, **options)
    assert size.numbers(100) == ours + 2 * more
    assert size.growth == ("linear" if name == "forgetting" else "constant") and "not measured" in size.source


def test_attention_of_flash_linear_attention_keeps_what_its_layers_keep():
    settings = {"hidden_size": 64, "num_hidden_layers": 3, "dtype": "bfloat16"}
    faded = {"model_type": "forgetting_transformer", "num_heads": 4, "num_kv_heads": 2, "window_size": 50}
    size = configured_size(settings | faded, 100)
    assert size.bits(100) == 3 * 50 * (16 * 2 * 2 * 16 + 32 * 4) and size.growth == "windowed"
    latent = {"model_type": "mla", "num_heads": 2, "qk_nope_head_dim": 5, "qk_rope_head_dim": 3, "v_head_dim": 7}
    size = configured_size(settings | latent, 100)
    assert size.bits(100) == 3 * 100 * 16 * 2 * (5 + 3 + 7) and size.growth == "linear"
    with pytest.raises(InputError, match="log_linear_mamba2: its state grows with the logarithm"):
        configured_size(settings | {"model_type": "log_linear_mamba2"}, 100)
    with pytest.raises(InputError, match="mamba3: not a configuration"):
        configured_size({"model_type": "mamba3", "hidden_size": 64}, 100)  # of how many layers?


def test_hybrids_of_flash_linear_attention_keep_a_cache():
    attn = {"layers": [1], "num_heads": 4, "num_kv_heads": 2, "window_size": 50}
    settings = {"model_type": "gla", "hidden_size": 64, "num_heads": 2, "num_hidden_layers": 2, "dtype": "bfloat16"}
    size = configured_size(settings | {"attn": attn}, 100)
    assert size.bits(100) == 32 * 2 * 16 * 32 + 16 * 2 * 50 * 2 * 16 and size.growth == "windowed"
    with pytest.raises(InputError, match="gla: not a configuration"):
        configured_size(settings | {"num_heads": 0}, 100)
