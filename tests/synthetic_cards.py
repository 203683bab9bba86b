"""Made-up cards, for tests of what reads them. Nothing is trained."""

from __future__ import annotations

import random
from typing import Any

from separatrix.experiments.card import Card, Question
from separatrix.experiments.card.card import CardTrial, Speed, SpeedAt, State, Timing
from separatrix.experiments.card.probes import Planned, standard
from separatrix.experiments.measure.capacity import Capacity
from separatrix.experiments.search.tuning import Choice, tuned
from separatrix.experiments.trial.environment import environment
from separatrix.experiments.trial.seeds import TUNING_SEEDS
from separatrix.models import architecture


def card(model: dict[str, Any], run: int = 1000, fail: str | None = None, whole_past: bool = False, **changes) -> Card:
    """A card of the standard battery: the first `run` trials have results, the first one failed if so wanted."""
    rng = random.Random(str(model))
    planned, choice = standard().trials(model), chosen()
    planned = [one.replace(config=tuned(one.config, choice)) for one in planned]
    grouped: dict[tuple[str, int], list[tuple[int, Planned]]] = {}
    for number, one in enumerate(planned):
        grouped.setdefault(one.key, []).append((number, one))
    questions = []
    for (probe, length), group in grouped.items():
        one = group[0][1]
        bits = 64 * 32 * (length if model["name"] == "transformer" else 1)
        trials = [_trial(rng, number, seed, bits, run, fail) for number, seed in group]
        questions.append(
            Question(
                probe=probe,
                title=one.probe.title,
                about=one.probe.about,
                ability=one.probe.ability,
                length=length,
                task=one.config.task.model_dump(mode="json"),
                training=one.config.training.model_dump(mode="json"),
                model=one.config.model.model_dump(mode="json"),
                resized=one.probe.state_numbers is not None,
                chance=1 / one.config.task.answers,
                recurrent_bits=one.config.task.recurrent_bits(),
                state_bits=bits if any(trial.accuracy is not None for trial in trials) else None,
                choice=choice,
                trials=trials,
            )
        )
    config = architecture(model["name"]).Config(**model)
    lengths = [16, 32, 64, 128, 256, 512]
    timing = Timing(value=1000.0, low=900.0, high=1100.0, ratio=0.5, repeats=3)
    made = Card(
        label=f"{model['name']}-({config.layers}, {config.width})",
        model=config.model_dump(mode="json"),
        parameters=12345,
        plan="Made up.",
        minutes=3,
        workers=2,
        seconds=170,
        core_seconds=300,
        state=State(
            lengths=lengths,
            bits=[4096 * (n if whole_past else 1) for n in lengths],
            growth="linear" if whole_past else "constant",
            bits_per_token=4096.0 if whole_past else 0.0,
            whole_past=whole_past,
        ),
        speed=Speed(
            baseline="lstm-(1, 64)", batch_size=8, threads=1, device="cpu",
            at=[SpeedAt(length=n, prefill=timing, training=timing, decode=timing) for n in (128, 512)],
        ),
        questions=questions,
        environment=environment(),
    )  # fmt: skip
    return made.replace(**changes).sealed()


def chosen() -> Choice:
    """A rate of the standard battery, as if it had been chosen."""
    tuning = standard().tuning
    assert tuning is not None
    return Choice(rate=tuning.rates[1], window=[tuning.rates[1]], tried=[], tuning=tuning, seeds=[TUNING_SEEDS])


def _trial(rng: random.Random, number: int, one: Planned, bits: int, run: int, fail: str | None) -> CardTrial:
    identity, seed = one.config.identity(), one.config.seed
    if number >= run:
        return CardTrial(identity=identity, seed=seed, status="not run", why="did not fit into the time")
    if number == 0 and fail is not None:
        return CardTrial(identity=identity, seed=seed, status="failed", why=fail)
    accuracy = rng.choice([1.0, rng.uniform(0.1, 0.9)])
    held = accuracy * one.length * 4
    recalled = Capacity(
        recalled_bits=held,
        low=0.9 * held,
        high=min(4.0 * one.length, 1.1 * held),
        confidence=0.95,
        context_bits=4.0 * one.length,
        state_bits=bits,
        contexts=128,
    )
    return CardTrial(
        identity=identity,
        seed=seed,
        status="solved" if accuracy == 1 else "finished",
        accuracy=accuracy,
        loss_bits=4 - 4 * accuracy,
        answers=1024,
        steps=500,
        seconds=3.0,
        fingerprint="0" * 64,
        recalled=recalled if one.probe.recalled else None,
    )
