"""`make chaos`: kill, damage and resume every command that runs trials; each must come to the bits of undisturbed ones.

Seeded and resumable: what was done stands in FOLDER/points.jsonl, and the same command goes on. A round is one scenario
on a fresh store: it is begun, killed at a random time and begun again, until it ends by itself; every second kill is
followed by damage to a file of the store, in turn of every kind. Then whatever is in the store must equal the
undisturbed run's. The other points: a full disk, a read-only folder, two runs on one store, a report while trials run.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from disturbances import DAMAGES, KILLS, all_gone, files, full_disk, offspring, read_only, said
from scenarios import RESULTS, SCENARIOS, outcome

KILLS_A_ROUND = 12
FORMAT = '{"format": 1}'


class Chaos:
    """The folder of a run: its record, and what each scenario comes to when nothing disturbs it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        folder.mkdir(parents=True, exist_ok=True)
        self.record = folder / "points.jsonl"
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        known = [json.loads(line) for line in lines]
        self.points: list[dict[str, Any]] = [line for line in known if "kind" in line]
        self.rounds = {line["round"] for line in known if "round" in line}
        self.expected: dict[str, dict[str, Any]] = {}
        self.seconds: dict[str, float] = {}

    def point(self, scenario: str, kind: str, **more: Any) -> None:
        """Put a point on record."""
        self.points.append({"scenario": scenario, "kind": kind, **more})
        self._write(self.points[-1])
        print(len(self.points), scenario, kind, *more.values(), flush=True)

    def round(self, name: str, step: Callable[[], None]) -> None:
        """Run a round unless it is on record."""
        if name not in self.rounds:
            step()
            self.rounds.add(name)
            self._write({"round": name})

    def _write(self, line: dict[str, Any]) -> None:
        with self.record.open("a") as record:
            record.write(json.dumps(line) + "\n")

    def store(self, scenario: str, name: str) -> Path:
        """An empty store; for `report` the finished one of a sweep, as it was."""
        store = self.folder / f"{name}-{scenario.replace(' ', '-')}"
        shutil.rmtree(store, ignore_errors=True)
        if scenario == "report":
            shutil.copytree(self.folder / "whole-sweep", store)
        return store

    def whole(self, name: str) -> dict[str, Any]:
        """What a scenario comes to undisturbed, and how long it takes; run once."""
        if name not in self.expected:
            if name == "report":
                self.whole("sweep")
            store, begun = self.store(name, "whole"), time.monotonic()
            process = SCENARIOS[name].start(self.folder, store.name)
            words = said(process)
            assert process.returncode == 0, f"the undisturbed {name} failed:\n{words}"
            self.seconds[name] = time.monotonic() - begun
            self.expected[name] = outcome(store)
        return self.expected[name]

    def settle(self, name: str, store: Path) -> str:
        """Run a scenario to its end, whatever happened: the bits must be the expected ones. Returns what it said."""
        process = SCENARIOS[name].start(self.folder, store.name)
        words = said(process)
        if process.returncode and FORMAT in words and "store.json is damaged" in words:
            (store / "store.json").write_text(FORMAT)  # as the line says: what a store is of, nobody but its user knows
            process = SCENARIOS[name].start(self.folder, store.name)
            words = said(process)
        came, expected = outcome(store), self.whole(name)
        assert process.returncode == 0, f"{name} does not go on:\n{words}"
        assert came == expected, f"{name} came to other bits:\n{came}\ninstead of\n{expected}\n{words}"
        return words

    def kills(self, name: str) -> None:
        """A round of kills and damages."""
        rng = random.Random(f"{self.seed}/{name}/{len(self.points)}")
        self.whole(name)
        store, scenario = self.store(name, "cut"), SCENARIOS[name]
        for number in range(KILLS_A_ROUND):
            process = scenario.start(self.folder, store.name)
            time.sleep(rng.uniform(0.1, 0.9) * self.seconds[name])
            over, workers = process.poll() is not None, offspring(process)
            kind = rng.choice(KILLS[scenario.engine])
            if not over:
                kind(process, rng)
            said(process)
            left = "" if all_gone(workers) else "LEFT WORKERS"
            assert not left or scenario.engine == "ray", f"workers outlived {name} after {kind.__name__}"
            self.point(name, "over" if over else kind.__name__, left=left)
            if over:
                break
            if number % 2:
                self.damage(name, store, rng)
        self.settle(name, store)

    def damage(self, name: str, store: Path, rng: random.Random) -> None:
        """Damage a file of a store; of a report what it made: the trials it reads it cannot make anew."""
        found = files(store / "report" if name == "report" else store)
        if not found:
            return
        path, kind = rng.choice(found), list(DAMAGES)[len(self.points) % len(DAMAGES)]
        path.write_bytes(DAMAGES[kind](path.read_bytes(), rng))
        self.point(name, "damage", how=kind, file=str(path.relative_to(store)))

    def every_damage(self, name: str) -> None:
        """Every kind of damage to every kind of file of a finished store: named, and made good by the same command."""
        rng = random.Random(f"{self.seed}/{name}/damages")
        store, kinds = self.store(name, "damaged"), {}
        self.settle(name, store)
        for path in files(store):
            kinds.setdefault((path.parent.parent.name, path.name if path.parent.parent.name else path.suffix), path)
        for path in kinds.values():
            for how, change in DAMAGES.items():
                if not path.exists():
                    continue
                path.write_bytes(change(path.read_bytes(), rng))
                self.settle(name, store)
                self.point(name, "damage", how=how, file=str(path.relative_to(store)))

    def every_look(self, name: str) -> None:
        """Every kind of damage to every kind of file that a report reads: left out and named, or nothing changes."""
        rng = random.Random(f"{self.seed}/{name}/looks")
        whole = set(self.whole(name)[RESULTS])
        store = self.store(name, "looked-at")
        for path in {path.name: path for path in files(store / "trials")}.values():
            kept, identity = path.read_bytes(), path.parent.name
            for how, change in DAMAGES.items():
                path.write_bytes(change(kept, rng))
                process = SCENARIOS[name].start(self.folder, store.name)
                words, rows = said(process), set(outcome(store, trials=False)[RESULTS])
                assert process.returncode == 0, f"one damaged file hides a store:\n{words}"
                assert rows == whole or ({row[0] for row in whole - rows} == {identity} and rows < whole), rows ^ whole
                page = (store / "report" / "index.html").read_text()
                assert rows == whole or f"{identity}/{path.name} is damaged" in page, f"{path} is left out unnamed"
                self.point(name, "damage", how=how, file=str(path.relative_to(store)), left_out=rows != whole)
            path.write_bytes(kept)

    def disk(self, name: str) -> None:
        """Disks too small by more and more, then the store on a disk that suffices."""
        self.whole(name)
        for kilobytes in (8, 24, 64, 128):
            store = self.store(name, "full")
            kept = store.with_name(f"{store.name}-kept")
            with full_disk(store, kilobytes) as possible:
                if not possible:
                    return self.point(name, "skipped: a full disk needs root")
                words = said(SCENARIOS[name].start(self.folder, store.name))
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(store, kept)
            shutil.rmtree(store)
            kept.rename(store)
            self.settle(name, store)
            self.point(name, "full disk", kilobytes=kilobytes, said=words.strip().splitlines()[-1:])
        return None

    def without_writing(self, name: str) -> None:
        """A store in mid-run on a read-only disk."""
        store = self.store(name, "read-only")
        self.whole(name)
        process = SCENARIOS[name].start(self.folder, store.name)
        time.sleep(0.6 * self.seconds[name])
        process.kill()
        said(process)
        with read_only(store) as possible:
            if not possible:
                return self.point(name, "skipped: a read-only disk needs root")
            words = said(SCENARIOS[name].start(self.folder, store.name))
        self.settle(name, store)
        return self.point(name, "read-only", said=words.strip().splitlines()[-1:])

    def company(self, name: str) -> None:
        """Two runs on one store, and reports of it meanwhile."""
        self.whole(name)
        store = self.store(name, "shared")
        both = [SCENARIOS[name].start(self.folder, store.name) for _ in range(2)]
        looks = 0
        while any(process.poll() is None for process in both):
            if (store / "store.json").exists():
                look = SCENARIOS["report"].start(self.folder, store.name)
                words = said(look)
                assert look.returncode == 0 or "holds no finished trial" in words, f"no report meanwhile:\n{words}"
                looks += look.returncode == 0
            time.sleep(0.5)
        shutil.rmtree(store / "report", ignore_errors=True)  # which the command makes anew if it makes one
        for process in both:
            words = said(process)
            assert process.returncode == 0, f"one of two runs of {name} failed:\n{words}"
        self.settle(name, store)
        self.point(name, "two runs", reports=looks)


