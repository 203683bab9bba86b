"""Certificates: what is proved of a construction's weights, by which argument, in which number format, how narrowly.

A certificate is a JSON record that travels in the header of the weights' file. `separatrix.constructions.check`
verifies it against the weights from scratch, without the code that made them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.notebook import brief, facts

Scope = Literal["lengths up to N", "length N", "all lengths", "inputs of a margin", "all inputs but a share"]
"""For which inputs the claim is proved. Always every input of the scope, never a sample of them."""


NOTE = "certificate"
"""Name of the certificate among the notes of a model file."""


class CertificateError(InputError):
    """A certificate that the weights do not bear out, or a guarantee that was asked for and cannot be given.

    >>> try:
    ...     sx.constructions.create("index-lookup", length=2**20, alphabet=64, format="fixed(4)")
    ... except sx.constructions.CertificateError:
    ...     print("four bits do not carry this guarantee")
    ...
    four bits do not carry this guarantee
    """


class Certificate(Config):
    """What is proved of a model, as JSON.

    >>> certificate = sx.constructions.create("index-lookup", length=100, alphabet=64).certificate
    >>> certificate.scope, certificate.argument, certificate.number_format
    ('lengths up to N', 'attention lookup', 'fp32')
    """

    version: Literal[1] = 1
    construction: str = Field(description="name in the registry of constructions")
    claim: str = Field(description="what is proved, as a sentence")
    scope: Scope
    argument: str = Field(description="the argument that proves it: which checker verifies it")
    number_format: str = Field("real", description="format every weight and every intermediate result is rounded to")
    order: Literal["any", "sequential", "pairwise"] = Field(
        "any", description="order of the sums the claim holds for; any includes fused multiply-adds"
    )
    margin: float = Field(gt=0, description="what is left between the worst input and a wrong answer; see `quantities`")
    quantities: dict[str, float | int | str] = Field({}, description="numbers of the argument by name, e.g. leak, beta")
    parameters: dict[str, Any] = Field({}, description="options of the construction")
    task: dict[str, Any] = Field(description="configuration of the task")
    model: dict[str, Any] = Field(description="configuration of the model")
    weights_sha256: str | None = Field(None, description="hash of the weights it was issued for, set when saved")

    def _repr_html_(self) -> str:
        """What a notebook shows: the claim, and what it rests on."""
        said = {
            "certified": self.claim,
            "for": self.scope,
            "by": self.argument,
            "number format": self.number_format,
            "margin": brief(self.margin),
            **{name: brief(value) for name, value in self.quantities.items()},
        }
        return facts(f"certificate: {self.construction}", said)
