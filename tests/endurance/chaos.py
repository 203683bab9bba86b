"""Kill, damage and resume a sweep again and again: `make chaos`. Trials must end with the bits of undisturbed ones.

Each point kills the whole process, or one of its workers, after a random time, then (every third time) damages a random
file of a random trial. Seeded; the kill points that are done are kept beside the store, and the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

SWEEP = """
[base]
task = { name = "index-lookup", length = 12, alphabet = 8 }
model = { name = "lstm", width = 8 }
[base.training]
steps = 4000
warmup = 5
batch_size = 8
validate_every = 10
validation_contexts = 16
test_contexts = 32
[grid]
seed = SEEDS
"""


def sweep(folder: Path, name: str, seeds: list[int]) -> subprocess.Popen:
    """Start a sweep over some seeds."""
    (folder / f"{name}.toml").write_text(SWEEP.replace("SEEDS", str(seeds)))
    code = "from separatrix.cli.main import main; main()"
    command = [sys.executable, "-c", code, "sweep", f"{name}.toml", "--workers", "1", "--output", name, "--json"]
    settings = {**os.environ, "SEPARATRIX_CHECKPOINT_SECONDS": "0"}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, env=settings, stdout=quiet, stderr=subprocess.PIPE, text=True)


def fingerprints(folder: Path) -> dict[str, str]:
    """What every finished trial came to."""
    return {
        path.parent.name: json.loads(path.read_text())["fingerprint"] for path in folder.glob("trials/*/result.json")
    }


def disturb(process: subprocess.Popen, rng: random.Random) -> str:
    """Kill a sweep, politely or not, or one of its workers; returns what was done."""
    kind = rng.choice(["kill", "kill", "worker", "term"])
    workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    if kind == "worker" and workers:
        psutil.Process(rng.choice(workers).pid).kill()
        time.sleep(rng.uniform(0, 1))
        process.kill()
    else:
        process.send_signal(signal.SIGTERM if kind == "term" else signal.SIGKILL)
    said = process.communicate(timeout=120)[1]
    if "Traceback" in said:
        raise SystemExit(f"a traceback after {kind}:\n{said}")
    deadline = time.monotonic() + 10
    while any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers):
        if time.monotonic() > deadline:
            raise SystemExit(f"workers outlived their parent after {kind}")
        time.sleep(0.05)
    return kind


def damage(folder: Path, rng: random.Random) -> str:
    """Damage a file of a trial."""
    files = sorted(path for path in folder.glob("trials/*/*") if path.is_file() and path.name != "lock")
    if not files:
        return "nothing"
    path, data = rng.choice(files), b""
    data = path.read_bytes()
    at = rng.randrange(max(1, len(data)))
    kinds = {
        "cut off": data[:at],
        "a bit": data[:at] + bytes([(data or b"\0")[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :] if data else b"\1",
        "null": b"null",
        "binary": rng.randbytes(99),
    }
    kind = rng.choice(sorted(kinds))
    path.write_bytes(kinds[kind])
    return f"{kind}: {path.name}"


def main() -> None:
    """Run it; ends with 1 when a trial came to other bits."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    record = given.folder / "points.json"
    done = json.loads(record.read_text()) if record.exists() else []
    begun, seeds = time.monotonic(), [0, 1]
    if sweep(given.folder, "whole", seeds).wait():
        raise SystemExit("the undisturbed sweep failed")
    while len(done) < given.points and time.monotonic() - begun < 60 * given.minutes:
        rng = random.Random(f"{given.seed}/{len(done)}")
        process = sweep(given.folder, "cut", seeds)
        time.sleep(rng.uniform(3, 14))
        entry = [disturb(process, rng), damage(given.folder / "cut", rng) if len(done) % 3 == 2 else ""]
        done.append(entry)
        record.write_text(json.dumps(done))
        print(len(done), *entry, flush=True)
    process = sweep(given.folder, "cut", seeds)
    said = process.communicate()[1]
    same = fingerprints(given.folder / "cut") == fingerprints(given.folder / "whole")
    print(f"{len(done)} points, seed {given.seed}: {'the same bits' if same else 'OTHER BITS'}\n{said}")
    raise SystemExit(not same)


if __name__ == "__main__":
    main()