def main() -> None:
    """Go on until the points are done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--only", help="a scenario")
    given = parser.parse_args()
    chaos, begun = Chaos(given.folder, given.seed), time.monotonic()
    names = [given.only] if given.only else list(SCENARIOS)
    local = [name for name in names if SCENARIOS[name].engine == "local"]
    rounds: list[tuple[Callable[[str], None], str]] = [(chaos.kills, name) for name in names]
    for special in (chaos.company, chaos.disk, chaos.without_writing):
        rounds += [(special, name) for name in local if name != "report"]
    rounds += [(chaos.every_damage, name) for name in ("reproduce", "card") if name in names]
    rounds += [(chaos.every_look, name) for name in ("report",) if name in names]
    number = 0
    while number < len(rounds) or len(chaos.points) < given.points:
        if time.monotonic() - begun > 60 * given.minutes:
            print("out of time: the same command goes on")
            break
        step, name = rounds[number] if number < len(rounds) else (chaos.kills, names[number % len(names)])
        chaos.round(f"{number} {step.__name__} {name}", partial(step, name))
        number += 1
    for kind, count in sorted(Counter(f"{point['scenario']}: {point['kind']}" for point in chaos.points).items()):
        print(f"{count:5} {kind}")


if __name__ == "__main__":
    main()
