"""Every benchmark in turn: what each prints, and the whole training step as one table.

    python benchmarks/everything.py [--quick] [--folder build/benchmarks]

Writes benchmarks.json (each script's output, as JSON where it gives JSON) and benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from separatrix import ops
from separatrix.atomic import write_whole

HERE = Path(__file__).resolve().parent
AS_JSON = ("models_recurrent", "models_scan", "ops_chunks")
HELPERS = ("everything", "training_limit", "training_peers", "training_worker")


def run(script: Path, extra: list[str]) -> Any:
    """What a benchmark prints, or what went wrong."""
    done = subprocess.run([sys.executable, str(script), *extra], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        return {"output": done.stdout}


def table(rows: list[dict[str, Any]]) -> str:
    """The whole step as Markdown."""
    lines = [
        "| model | width | N | whole step, ms | limit, ms | fraction | peers, times slower |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        peers = ", ".join(
            f"{name} {peer if isinstance(peer, str) else format(peer['times slower'], '.1f')}"
            for name, peer in row.get("peers", {}).items()
        )
        whole, limit = row["parts ms"]["whole"], row["limit"]["total"]
        numbers = f"{whole:.1f} | {limit:.1f} | {row['fraction of limit']:.2f}"
        lines.append(f"| {row['model']} | {row['width']} | {row['length']} | {numbers} | {peers} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the training step at one size, and nothing else")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"))
    arguments = parser.parse_args()
    steps = arguments.folder / "training_step.json"
    results: dict[str, Any] = {"kernels": ops.backend(), "torch": torch.__version__, "machine": platform.platform()}
    results["printed by training_step"] = run(
        HERE / "training_step.py",
        ["--peers", "--memory", "--json", str(steps), *(["--quick"] if arguments.quick else [])],
    )
    rows = json.loads(steps.read_text())["rows"] if steps.exists() else []
    for script in sorted(HERE.glob("*.py")):
        if arguments.quick or script.stem in ("training_step", *HELPERS):
            continue
        print(script.stem, flush=True)
        results[script.stem] = run(script, ["--json"] if script.stem in AS_JSON else [])
    write_whole(arguments.folder / "benchmarks.json", json.dumps({**results, "training step": rows}, indent=2).encode())
    write_whole(arguments.folder / "benchmarks.md", f"# The training step\n\n{table(rows)}\n".encode())


if __name__ == "__main__":
    main()
