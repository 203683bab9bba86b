"""A whole training step: its parts, its arithmetic limit, an older checkout and the peers beside it, in one run.

    python benchmarks/training_step.py [--quick] [--models mamba lstm] [--widths 64] [--lengths 100]
        [--against CHECKOUT] [--peers] [--memory] [--json FILE]

Index lookup with as many queries as tokens, batch 32, float32, one thread, forward, backward and optimiser. Every side
runs in a process of its own with the memory settings of the project's workers, and the sides take turns, so that all
meet the same disturbances; what is counted is the processor's time, the shortest of several steps. CHECKOUT is another
copy of this repository with its own .venv.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

from training_peers import INSTEAD

from separatrix import models, ops
from separatrix.atomic import write_whole

HERE = Path(__file__).resolve().parent
BATCH, ROUNDS = 32, 6


class Side:
    """A worker process: this checkout's, or an older one's."""

    def __init__(self, checkout: Path | None = None) -> None:
        from separatrix.experiments.engines.process import settled

        python = sys.executable if checkout is None else str(checkout / ".venv" / "bin" / "python")
        self.process = subprocess.Popen(
            [python, str(HERE / "training_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **settled()},
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended at {request}")
        return json.loads(answer)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def shortest(steps: list[dict[str, float]]) -> dict[str, float]:
    """The parts of the shortest step, in milliseconds, and their sum."""
    best = min(steps, key=lambda parts: sum(parts.values()))
    return {**{part: 1e3 * seconds for part, seconds in best.items()}, "whole": 1e3 * sum(best.values())}


def measure(case: dict[str, Any], against: Path | None, peers: bool, memory: bool) -> dict[str, Any]:
    """One row of the table."""
    sides = {"ours": Side()}
    if against is not None:
        sides["before"] = Side(against)
    for side in sides.values():
        side.ask(case=case)
    steps: dict[str, list] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            steps[name] += side.ask(steps=3)
    row: dict[str, Any] = {**case, "parts ms": shortest(steps["ours"])}
    row["limit"] = {name: value if "/s" in name else 1e3 * value for name, value in sides["ours"].ask(limit=1).items()}
    row["fraction of limit"] = row["limit"]["total"] / row["parts ms"]["whole"]
    if against is not None:
        row["before ms"] = shortest(steps["before"])["whole"]
        row["times faster"] = row["before ms"] / row["parts ms"]["whole"]
    if memory:
        row["peak bytes"] = sides["ours"].ask(memory=1)
    for side in sides.values():
        side.close()
    if peers:
        row["peers"] = {name: beside(name, case, row) for name in INSTEAD.get(case["model"], ())}
    return row


def beside(peer: str, case: dict[str, Any], row: dict[str, Any]) -> dict[str, float] | str:
    """A peer's step on the same batches."""
    side = Side()
    try:
        side.ask(case={**case, "model": f"peer {peer}"})
        theirs = shortest(side.ask(steps=2 if "Mamba" in peer or peer == "mambapy" else 6))["whole"]
    except RuntimeError:
        return "not installed"
    finally:
        side.close()
    return {"ms": theirs, "times slower": theirs / row["parts ms"]["whole"]}


def line(row: dict[str, Any]) -> str:
    """A row for people."""
    parts = ", ".join(f"{name} {ms:.1f}" for name, ms in row["parts ms"].items() if name != "whole")
    text = f"{row['model']:15} D {row['width']:4} N {row['length']:4}: {row['parts ms']['whole']:7.1f} ms ({parts})"
    text += f"; limit {row['limit']['total']:.1f}, fraction {row['fraction of limit']:.2f}"
    if "times faster" in row:
        text += f"; before {row['before ms']:.1f}, {row['times faster']:.2f} times faster"
    for name, peer in row.get("peers", {}).items():
        text += f"; {name} " + (peer if isinstance(peer, str) else f"{peer['times slower']:.1f} times slower")
    if "peak bytes" in row:
        step, prefill = (row["peak bytes"][name] / 2**20 for name in ("step", "prefill"))
        text += f"; peak {step:.0f} MiB, of the prefill {prefill:.0f}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="width 64 and length 100 alone")
    parser.add_argument("--models", nargs="+", default=models.names())
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--lengths", type=int, nargs="+", default=[20, 100, 400])
    parser.add_argument("--against", type=Path, help="an older checkout with its own .venv")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--json", type=Path, help="file to write after every row; rows it has are not measured anew")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.widths, arguments.lengths = [64], [100]
    file: Path | None = arguments.json
    rows = json.loads(file.read_text())["rows"] if file and file.exists() else []
    known = {(row["model"], row["width"], row["length"]) for row in rows}
    for width, length, model in product(arguments.widths, arguments.lengths, arguments.models):
        if (model, width, length) in known:
            continue
        case = {"model": model, "width": width, "length": length, "batch": BATCH}
        rows.append(measure(case, arguments.against, arguments.peers, arguments.memory))
        print(line(rows[-1]), flush=True)
        if file:
            write_whole(str(file), json.dumps({"kernels": ops.backend(), "rows": rows}, indent=2).encode())


if __name__ == "__main__":
    main()
