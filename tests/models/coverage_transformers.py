"""Every causal language model type that Transformers can build: audited, or refused in one line; never a traceback.

    python tests/models/coverage_transformers.py [--only llama] [--log runs/transformers.jsonl] [--page docs/audits.md]

Each type is brought to width 64, as its bare name would be, or else taken at its own sizes. What is finished is kept in
the log and not done again; the page lists it. Exit status 1 where anything but an InputError of one line was raised.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from separatrix import InputError
from separatrix.models.huggingface.audit import audit_configuration
from separatrix.models.huggingface.bare import bare, fewest_layers
from separatrix.models.huggingface.configuration import configuration, plain_settings

WIDTH, LENGTH = 64, 40


def names() -> list[str]:
    """The types of AutoModelForCausalLM."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def outcome(kind: str) -> dict[str, str]:
    """What became of one type: `measured`, with its growth and bits; `refused`, with the reason; or `crashed`.

    Small sizes first; where these do not fit together, the type's own.
    """
    try:
        try:
            return _measured(small(kind))
        except InputError:
            return _measured({"model_type": kind, "dtype": "float32"})
    except InputError as error:
        return {"crashed" if "\n" in str(error) else "refused": str(error)}
    except Exception as error:
        return {"crashed": f"{type(error).__name__}: {error}"}


def small(kind: str) -> dict[str, Any]:
    """The settings of a type at WIDTH, as its bare name has them."""
    defaults = plain_settings(configuration({"model_type": kind}))
    sizes = bare(defaults, WIDTH, fewest_layers(defaults, 2), None)
    return {**defaults, **sizes, "vocab_size": 64, "dtype": "float32"}


def _measured(settings: dict[str, Any]) -> dict[str, str]:
    size = audit_configuration(settings, LENGTH).size
    return {"measured": f"{size.growth}, {size.bits(LENGTH):,} bits at {LENGTH} tokens"}


PAGE = """# Audits of Transformers' types

Every causal language model type of Transformers {version}, audited with its default settings brought to width {width},
or at its own sizes where these do not fit together: {measured} of {all} are measured, {refused} refused in one line. A
type that is refused with its defaults may well be audited with the settings of a real `config.json`. How audits
measure, and what they check, is told [with the models](models.md#audits). The list is written by
`python tests/models/coverage_transformers.py`.

## Measured

What is handed over grows without bound (*linear*), up to a window (*windowed*), or not at all (*constant*), in layers
of any kind together; the window of a type's defaults may be another than that of a configuration of yours.

{growths}

## Refused

| type | why |
|---|---|
{reasons}
"""


def page(lines: list[dict[str, Any]], version: str) -> str:
    """The manual's page of what became of each type."""
    growths: dict[str, list[str]] = {}
    for line in lines:
        if "measured" in line:
            growths.setdefault(line["measured"].split(",")[0], []).append(f"`{line['kind']}`")
    refused = {line["kind"]: line["refused"] for line in lines if "refused" in line}
    reasons = (
        f"| `{kind}` | {why.removeprefix(kind + ': ').replace('|', chr(92) + '|')} |" for kind, why in refused.items()
    )
    return PAGE.format(
        version=version,
        width=WIDTH,
        all=len(lines),
        measured=sum(map(len, growths.values())),
        refused=len(refused),
        growths="\n\n".join(
            f"*{growth.capitalize()}* ({len(kinds)}): {', '.join(kinds)}." for growth, kinds in growths.items()
        ),
        reasons="\n".join(reasons),
    )


def main() -> None:
    """All types, one line each, and how many of each kind."""
    import transformers

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--log", type=Path, default=Path("runs/transformers.jsonl"))
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    options.log.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in options.log.read_text().splitlines()] if options.log.exists() else []
    done = {line["kind"]: line for line in lines}
    for kind in names():
        if kind in done or not kind.startswith(options.only):
            continue
        started = time.process_time()
        done[kind] = {"kind": kind, **outcome(kind), "seconds": round(time.process_time() - started, 1)}
        with options.log.open("a") as log:
            log.write(json.dumps(done[kind]) + "\n")
        print(f"{kind}: " + "; ".join(f"{k} {v}" for k, v in done[kind].items() if k != "kind")[:260], flush=True)
    if options.page:
        options.page.write_text(page([done[kind] for kind in sorted(done)], transformers.__version__))
    counts = {name: sum(name in line for line in done.values()) for name in ("measured", "refused", "crashed")}
    print(f"Transformers {transformers.__version__}, {len(done)} types: {counts}")
    sys.exit(bool(counts["crashed"]))


if __name__ == "__main__":
    main()
