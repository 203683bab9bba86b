"""What every check does: the certificate belongs to the model, the weights are the format's, the argument holds.

The trusted base is this package (about 510 lines of code), the arguments' lemmas, `numerics` (what a format holds),
the two model classes it names (what is computed), `models.files` (reading), and the tasks' definitions (what is right).
Nothing here imports what builds weights.

The argument, a module of `check.arguments` with `verify(model, certificate) -> Proved`, proves its lemma in exact
arithmetic. The ledger goes over all weights: one that no logit depends on is refused. The envelope goes over the whole
network: it overflows nowhere, and is exact but for what the argument's `allowed(certificate)` accounts for. Last, every
field of the certificate is held against what was proved.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from separatrix.constructions.certificate import NOTE, Certificate, CertificateError
from separatrix.constructions.check.kernel import ledger
from separatrix.constructions.check.kernel.claims import Proved, compare
from separatrix.constructions.check.kernel.envelope import Envelope, Network
from separatrix.constructions.check.kernel.ranges import Range
from separatrix.errors import unknown
from separatrix.models import SequenceModel, architecture
from separatrix.models.elman import Elman
from separatrix.models.files import load, read_header, weights_sha256
from separatrix.models.gla import GLA
from separatrix.models.mamba import Mamba
from separatrix.models.transformer import Transformer
from separatrix.numerics import FloatingPoint, Format, Grid, parse
from separatrix.numerics.exact import columns
from separatrix.tasks import family
from separatrix.tasks.base import context_task

_ARGUMENTS: dict[str, str] = {
    "attention lookup": "lookup",
    "copy and compare": "nearest",
    "copy and match": "recall",
    "count, match and veto": "nested",
    "fetch and count": "count",
    "fetch and veto": "any_objection",
    "fingerprint": "fingerprint",
    "linear table": "table",
    "match and veto": "brackets",
    "overwriting memory": "overwriting",
    "product of automata": "product",
    "shift register": "register",
    "stack rules": "stack_rules",
}
"""Argument, as certificates name it → module of `check.arguments`."""

_CELL: dict[str, Any] = {"norm": "none", "layers": 1, "mlp": 0, "residual": False, "positions": "none", "tied": None}
_ATTENTION: dict[str, Any] = {"norm": "none", "activation": "relu", "residual": True, "positions": "learned"}
PLAIN: dict[type[SequenceModel], dict[str, Any]] = {
    Transformer: {**_ATTENTION, "scale": 1.0, "window": None, "bias": True},
    Elman: {**_CELL, "nonlinearity": "relu"},
    **dict.fromkeys(map(architecture, ("lstm", "gru", "deltanet", "deltaproduct")), _CELL),
    Mamba: {key: value for key, value in _CELL.items() if key not in ("layers", "residual")},
    GLA: {**_CELL, "positions": "learned"},
}
"""The classes of networks whose every op is known here, and how they are configured."""

LARGE = 2**12
"""Rows of a table whose numbers are not rounded one by one where its grid tells that none of them needs to be."""


@dataclass(frozen=True)
class Verdict:
    """A certificate the weights bear out, and what was found: the only thing to be printed."""

    certificate: Certificate
    proved: Proved

    @property
    def margin(self) -> float:
        """The least difference of logits found, at least what the certificate claims."""
        return self.proved.margin

    @property
    def statement(self) -> str:
        """What holds, in the checker's words."""
        return self.proved.statement(self.certificate.number_format)


def check_file(path: str | Path) -> Verdict:
    """Verify the certificate in a file against the weights in it.

    Raises InputError for a file that is missing, damaged, changed or not ours, CertificateError for a certificate that
    is missing or not borne out.
    """
    header = read_header(path)
    if NOTE not in header.notes:
        raise CertificateError(f"{path} has no certificate: it was saved from a model, not from a construction")
    certificate = Certificate(**header.notes[NOTE])
    if certificate.weights_sha256 is None:
        raise CertificateError(f"{path}: its certificate does not say which weights it was issued for")
    return check(load(path).eval(), certificate)


