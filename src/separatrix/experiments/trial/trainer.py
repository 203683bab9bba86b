"""Training one model on one task, from any step to the end."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import torch

from separatrix.experiments.trial.checkpoint import Progress, pack, unpack
from separatrix.experiments.trial.config import TrainingConfig, TrialConfig
from separatrix.experiments.trial.evaluation import NotFinite, evaluate, sampled
from separatrix.experiments.trial.initial_weights import start
from separatrix.experiments.trial.overlap import overlap
from separatrix.experiments.trial.result import Measurement
from separatrix.ops.cross_entropy import cross_entropy
from separatrix.tasks import Examples
from separatrix.tasks.randomness import Split, stream


def rate(training: TrainingConfig, step: int) -> float:
    """The learning rate of one step (counted from 0): linear warm-up, then decay to zero at the last step."""
    if step < training.warmup:
        return training.learning_rate * (step + 1) / training.warmup
    done = (step - training.warmup) / (training.steps - training.warmup)
    shape = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}
    return training.learning_rate * shape[training.decay]


class Trainer:
    """A model, its optimiser and how far they are. Deterministic: the same configuration gives the same bits."""

    def __init__(self, config: TrialConfig, device: torch.device | str = "cpu") -> None:
        self.config, self.training, self.device = config, config.training, torch.device(device)
        self.task, self.trained = config.task, config.trained
        self.queries = min(self.training.queries, self.trained.query_count)
        self.model = start(config).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=self.training.learning_rate,
            weight_decay=self.training.weight_decay,
            fused=True,
        )
        self.progress = Progress()

    def checkpoint(self) -> bytes:
        """The trainer's whole state."""
        return pack(self.model, self.optimizer, self.progress, self.config.identity())

    def resume(self, checkpoint: bytes) -> None:
        """Go on from a checkpoint of this trial. Raises Damaged, and has changed nothing then."""
        self.progress = unpack(checkpoint, self.model, self.optimizer, self.config.identity())

    def run(self) -> Iterator[Measurement]:
        """Train to the end, yielding after each validation, where a checkpoint may be taken."""
        self.model.train()
        while self.progress.stopped is None:
            begun = time.perf_counter()
            self.train_to(min(self.training.steps, self.progress.step + self.training.validate_every))
            measured = self._validate()
            self.progress.seconds += time.perf_counter() - begun
            yield measured

    def test(self) -> Measurement:
        """The final measurement, on examples that neither training nor validation has seen."""
        return self._evaluate("test", self.training.test_contexts)

    def overlap(self) -> float | None:
        """The share of the test contexts that training has seen, see `trial.overlap`."""
        tested = (
            batch.past
            for batch in sampled(self.task, self.config.seed, "test", self.training.test_contexts, self.queries)
        )
        return overlap(self.task, tested, (self.batch(step).past.cpu() for step in range(self.progress.step)))

    def train_to(self, end: int) -> None:
        """Train up to step `end`. Raises NotFinite when the loss stops being a number."""
        loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        count = end - self.progress.step
        for step in range(self.progress.step, end):
            batch = self.batch(step)
            for group in self.optimizer.param_groups:
                group["lr"] = rate(self.training, step)
            self.optimizer.zero_grad(set_to_none=True)
            asked = batch.ask(self.model)
            loss = cross_entropy(asked.logits, asked.targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.training.clip)
            self.optimizer.step()
            loss_sum += loss.detach().double()
            self.progress.tokens += batch.tokens
        self.progress.step = end
        self.progress.train_loss_bits = float(loss_sum) / count / math.log(2)
        if not math.isfinite(self.progress.train_loss_bits):
            raise NotFinite(f"the training loss was not finite within the {count} steps up to step {end}")

    def batch(self, step: int) -> Examples:
        """The examples of one training step."""
        generator = stream(self.config.seed, "train", step)
        length = self.trained.length
        if self.training.lengths == "random":
            admissible = self.trained.lengths
            length = admissible[int(torch.randint(len(admissible), (), generator=generator))]
        queries = min(self.queries, length) if self.queries > 1 else 1
        return self.trained.sample(self.training.batch_size, generator, queries=queries, length=length).to(self.device)

    def _validate(self) -> Measurement:
        """Measure on the validation examples, record it, and decide whether to stop."""
        measured, progress, training = (
            self._evaluate("validation", self.training.validation_contexts),
            self.progress,
            self.training,
        )
        progress.history.append(
            {
                "step": progress.step,
                "train_loss_bits": progress.train_loss_bits,
                "accuracy": measured.accuracy,
                "loss_bits": measured.loss_bits,
                "learning_rate": rate(training, progress.step - 1),
            }
        )
        progress.solved = progress.solved + 1 if measured.accuracy >= training.solved else 0
        improved = measured.loss_bits < progress.best_loss_bits - 1e-3
        progress.stale = 0 if improved else progress.stale + 1
        progress.best_loss_bits = min(progress.best_loss_bits, measured.loss_bits)
        if progress.solved >= 2:
            progress.stopped = "solved"
        elif progress.step >= training.steps:
            progress.stopped = "finished"
        elif training.patience is not None and progress.stale >= training.patience:
            progress.stopped = "plateau"
        return measured

    def _evaluate(self, split: Split, contexts: int) -> Measurement:
        task = self.task if split == "test" else self.trained
        return evaluate(self.model, task, self.config.seed, split, contexts, self.queries, self.device)
