"""The lines that, when wrong, bend what is reported without breaking anything, and the tests that have to notice."""

from __future__ import annotations

from dataclasses import dataclass

HONESTY = "tests/experiments/test_honesty.py"
SOURCE = "src/separatrix"


@dataclass(frozen=True)
class WrongLine:
    """One line, and what stands in its place: `right` occurs once in the file."""

    what: str
    file: str
    right: str
    wrong: str
    tests: str = HONESTY


WRONG_LINES = (
    WrongLine(
        "the 95 % interval of recalled bits made 90 %",
        "experiments/measure/capacity.py",
        "stats.t.ppf((1 + confidence) / 2",
        "stats.t.ppf(confidence",
    ),
    WrongLine(
        "the usual confidence of recalled bits made 90 %",
        "experiments/measure/capacity.py",
        "contexts: int = 512, confidence: float = 0.95",
        "contexts: int = 512, confidence: float = 0.9",
    ),
    WrongLine(
        "the 95 % interval of an exponent made 90 %",
        "bounds/growth.py",
        "stats.t.ppf((1 + confidence) / 2",
        "stats.t.ppf(confidence",
    ),
    WrongLine(
        "positions chosen and measured on the same half",
        "experiments/measure/capacity.py",
        "per_context = gains[contexts // 2 :]",
        "per_context = gains[: contexts // 2]",
    ),
    WrongLine("the decisive difference of BIC 2 instead of 6", "bounds/growth.py", "DECISIVE = 6.0", "DECISIVE = 2.0"),
    WrongLine(
        "a ceiling for twice the bits",
        "experiments/engines/run_trial.py",
        "task.accuracy_ceiling(state_bits(state))",
        "task.accuracy_ceiling(2 * state_bits(state))",
    ),
    WrongLine(
        "every chunk of an evaluation the same contexts",
        "experiments/trial/evaluation.py",
        "stream(seed, split, chunk)",
        "stream(seed, split, 0)",
    ),
    WrongLine(
        "clipping deleted",
        "experiments/trial/trainer.py",
        "torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.training.clip)",
        "pass",
    ),
    WrongLine(
        "“solved twice running” made once",
        "experiments/trial/trainer.py",
        "if progress.solved >= 2:",
        "if progress.solved >= 1:",
    ),
    WrongLine(
        "one noise key for all tensors",
        "experiments/trial/initial_weights.py",
        "separatrix/noise/{seed}/{index}",
        "separatrix/noise/{seed}/0",
    ),
    WrongLine("`result.json` written without fsync", "atomic.py", "            flush(partial)\n", "            pass\n"),
    WrongLine("its folder left out of the fsync", "atomic.py", "        flush(path.parent)\n", "        pass\n"),
    WrongLine(
        "halving rounds the survivors down",
        "experiments/search/halving.py",
        "[: -(-len(scores) // factor)]",
        "[: len(scores) // factor]",
    ),
    WrongLine(
        "a race of rates rounds the survivors down",
        "experiments/search/tuning.py",
        "math.ceil(len(order) / self.tuning.factor)",
        "len(order) // self.tuning.factor",
        "tests/experiments/search/test_tuning.py",
    ),
    WrongLine(
        "rates chosen on the seeds that are reported",
        "experiments/search/tuning.py",
        "[TUNING_SEEDS + index for index in range(self.tuning.seeds)]",
        "list(range(self.tuning.seeds))",
        "tests/experiments/search/test_tuning.py",
    ),
    WrongLine(
        "rates cut while all are at chance",
        "experiments/search/tuning.py",
        "if not (over or begun):",
        "if not (over or True):",
        "tests/experiments/search/test_tuning.py",
    ),
    WrongLine(
        "validation at lengths that are the test's",
        "experiments/trial/trainer.py",
        'task = self.task if split == "test" else self.trained',
        "task = self.task",
        "tests/experiments/trial/test_stream_trials.py",
    ),
    WrongLine(
        "`>=` made `>`: an accuracy at the target",
        "experiments/search/frontier.py",
        "accuracy >= self.plan.target",
        "accuracy > self.plan.target",
    ),
    WrongLine(
        "`>=` made `>`: seeds that are enough",
        "experiments/search/frontier.py",
        "reached >= self.plan.needed",
        "reached > self.plan.needed",
    ),
    WrongLine(
        "`>=` made `>`: the accuracy that counts as solved",
        "experiments/trial/trainer.py",
        "measured.accuracy >= training.solved",
        "measured.accuracy > training.solved",
    ),
    WrongLine(
        "doubling made the next width",
        "experiments/search/frontier.py",
        "if width >= 2 * grid[at]",
        "if width > grid[at]",
    ),
)
