"""A construction: a theorem's model, its task, and the certificate of what is proved of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from separatrix.config import Config
from separatrix.constructions.certificate import NOTE, Certificate, CertificateError
from separatrix.errors import InputError
from separatrix.models import ModelConfig, SequenceModel, architecture
from separatrix.models.files import load as load_model
from separatrix.models.files import read_header, save, weights_sha256
from separatrix.notebook import brief, facts
from separatrix.tasks import Problem


class Options(Config):
    """What may be chosen of a construction beside its task. Constructions add fields of their own.

    >>> sx.constructions.Options(format="bf16").format
    'bf16'
    """

    format: str = Field("fp32", description="number format the certificate is issued for, e.g. bf16, fp16, e4m3, real")


@dataclass(frozen=True)
class Construction:
    """A model of the library's own classes with its weights set. The weights are made when first asked for.

    >>> built = sx.constructions.create("index-lookup", length=2**20, alphabet=64)
    >>> built.width, built.certificate.scope
    (27, 'lengths up to N')
    """

    task: Problem
    config: ModelConfig
    certificate: Certificate
    build: Callable[[], SequenceModel]

    @cached_property
    def model(self) -> SequenceModel:
        """The model, in evaluation mode, on the CPU. Raises InputError when the memory is too small for its weights."""
        needed = 4 * self.width * self.task.length if self.config.positions != "none" else 0
        if needed > (memory := _memory()):
            raise InputError(
                f"weights for length {self.task.length:,} take {needed / 2**30:,.0f} GiB, and this machine has "
                f"{memory / 2**30:,.0f}: ask for the certificate alone, or for a shorter length"
            )
        return self.build().eval()

    @property
    def width(self) -> int:
        """Width m of the model's residual stream, or the number of units of a recurrent model."""
        return self.config.width

    def _repr_html_(self) -> str:
        """What a notebook shows: the size, and what is certified of it. Makes no weights."""
        certificate = self.certificate
        said = {
            "architecture": f"{self.config.name}, {self.config.layers} layer(s), width {self.width:,}",
            "number format": certificate.number_format,
            "certified": certificate.claim,
            "margin": brief(certificate.margin),
        }
        return facts(f"{certificate.construction}, N = {self.task.length:,}", said)

    def save(self, path: str | Path) -> Path:
        """Write weights, task, configuration and certificate to one safetensors file. Returns the path."""
        certificate = self.certificate.replace(weights_sha256=weights_sha256(self.model))
        return save(self.model, path, notes={NOTE: certificate.model_dump(mode="json")})


def _memory() -> float:
    """Bytes of memory of this machine; infinity where it does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return float("inf")


def load(path: str | Path) -> Construction:
    """A saved construction. Its certificate is read, not yet verified: `check` does that.

    Raises InputError for a file that is missing, damaged, changed or not ours, CertificateError for one without a
    certificate.

    >>> built = sx.constructions.create("parity", length=20)
    >>> sx.constructions.load(built.save("parity.safetensors")).task
    Parity(name='parity', length=20)
    """
    header = read_header(path)
    if NOTE not in header.notes:
        raise CertificateError(f"{path} has no certificate: it was saved from a model, not from a construction")
    noted = header.notes[NOTE]
    if not isinstance(noted, dict):
        raise CertificateError(f"{path} has a damaged certificate: expected fields, got {type(noted).__name__}")
    model = load_model(path).eval()
    return Construction(model.task, model.config, Certificate(**noted), lambda: model)


def assemble(task: Problem, config: ModelConfig, weights: Mapping[str, Tensor]) -> SequenceModel:
    """A model with the given weights, by the names they have in its `state_dict`, and 0 for all others.

    The tensors themselves become the weights: nothing is drawn or copied. Raises KeyError for names the model lacks.

    >>> task = sx.tasks.create("parity", length=4)
    >>> config = sx.models.configure("lstm", width=4)
    >>> model = sx.constructions.assemble(task, config, {})
    >>> sum(parameter.abs().sum().item() for parameter in model.parameters())
    0.0
    """
    with torch.device("meta"):
        model = architecture(config.name)(task, config)
    empty = model.state_dict()
    if missing := sorted(set(weights) - set(empty)):
        raise KeyError(f"{config.name} has no weights named {', '.join(missing)}")
    filled = {name: weights.get(name, torch.zeros(1).expand(like.shape)) for name, like in empty.items()}
    model.load_state_dict({name: tensor.contiguous() for name, tensor in filled.items()}, assign=True)
    return model
