"""`separatrix certify`: verify a saved construction against its own weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from separatrix.cli.output import Json, print_json


def certify(
    file: Annotated[Path, typer.Argument(help="a .safetensors file that `separatrix construct --save` wrote")],
    json: Json = False,
) -> None:
    """Verify a certificate from scratch: the weights are read, the argument is made again, changed files are refused.

    Example: separatrix certify weights.safetensors
    """
    from separatrix.constructions import load
    from separatrix.constructions.check import check

    built = load(file)
    verdict, certificate = check(built.model, built.certificate), built.certificate
    if json:
        print_json(
            {"file": file, "verified_margin": verdict.margin, "certificate": certificate.model_dump(mode="json")}
        )
        return
    print(f"verified: {certificate.claim}")
    print(
        f"by {certificate.argument}, in {certificate.number_format}, sums in {certificate.order} order; "
        f"margin {verdict.margin:.4g} (claimed {certificate.margin:.4g})"
    )
