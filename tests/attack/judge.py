"""What accepted weights answer: every result rounded, sums in several orders, and PyTorch itself."""

from __future__ import annotations

import torch
from attack.instances import Asked
from attack.networks import filled
from torch import Tensor

from separatrix.constructions.certificate import Certificate
from separatrix.constructions.rounding.recurrent import RoundedRecurrent
from separatrix.constructions.rounding.transformer import RoundedTransformer
from separatrix.models import SequenceModel
from separatrix.numerics import TORCH

TIGHT = 1e-5
"""How far PyTorch's evaluation of real arithmetic, in float64, may be from a margin."""


def wrong(model: SequenceModel, certificate: Certificate, asked: list[Asked], seed: int) -> str | None:
    """How a model belies a certificate; None where it does not."""
    name, free = certificate.number_format, certificate.order == "any"
    if model.config.name not in ("elman", "transformer"):
        return _of_torch(model, certificate, asked)
    recurrent = model.config.name == "elman"
    others = [shuffled(model, seed, "rounded")] if free else []
    for each in asked:
        if each.whole:
            if name == "fp32" and (found := _fault(_read(model, each), each, certificate, "read")) is not None:
                return found
            continue
        results: list[tuple[str, Tensor]] = []
        for label, network in [("as it is", model), *(("shuffled", other) for other in others)]:
            if recurrent:
                results.append(
                    (f"rounded, {label}", RoundedRecurrent(network, name).forward(each.context, each.queries))
                )
                continue
            for order in ("sequential", "pairwise") if network is not model else ("sequential",):
                evaluate = RoundedTransformer(network, name, order)  # type: ignore[arg-type]
                results.append((f"rounded {order}, {label}", evaluate.forward(each.context, each.queries)))
        if free and name in ("real", "fp32", "bf16", "fp16"):
            results += [("torch", in_torch(network, name, each)) for network in (model, *others)]
        for label, logits in results:
            if (found := _fault(logits, each, certificate, label)) is not None:
                return found
    return None


def _of_torch(model: SequenceModel, certificate: Certificate, asked: list[Asked]) -> str | None:
    """`wrong` of networks with gates, in fp32: in one pass, and token by token."""
    for each in asked:
        if each.whole:
            if (found := _fault(_read(model, each), each, certificate, "read")) is not None:
                return found
            continue
        with torch.no_grad():
            results = [("at once", model(each.context, each.queries)), ("by steps", _by_steps(model, each))]
        for label, logits in results:
            if (found := _fault(logits.double(), each, certificate, label)) is not None:
                return found
    return None


def _read(model: SequenceModel, asked: Asked) -> Tensor:
    """Logits at all places of streams."""
    with torch.no_grad():
        return model.read(asked.context).double()


def _by_steps(model: SequenceModel, asked: Asked) -> Tensor:
    """Logits after the context was read one token at a time."""
    state = model.prefill(asked.context[:, :1])
    for t in range(1, asked.context.shape[1]):
        state = model.prefill(asked.context[:, t : t + 1], state, start=t)
    return model.decode(state, asked.queries)


def in_torch(model: SequenceModel, name: str, asked: Asked) -> Tensor:
    """PyTorch's own logits, in the format's type, or in float64 for real arithmetic."""
    dtype = torch.float64 if name == "real" else TORCH[name]
    weights = {weight: value.to(dtype) for weight, value in model.state_dict().items()}
    network = filled(model.task, model.config, weights, f"torch {name}")
    context, queries = (x.to(dtype) if x.is_floating_point() else x for x in (asked.context, asked.queries))
    with torch.no_grad():
        return network(context, queries).double()


def _fault(logits: Tensor, asked: Asked, certificate: Certificate, label: str) -> str | None:
    if not bool(logits[asked.counts].isfinite().all()):
        return f"{label}: logits that are no numbers"
    right = asked.targets[..., None]
    others = logits.scatter(2, right, -torch.inf).amax(dim=2)
    margins = (logits.gather(2, right)[..., 0] - others)[asked.counts]
    if not len(margins):
        return None
    least, slack = float(margins.min()), TIGHT if certificate.number_format == "real" else 1e-9
    if not least > 0:
        return f"{label}: answered wrongly, by {least:g}"
    return f"{label}: a margin of {least:g}" if least < certificate.margin * (1 - slack) else None


def shuffled(model: SequenceModel, seed: int, use: str) -> SequenceModel:
    """The same network with its coordinates, units and heads' coordinates in another order."""
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(model.config.width, generator=draw)
    weights = _recurrent(weights, order) if model.config.name == "elman" else _attention(weights, model, order, draw)
    return filled(model.task, model.config, weights, f"shuffled {use}")


def _recurrent(weights: dict[str, Tensor], order: Tensor) -> dict[str, Tensor]:
    cell = "blocks.0.mixer.cell"
    for name in ("embed.weight", "head.weight", f"{cell}.weight_hh_l0", f"{cell}.weight_ih_l0"):
        weights[name] = weights[name][:, order]
    for name in ("weight_hh_l0", "weight_ih_l0", "bias_ih_l0", "bias_hh_l0"):
        weights[f"{cell}.{name}"] = weights[f"{cell}.{name}"][order]
    return weights


def _attention(
    weights: dict[str, Tensor], model: SequenceModel, order: Tensor, draw: torch.Generator
) -> dict[str, Tensor]:
    vectors = "embed.bias" in weights
    if vectors:
        weights["embed.weight"], weights["embed.bias"] = weights["embed.weight"][order], weights["embed.bias"][order]
    for name in ("positions.table.weight", "head.weight", *([] if vectors else ["embed.weight"])):
        weights[name] = weights[name][:, order]
    heads = model.config.model_dump()["heads"]
    for layer in range(model.config.layers):
        mixer, mlp = f"blocks.{layer}.mixer", f"blocks.{layer}.mlp"
        inner = len(weights[f"{mixer}.query.weight"]) // heads
        inside = torch.cat([torch.randperm(inner, generator=draw) + h * inner for h in range(heads)])
        for kind in ("query", "key", "value"):
            weights[f"{mixer}.{kind}.weight"] = weights[f"{mixer}.{kind}.weight"][inside][:, order]
            weights[f"{mixer}.{kind}.bias"] = weights[f"{mixer}.{kind}.bias"][inside]
        weights[f"{mixer}.out.weight"] = weights[f"{mixer}.out.weight"][order][:, inside]
        weights[f"{mixer}.out.bias"] = weights[f"{mixer}.out.bias"][order]
        if f"{mlp}.1.weight" in weights:
            units = torch.randperm(len(weights[f"{mlp}.1.weight"]), generator=draw)
            weights[f"{mlp}.1.weight"] = weights[f"{mlp}.1.weight"][units][:, order]
            weights[f"{mlp}.1.bias"] = weights[f"{mlp}.1.bias"][units]
            weights[f"{mlp}.3.weight"] = weights[f"{mlp}.3.weight"][order][:, units]
            weights[f"{mlp}.3.bias"] = weights[f"{mlp}.3.bias"][order]
    return weights
