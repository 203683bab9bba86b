"""What a user would write instead: embedding, a layer by somebody else, and a head.

Peers have no way to ask many queries of one state, so context and queries go through them as one sequence and the
answers are read at the queries. That is the least they can do: each query also sees the ones before it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Peer(nn.Module):
    """(context, queries) -> logits."""

    def __init__(self, task: object, width: int, layer: Callable[[int], nn.Module], length: int) -> None:
        super().__init__()
        self.offset = task.query_offset
        self.embed = nn.Embedding(task.vocabulary, width)
        self.layer = layer(width)
        self.head = nn.Linear(width, task.answers)

    def forward(self, context: Tensor, queries: Tensor) -> Tensor:
        x = self.layer(self.embed(torch.cat([context, queries + self.offset], dim=1)))
        return self.head(x[:, context.shape[1] :])


class First(nn.Module):
    """The first output of a recurrent layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


class Embedded(nn.Module):
    """A Hugging Face model on embeddings."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(inputs_embeds=x, use_cache=False).last_hidden_state


def mambapy(width: int) -> nn.Module:
    from mambapy.mamba import Mamba, MambaConfig

    return Mamba(MambaConfig(d_model=width, n_layers=1, d_state=16))


def hf_mamba(width: int) -> nn.Module:
    from transformers import MambaConfig, MambaModel

    return Embedded(MambaModel(MambaConfig(hidden_size=width, num_hidden_layers=1, state_size=16, vocab_size=2)))


def hf_mamba2(width: int) -> nn.Module:
    from transformers import Mamba2Config, Mamba2Model

    head = min(64, 2 * width)
    config = Mamba2Config(
        hidden_size=width, num_hidden_layers=1, state_size=64, head_dim=head, num_heads=2 * width // head, n_groups=1,
        vocab_size=2, chunk_size=64,
    )  # fmt: skip
    return Embedded(Mamba2Model(config))


def hf_gpt2(width: int) -> nn.Module:
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(n_embd=width, n_layer=1, n_head=1, n_positions=1024, vocab_size=2, resid_pdrop=0, embd_pdrop=0)
    return Embedded(GPT2Model(config))


def fla(name: str) -> Callable[[int], nn.Module]:
    """flash-linear-attention's plain PyTorch forms with projections around them."""

    def build(width: int) -> nn.Module:
        from importlib import import_module

        naive = import_module(f"fla.ops.{name}.naive")
        run = getattr(naive, {"gla": "naive_recurrent_gla", "delta_rule": "delta_rule_recurrence"}[name])
        return Plain(width, run, name)

    return build


class Plain(nn.Module):
    """Queries, keys, values and gates by linear maps, then a plain form of one head."""

    def __init__(self, width: int, run: Callable, name: str) -> None:
        super().__init__()
        self.run, self.name = run, name
        self.enter, self.gate, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part[:, None] for part in self.enter(x).chunk(3, dim=-1))  # (B, 1, N, D)
        if self.name == "gla":
            y = self.run(q, k, v, nn.functional.logsigmoid(self.gate(x))[:, None])
        else:
            y = self.run(q, nn.functional.normalize(k, dim=-1), v, torch.sigmoid(self.gate(x))[:, None, :, 0])
        return self.out((y[0] if isinstance(y, tuple) else y)[:, 0])


PEERS: dict[str, Callable[[int], nn.Module]] = {
    "mambapy": mambapy,
    "Transformers Mamba": hf_mamba,
    "Transformers Mamba-2": hf_mamba2,
    "Transformers GPT-2": hf_gpt2,
    "PyTorch LSTM": lambda width: First(nn.LSTM(width, width, batch_first=True)),
    "PyTorch GRU": lambda width: First(nn.GRU(width, width, batch_first=True)),
    "fla GLA": fla("gla"),
    "fla delta rule": fla("delta_rule"),
}

INSTEAD = {
    "mamba": ("mambapy", "Transformers Mamba"),
    "mamba2": ("Transformers Mamba-2",),
    "transformer": ("Transformers GPT-2",),
    "lstm": ("PyTorch LSTM",),
    "gru": ("PyTorch GRU",),
    "gla": ("fla GLA",),
    "deltanet": ("fla delta rule",),
}
"""What each family is compared with."""


def build(name: str, task: object, width: int) -> Peer:
    """A peer for a task. Raises ImportError where its package is missing."""
    return Peer(task, width, PEERS[name], task.length)
