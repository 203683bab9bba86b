"""One side of `training_step.py`: trains a model on the batches it is told to, one thread, and tells how long it took.

Reads requests as JSON lines: a case to build, then how many steps to time. It uses nothing but the public interface of
separatrix and may be run by the interpreter of an older checkout.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import separatrix as sx

PARTS = ("sampling", "prefill", "decode", "head and loss", "backward", "clipping", "optimiser")


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    try:
        from separatrix.ops.cross_entropy import cross_entropy
    except ImportError:  # an older checkout
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    return cross_entropy(logits, targets)


class Step:
    """A model of ours, or a peer, and one training step of it with its parts timed."""

    def __init__(self, case: dict[str, Any]) -> None:
        torch.manual_seed(0)
        length = case["length"]
        self.task = sx.tasks.create("index-lookup", length=length, alphabet=64)
        self.case, self.times = case, dict.fromkeys(PARTS, 0.0)
        self.generator = torch.Generator().manual_seed(0)
        self.peer = case["model"].startswith("peer ")
        if self.peer:
            from training_peers import build

            self.model: Any = build(case["model"].removeprefix("peer "), self.task, case["width"])
        else:
            self.model = sx.models.create(case["model"], self.task, width=case["width"])
            for module in (self.model.norm, self.model.head):
                module.register_forward_pre_hook(lambda *_: self.note("decode"))
                module.register_forward_hook(lambda *_: self.note("head and loss"))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, fused=True)

    def note(self, part: str) -> None:
        now = time.process_time()
        self.times[part] += now - self.last
        self.last = now

    def sample(self) -> Any:
        length = self.case["length"]
        return self.task.sample(self.case["batch"], self.generator, queries=length)

    def run(self) -> dict[str, float]:
        self.times, self.last = dict.fromkeys(PARTS, 0.0), time.process_time()
        batch = self.sample()
        self.optimizer.zero_grad(set_to_none=True)
        self.note("sampling")
        if self.peer:
            logits = self.model(batch.context, batch.queries)
        else:
            state = self.model.prefill(batch.context)
            self.note("prefill")
            logits = self.model.decode(state, batch.queries)
        self.note("decode")
        loss = loss_of(logits, batch.targets)
        self.note("head and loss")
        loss.backward()
        self.note("backward")
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.note("clipping")
        self.optimizer.step()
        self.note("optimiser")
        return self.times

    def prefill_alone(self) -> None:
        from torch.utils import _pytree as pytree

        state = self.model.prefill(self.sample().context)
        sum(leaf.sum() for leaf in pytree.tree_leaves(state)).backward()
        self.optimizer.zero_grad(set_to_none=True)


def peak(run: Callable[[], Any]) -> int:
    """Bytes of tensors held at once, at most, beyond those held before; exact, and the same every time."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        run()
    held = most = 0
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


def main() -> None:
    torch.set_num_threads(1)
    step: Step | None = None
    answers, sys.stdout = sys.stdout, sys.stderr  # what others print must not be taken for an answer
    for line in sys.stdin:
        request = json.loads(line)
        answer: Any = None
        if "case" in request:
            step = None
            step = Step(request["case"])
            step.run()
        elif "steps" in request and step is not None:
            answer = [dict(step.run()) for _ in range(request["steps"])]
        elif "memory" in request and step is not None:
            ours = 0 if step.peer else peak(step.prefill_alone)
            answer = {"prefill": ours, "step": peak(step.run)}
        elif "limit" in request and step is not None:
            from training_limit import limit

            answer = limit(step.model, step.sample())
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
