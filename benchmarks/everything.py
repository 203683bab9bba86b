"""Every benchmark in turn: what each prints, and the whole training step as one table.

    python benchmarks/everything.py [--quick] [--folder build/benchmarks]

Writes benchmarks.json (each script's output, as JSON where it gives JSON) after each script and benchmarks.md at the
end, and goes on where it was stopped: delete the folder to measure anew. Large stores, long trials and a million inputs
a construction are asked at a hundredth of their size here; their own commands ask all of it.
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
OTHERS = ("everything", "training_limit", "training_peers", "training_step", "training_worker")
SMALLER = {
    "load": ["--trials", "1000", "--steps", "100"],
    "constructions_recurrent": ["--count", "10000"],
}


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
    steps, kept = arguments.folder / "training_step.json", arguments.folder / "benchmarks.json"
    results: dict[str, Any] = {"kernels": ops.backend(), "torch": torch.__version__, "machine": platform.platform()}
    results |= json.loads(kept.read_text()) if kept.exists() else {}
    scripts = [] if arguments.quick else [path for path in sorted(HERE.glob("*.py")) if path.stem not in OTHERS]
    for script in scripts:
        if "failed" not in results.get(script.stem, {"failed": "not run yet"}):
            continue
        print(script.stem, flush=True)
        extra = ["--json"] if script.stem in AS_JSON else SMALLER.get(script.stem, [])
        results[script.stem] = run(script, extra)
        write_whole(str(kept), json.dumps(results, indent=2).encode())
    print("training_step", flush=True)  # which goes on from its own rows
    extra = ["--peers", "--memory", "--json", str(steps), *(["--quick"] if arguments.quick else [])]
    results["printed by training_step"] = run(HERE / "training_step.py", extra)
    rows = json.loads(steps.read_text())["rows"] if steps.exists() else []
    write_whole(str(kept), json.dumps({**results, "training step": rows}, indent=2).encode())
    write_whole(str(arguments.folder / "benchmarks.md"), f"# The training step\n\n{table(rows)}\n".encode())


if __name__ == "__main__":
    main()