@torch.no_grad()
def check(model: SequenceModel, certificate: Certificate) -> Verdict:
    """Verify a certificate against a model's weights, from scratch. Raises CertificateError saying what failed."""
    if certificate.argument not in _ARGUMENTS:
        raise unknown("argument", certificate.argument, _ARGUMENTS)
    _same_model(model, certificate)
    number_format, state = parse(certificate.number_format), model.state_dict()
    for name, weight in state.items():
        if weight.dtype != torch.float32 or not _held(number_format, weight):
            raise CertificateError(f"{name} holds numbers that are none of {number_format}, or not as fp32")
    argument = import_module(f"separatrix.constructions.check.arguments.{_ARGUMENTS[certificate.argument]}")
    weights = {name: value.numpy() for name, value in state.items()}
    _plain(model)
    proved = argument.verify(model, certificate)
    if isinstance(model, Transformer):  # of recurrent networks, arguments read every unit and bound all sums
        ledger.transformer(weights, *(model.config.model_dump()[size] for size in ("layers", "heads")))
        _envelope(model, certificate, weights, argument.allowed(certificate), proved).walk()
    compare(certificate, proved, model.task)
    return Verdict(certificate, proved)


def _same_model(model: SequenceModel, certificate: Certificate) -> None:
    """CertificateError unless the certificate is about this model, and the model is of a class that is known here."""
    if type(model) not in PLAIN or type(model.task) is not family(model.task.name):
        raise CertificateError(
            f"certificates are about {', '.join(known.__name__ for known in PLAIN)} on the built-in tasks, got another"
        )
    for what, recorded, found in (
        ("task", certificate.task, model.task.model_dump(mode="json")),
        ("model", certificate.model, model.config.model_dump(mode="json")),
    ):
        if recorded != found:
            keys = sorted(key for key in recorded | found if recorded.get(key) != found.get(key))
            raise CertificateError(f"the certificate is about another {what}: {', '.join(keys)} differ")
    if (claimed := certificate.weights_sha256) is not None and claimed != weights_sha256(model):
        raise CertificateError("the certificate was issued for other weights: their hash differs")
    if model.query_offset != model.task.query_offset:
        raise CertificateError(f"queries are embedded {model.query_offset} rows down, the task says otherwise")


def _plain(model: SequenceModel) -> None:
    """CertificateError unless the network is one whose every op is known here."""
    config, wanted = model.config.model_dump(), PLAIN[type(model)]
    if wrong := [f"{key}={config.get(key)}" for key, value in wanted.items() if config.get(key) != value]:
        raise CertificateError(f"certificates are about plain networks of {config['name']}, got {', '.join(wrong)}")


def _envelope(
    model: Transformer,
    certificate: Certificate,
    weights: dict[str, np.ndarray],
    allowed: Collection[str],
    proved: Proved,
) -> Envelope:
    tokens, queries = _inputs(model, certificate)
    config, positions = model.config.model_dump(), _rows(model.state_dict()["positions.table.weight"])
    task = context_task(model.task)
    tables = {"positions.table.weight", *(["embed.weight"] if task.vector_size is None else [])}
    maps = {name: value.astype(np.float64) for name, value in weights.items() if name not in tables}
    network = Network(task, maps, config["layers"], config["heads"], tokens, queries, positions)
    return Envelope(network, parse(certificate.number_format), certificate.order, allowed, proved)


def _inputs(model: SequenceModel, certificate: Certificate) -> tuple[Range, Range]:
    """What context tokens and queries are embedded as; of vector tasks, the vectors themselves."""
    task = model.task
    if task.vector_size is None:
        table, first = model.state_dict()["embed.weight"], task.query_values[0] + task.query_offset
        return _rows(table[: task.alphabet_size]), _rows(table[first : first + task.query_count])
    longest = certificate.quantities.get("norm")
    if not isinstance(longest, float) or not 0 < longest < 2.0**64:
        raise CertificateError(f"the certificate must say how long points may be, norm, got {longest}")
    found = parse(certificate.number_format)
    unit = found.unit if isinstance(found, FloatingPoint) else 0.0  # inputs are rounded, too
    size = np.full(task.vector_size, max(longest, 1.0) * (1 + unit) + found.smallest)
    inputs = Range(-size, size, np.full(task.vector_size, 2.0**-149))
    return inputs, inputs


def _rows(table: Tensor) -> Range:
    """What is known of the rows of a table."""
    ends = [(block.amin(dim=1).double(), block.amax(dim=1).double()) for block in columns(table)]
    low, high = (torch.stack(each) for each in zip(*ends, strict=True))
    return Range(low.amin(dim=0).numpy(), high.amax(dim=0).numpy(), Grid.of(table).unit.numpy())


def _held(number_format: Format, weight: Tensor) -> bool:
    """Whether all of these are numbers of the format; large tables of few values are recognised by their grid."""
    if weight.ndim == 2 and len(weight) > LARGE:
        found = Grid.of(weight)
        if bool(found.bound.isfinite().all()) and found.exact_in(number_format):
            return True
    return bool(weight.isfinite().all()) and number_format.holds(weight)
