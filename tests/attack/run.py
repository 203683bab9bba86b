"""`make attack`: mutants of every construction in every format; none may be accepted that answers wrongly.

    python tests/attack/run.py [--mutants 700] [--seed 0] [--only equality] [--share 0/1] [--log runs/attack.jsonl]

All instances are attacked in rounds of a hundred mutants each. What is finished is kept in the log, one line each, and
not done again: an interrupted attack goes on, and two processes with --share 0/2 and 1/2 write one log. True
certificates are checked, too: none may be refused.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from attack import genuine, instances, judge
from attack.mutants import Mutator, certificate

from separatrix.constructions import Certificate, Construction
from separatrix.constructions.check import Verdict, check
from separatrix.errors import InputError
from separatrix.models import SequenceModel

ROUND = 100
"""Mutants of one instance at a time: an attack that is cut short has been everywhere."""
PATIENCE = 5.0
"""Seconds a check of a small instance may take: longer, and it has run away."""


@dataclass
class Outcome:
    """What became of the mutants of one instance, and of its own certificate.

    faults: accepted and wrong; crashes: neither accepted nor refused; denied: true certificates refused
    """

    genuine: int = 0
    denied: list[str] = field(default_factory=list)
    mutants: int = 0
    refused: int = 0
    accepted: int = 0
    slow: int = 0
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)


def attack(made: Construction, mutants: int, seed: str) -> Outcome:
    """So many mutants of one construction."""
    outcome, mutator, asked = Outcome(), Mutator(made, seed), instances.inputs(made)
    kinds: Counter[str] = Counter()
    known: dict[tuple[bytes, str, str], float] = {}
    outcome.genuine = 1
    try:
        proper = check(made.model, made.certificate)
    except Exception as error:
        outcome.denied.append(f"{seed}: {error}"[:300])
        return outcome
    if (found := judge.wrong(made.model, made.certificate, asked, 0)) is not None:
        outcome.faults.append(f"as made: {found}")
    for number in range(mutants):
        kind, (model, fields) = mutator.next()
        outcome.mutants += 1
        started, verdict = time.process_time(), None
        try:
            verdict = check(model, told := certificate(fields))
        except InputError:
            outcome.refused += 1
        except Exception as error:
            outcome.crashes.append(f"{number} {kind}: {type(error).__name__}: {error}"[:300])
        spent = time.process_time() - started
        outcome.slowest, outcome.slow = max(outcome.slowest, spent), outcome.slow + (spent > PATIENCE)
        if verdict is None:
            continue
        outcome.accepted += 1
        kinds[kind] += 1
        seen = (_bits(model), told.number_format, told.order)
        if known.get(seen, 0.0) >= verdict.margin:  # the same weights and claims were asked already
            continue
        known[seen] = verdict.margin
        if (fault := _fault(made, model, told, verdict, proper, asked, number)) is not None:
            outcome.faults.append(f"{number} {kind}: {fault}"[:300])
    outcome.kinds = dict(kinds)
    return outcome


def _bits(model: SequenceModel) -> bytes:
    """A digest of weights that are equal: 0 and -0 are."""
    digest = hashlib.sha256(repr([each.shape for each in model.state_dict().values()]).encode())
    for each in model.state_dict().values():
        digest.update((each + 0.0).numpy().tobytes())
    return digest.digest()


def _fault(
    made: Construction,
    model: Any,
    told: Certificate,
    verdict: Verdict,
    proper: Verdict,
    asked: list[instances.Asked],
    seed: int,
) -> str | None:
    """What is wrong with an accepted mutant: its answers, or what is printed of it."""
    if verdict.proved.claim != proper.proved.claim or verdict.proved.scope != proper.proved.scope:
        return f"claims {verdict.proved.claim!r}"
    if told.order == "any" and verdict.proved.order != "any":
        return f"sums in any order where {verdict.proved.order} was proved"
    stronger = told.replace(margin=verdict.margin, order=verdict.proved.order)  # what is printed
    if told.order != verdict.proved.order and judge.wrong(model, told, asked, seed) is not None:
        return "wrong in the order the certificate says"
    return judge.wrong(model, stronger, asked, seed)


def main() -> None:
    """Attack everything, and say what came of it; exit status 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=700, help="of every instance and format")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--only", default="")
    parser.add_argument("--share", default="0/1", help="which of how many equal parts: 0/2 and 1/2 are everything")
    parser.add_argument("--log", type=Path, default=Path("runs/attack.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.log.parent.mkdir(parents=True, exist_ok=True)
    part, parts = map(int, options.share.split("/"))
    done = {line["key"] for line in _lines(options.log)}
    for number, (key, attacked) in enumerate(_all(options.mutants, options.seed)):
        if number % parts != part or key in done or not key.startswith(options.only):
            continue
        started = time.process_time()
        if (outcome := attacked()) is None:
            continue
        line = {"key": key, **vars(outcome), "seconds": time.process_time() - started}
        with options.log.open("a") as log:
            log.write(json.dumps(line) + "\n")
        print(f"{key}: {outcome.accepted} accepted, {len(outcome.faults)} wrong, {line['seconds']:.0f} s", flush=True)
        for problem in (*outcome.denied[:3], *outcome.faults[:3], *outcome.crashes[:3]):
            print(f"   {problem}", flush=True)
    sys.exit(_summary([line for line in _lines(options.log) if line["key"].endswith(f" {options.seed}")]))


def _all(mutants: int, seed: str) -> Iterator[tuple[str, Callable[[], Outcome | None]]]:
    """Everything there is to do, by name: instances in every format, and certificates that are true."""
    for number_format in genuine.FORMATS:
        yield f"true certificates {number_format} {seed}", partial(_upheld, number_format)
    for start in range(0, mutants, ROUND):
        for name, parameters in instances.INSTANCES:
            for number_format in instances.FORMATS:
                key = f"{name} {json.dumps(parameters)} {number_format} from {start} {seed}"
                yield key, partial(_attacked, name, parameters, number_format, min(ROUND, mutants - start), key)


def _attacked(name: str, parameters: dict[str, Any], number_format: str, mutants: int, key: str) -> Outcome | None:
    made = instances.built(name, parameters, number_format)
    return None if made is None else attack(made, mutants, key)


def _upheld(number_format: str) -> Outcome:
    """True certificates of one format."""
    count, slowest, denied = genuine.upheld(number_format)
    return Outcome(genuine=count, denied=denied, slowest=slowest)


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _summary(lines: list[dict[str, Any]]) -> bool:
    """Prints what came of everything; whether anything was wrong."""
    total = {name: sum(line[name] for line in lines) for name in ("genuine", "mutants", "refused", "accepted", "slow")}
    wrong, crashed, denied = (sum(len(line[name]) for line in lines) for name in ("faults", "crashes", "denied"))
    attacked = [line for line in lines if line["mutants"]]
    places = len({line["key"].rpartition(" from ")[0] for line in attacked})
    print(
        f"{total['mutants']:,} mutants of {places} instances: {total['refused']:,} refused, "
        f"{total['accepted']:,} accepted, {wrong} of these wrong; {crashed} checks crashed, {total['slow']} took more "
        f"than {PATIENCE:g} s, the slowest {max((line['slowest'] for line in attacked), default=0):.2f} s; "
        f"{total['genuine'] - len(attacked) + places:,} true certificates, {denied} refused; "
        f"{sum(line['seconds'] for line in lines):,.0f} s"
    )
    return bool(wrong or crashed or denied or total["slow"])


if __name__ == "__main__":
    main()
