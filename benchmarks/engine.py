"""What running trials costs beside training them: engine overhead, listing results, memory, packing.

Processor seconds throughout, except where waiting for the disk is meant, so that other work on the machine matters
little; ratios are of alternating runs.
Run: python benchmarks/engine.py [overhead] [listing] [memory] [packing] [--json]
"""

from __future__ import annotations

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

MINUTE = 60.0
SHAPES = [("transformer", 64, 100), ("transformer", 64, 400), ("lstm", 64, 100), ("lstm", 64, 400), ("mamba", 64, 100),
          ("dss", 64, 100), ("elman", 64, 20), ("transformer", 8, 20)]  # fmt: skip
PACKED = [(name, width, length) for length in (20, 100) for width in (8, 16, 64)
          for name in ("transformer", "linear-rnn", "dss", "retnet", "lstm")]  # fmt: skip


def trial(name: str = "transformer", width: int = 64, length: int = 100, seed: int = 0, **training):
    from separatrix.experiments.trial.config import TrialConfig

    return TrialConfig(
        task={"name": "index-lookup", "length": length, "alphabet": 64},
        model={"name": name, "width": width},
        training={"batch_size": 32, "queries": 32, **training},
        seed=seed,
    )


def cpu(who: int) -> float:
    """Processor seconds of this process or its ended children."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def median(action: Callable[[], object], repeats: int, clock: Callable[[], float] = time.process_time) -> float:
    """Median seconds of a few repeats."""
    seconds = []
    for _ in range(repeats):
        begun = clock()
        action()
        seconds.append(clock() - begun)
    return statistics.median(seconds)


ALONE = """
import json, sys, time, torch
sys.path.insert(0, sys.argv[1])
from engine import trial
from separatrix.experiments.trial.trainer import Trainer
torch.set_num_threads(1)
config = trial(**json.loads(sys.argv[2]))
begun = time.process_time()
trainer = Trainer(config)
list(trainer.run())
trainer.test()
print(time.process_time() - begun)
"""


def overhead() -> dict[str, float]:
    """Engine and store, as a share of one-minute trials, from parts that are measured apart.

    A worker's start is shared by its trials; a trial of a minute writes a checkpoint every five seconds and a word at
    each validation, both with the time the disk takes. As a check, short trials are run by the engine and alone: the
    difference holds whatever was forgotten, and the noise of the training itself.
    """
    import torch

    from separatrix.experiments.engines.local import LocalEngine
    from separatrix.experiments.engines.process import settled
    from separatrix.experiments.store.folder import Store
    from separatrix.experiments.trial.trainer import Trainer

    torch.set_num_threads(1)
    short = {"steps": 400}
    trials = [trial(seed=seed, **short) for seed in range(8)]

    def trained_alone() -> float:
        arguments = [os.path.dirname(__file__), json.dumps(short)]
        done = subprocess.run([sys.executable, "-c", ALONE, *arguments], env={**os.environ, **settled()},
                              check=True, capture_output=True, text=True)  # fmt: skip
        return float(done.stdout)

    alone = [trained_alone()]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        children, parent = cpu(resource.RUSAGE_CHILDREN), cpu(resource.RUSAGE_SELF)
        LocalEngine(workers=2).run(store, trials)
        total = cpu(resource.RUSAGE_CHILDREN) - children + cpu(resource.RUSAGE_SELF) - parent
        alone += [trained_alone(), trained_alone()]
        trainer = Trainer(trials[0])
        trainer.train_to(2)
        checkpoint = trainer.checkpoint()
        write = median(lambda: store.write("checkpoint", checkpoint), 20, time.perf_counter)
        word = median(lambda: store.write("progress", b"0" * 200, durable=False), 50, time.perf_counter)
        before = cpu(resource.RUSAGE_CHILDREN)
        code = "import polars, separatrix.experiments.engines.run_trial"
        subprocess.run([sys.executable, "-c", code], env={**os.environ, **settled()}, check=True)
        start = cpu(resource.RUSAGE_CHILDREN) - before
    training = statistics.median(alone)
    extra = total / len(trials) - training
    validations = MINUTE / training * short["steps"] / trainer.training.validate_every
    growing = MINUTE / 5 * (write + median(trainer.checkpoint, 20)) + validations * word
    return {
        "training, validation and test of a short trial (s)": training,
        "a worker's start (s)": start,
        "checkpoints and words of a one-minute trial (s)": growing,
        "overhead of 8 one-minute trials on 2 workers (%)": 100 * (start * 2 / len(trials) + growing) / MINUTE,
        "check: by the engine less alone, for each short trial (s)": extra,
    }


def listing() -> dict[str, float]:
    """`separatrix.results` of ten thousand finished trials of index lookup, in a new process, imports and all."""
    from separatrix.experiments.store.folder import Store
    from separatrix.experiments.trial.environment import environment
    from separatrix.experiments.trial.result import Measurement, Result

    rng, about = random.Random(0), environment()
    code = "import sys, separatrix; assert separatrix.results(sys.argv[1]).height == 10_000"
    with tempfile.TemporaryDirectory() as folder:
        store, bytes_written = Store(folder), 0
        for seed in range(10_000):
            config = trial(rng.choice(["transformer", "lstm"]), 64, (20, 50, 75, 100, 200, 400)[seed % 6], seed)
            groups = {name: rng.random() for name in config.task.groups}
            measured = Measurement(accuracy=rng.random(), loss_bits=rng.random(), answers=32 * 1024,
                                   accuracy_by_group=groups, loss_bits_by_group=groups)  # fmt: skip
            result = Result(identity=config.identity(), config=config.model_dump(mode="json"), status="finished",
                            test=measured, environment=about)  # fmt: skip
            record = json.dumps(result.model_dump(mode="json") | {"fingerprint": result.fingerprint}, indent=1).encode()
            store.write(f"trials/{result.identity}/result.json", record, durable=False)
            bytes_written += len(record)

        def list_them() -> None:
            subprocess.run([sys.executable, "-c", code, folder], check=True)

        list_them()
        wall = median(list_them, 3, time.perf_counter)
        processor = median(list_them, 3, lambda: cpu(resource.RUSAGE_CHILDREN))
    return {
        "10,000 results listed, wall (s)": wall,
        "10,000 results listed, processor (s)": processor,
        "bytes of a result": bytes_written / 10_000,
    }


STEPS = """
import sys, time, torch
sys.path.insert(0, sys.argv[1])
from engine import trial
from separatrix.experiments.trial.trainer import Trainer
torch.set_num_threads(1)
trainer = Trainer(trial(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
trainer.train_to(10)
count, seconds = int(sys.argv[5]), []
for _ in range(5):
    begun = time.process_time()
    trainer.train_to(trainer.progress.step + count)
    seconds.append((time.process_time() - begun) / count)
print(sorted(seconds)[2])
"""


def memory() -> dict[str, float]:
    """Steps per second of a worker's environment (memory is kept between steps) against the plain one."""
    from separatrix.experiments.engines.process import ONE_THREAD, settled

    rows = {}
    for name, width, length in SHAPES:
        count = max(10, 60_000 // (width * length))
        arguments = [os.path.dirname(__file__), name, str(width), str(length), str(count)]
        seconds: dict[str, list[float]] = {"plain": [], "settled": []}
        for _ in range(3):
            for kind, variables in (("plain", ONE_THREAD), ("settled", settled())):
                done = subprocess.run([sys.executable, "-c", STEPS, *arguments], env={**os.environ, **variables},
                                      check=True, capture_output=True, text=True)  # fmt: skip
                seconds[kind].append(float(done.stdout))
        plain, kept = (statistics.median(seconds[kind]) for kind in ("plain", "settled"))
        rows[f"{name}-{width} N={length}: plain (ms a step)"] = 1000 * plain
        rows[f"{name}-{width} N={length}: settled (ms a step)"] = 1000 * kept
        rows[f"{name}-{width} N={length}: trials per hour, after / before"] = plain / kept
    return rows


def packing(members: int = 8) -> dict[str, float]:
    """Forward and backward of `members` trials as one batched computation (vmap), against one after the other."""
    import torch
    import torch.nn.functional as F
    from torch.func import functional_call, stack_module_state, vmap

    from separatrix.experiments.trial.trainer import Trainer

    torch.set_num_threads(1)
    rows = {}
    for name, width, length in PACKED:
        trainers = [Trainer(trial(name, width, length, seed)) for seed in range(members)]
        batches = [trainer._batch(0) for trainer in trainers]
        stacked = [torch.stack([getattr(b, field) for b in batches]) for field in ("context", "queries", "targets")]
        weights, buffers = stack_module_state([trainer.model for trainer in trainers])
        base = trainers[0].model

        def loss(weights, buffers, context, queries, targets, base=base):
            logits = functional_call(base, (weights, buffers), (context, queries))
            return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

        def together(weights=weights, buffers=buffers, stacked=stacked, loss=loss) -> None:
            for weight in weights.values():
                weight.grad = None
            vmap(loss)(weights, buffers, *stacked).sum().backward()

        def one_by_one(trainers=trainers, batches=batches) -> None:
            for trainer, batch in zip(trainers, batches, strict=True):
                trainer.optimizer.zero_grad(set_to_none=True)
                logits = trainer.model(batch.context, batch.queries)
                F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten()).backward()

        together(), one_by_one()
        single, packed = [], []
        for _ in range(5):
            single.append(median(one_by_one, 3))
            packed.append(median(together, 3))
        rows[f"{name}-{width} N={length}: one by one / packed"] = statistics.median(single) / statistics.median(packed)
        same = all(torch.equal(weights[key].grad[i], parameter.grad) for i, trainer in enumerate(trainers)
                   for key, parameter in trainer.model.named_parameters())  # fmt: skip
        rows[f"{name}-{width} N={length}: same bits"] = float(same)
    return rows


def main() -> None:
    parts = {"overhead": overhead, "listing": listing, "memory": memory, "packing": packing}
    chosen = [name for name in parts if name in sys.argv] or list(parts)
    rows = {key: value for name in chosen for key, value in parts[name]().items()}
    if "--json" in sys.argv:
        print(json.dumps(rows, indent=2))
    else:
        print("\n".join(f"{name:<76} {value:10.3f}" for name, value in rows.items()))


if __name__ == "__main__":
    main()
