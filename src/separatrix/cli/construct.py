"""`separatrix construct`: a theorem as weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from separatrix.cli import names
from separatrix.cli.output import Json, print_json, print_table


def construct(
    context: typer.Context,
    name: names.Construction,
    certify: Annotated[bool, typer.Option("--certify", help="Verify the certificate against the weights.")] = False,
    save: Annotated[Path | None, typer.Option(help="write weights and certificate to this .safetensors file")] = None,
    json: Json = False,
) -> None:
    """Build the model of a theorem and issue its certificate. Fields of the task and the construction are options.

    Without --save and --certify no weights are made, so that lengths up to 2^60 take milliseconds.

    Example: separatrix construct index-lookup --length 1048576 --alphabet 64 --format bf16 --certify
    """
    from separatrix import constructions
    from separatrix.cli.options import assign
    from separatrix.constructions.check import check
    from separatrix.tasks import family

    found = constructions.theorem(name)
    given = assign(context, {"construction": found.options, "task": family(found.task)})
    built = constructions.create(name, **given["task"], **given["construction"])
    verdict = check(built.model, built.certificate) if certify else None
    margin = verdict.margin if verdict else None
    path = built.save(save) if save else None
    if json:
        print_json(
            {
                "width": built.width,
                "certificate": built.certificate.model_dump(mode="json"),
                "verified_margin": margin,
                "saved": path,
            }
        )
        return
    certificate = built.certificate
    statement, source = found.stated(certificate.parameters)
    rows: list[list[Any]] = [
        ["theorem", f"{statement} ({source})"],
        ["network", built.config.name],
        ["width", built.width],
        ["layers", built.config.layers],
        ["claim", certificate.claim],
        ["proved in", f"{certificate.number_format}, sums in {certificate.order} order, by {certificate.argument}"],
        *[[name, value] for name, value in certificate.quantities.items() if name not in ("width", "layers")],
        ["margin", certificate.margin],
        ["verified", "not asked for (--certify)" if verdict is None else f"from the weights: {verdict.statement}"],
        ["saved", f"{path} ({path.stat().st_size / 1e6:,.1f} MB)" if path else "not asked for (--save)"],
    ]
    print_table(f"{name}: {built.task.name}, length {built.task.length:,}", ["", ""], rows)
