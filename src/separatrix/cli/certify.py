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
    from separatrix.constructions.check import check_file

    verdict = check_file(file)
    proved, certificate = verdict.proved, verdict.certificate
    if json:  # nothing of the file but what was found to hold
        print_json(
            {
                "file": file,
                "statement": verdict.statement,
                "claim": proved.claim,
                "scope": proved.scope,
                "number_format": certificate.number_format,
                "order": proved.order,
                "argument": certificate.argument,
                "verified_margin": verdict.margin,
                "quantities": proved.quantities,
            }
        )
        return
    print(f"verified: {verdict.statement}")
    print(f"by {certificate.argument}, from the weights alone (the file claims a margin of {certificate.margin:.4g})")
