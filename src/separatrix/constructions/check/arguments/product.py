"""Argument "product of automata": the network's reachable states beside the language's, for strings of all lengths.

A network in a number format is a finite automaton. Every pair (state vector, state of the definition) that some string
reaches is visited, breadth first, and the network's answer compared with the definition's: a proof for all strings.
Of a stream task every token is asked in every pair, as `decode` and `read` answer it: a proof for every place.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments.languages import language
from separatrix.constructions.check.arguments.memories import DeltaNetwork, MemoryNetwork
from separatrix.constructions.check.arguments.relu_network import ReluNetwork
from separatrix.constructions.check.arguments.saturated import SaturatedNetwork
from separatrix.constructions.check.arguments.selective import SelectiveNetwork
from separatrix.constructions.check.kernel.claims import Number, Proved, known
from separatrix.models import SequenceModel
from separatrix.numerics import Format
from separatrix.tasks import Problem, StreamTask

Machine = ReluNetwork | SaturatedNetwork | MemoryNetwork
ARGUMENT = "product of automata"
BUDGET = 2**29
"""Work at most, about 10 ns each: PAIR for every pair, and for every step of a block of them by a token STEP, ROW for
each state vector, and its numbers. Where sums are rounded, STEP for each unit and each number with every other."""
PAIR, ROW, STEP = 2**10, 2**5, 2**13
SHOWN = 2**24
"""Work spent on finding a string that is answered wrongly where units are no bits, of which nothing is proved."""
BLOCK = 2**20
"""Numbers worked on at a time."""


class WrongAnswer(CertificateError):
    """A string the network answers wrongly, or by no more than a tie: the shortest there is."""

    def __init__(self, task: Problem, number_format: str, context: list[int], said: int, right: int, tie: bool) -> None:
        self.context, self.said, self.right = context, said, right
        shown = " ".join(map(str, context[:40])) + (" …" if len(context) > 40 else "")
        answer = f"{said} as much as {right}" if tie else f"{said} instead of {right}"
        super().__init__(f"{task.name} is answered {answer} in {number_format} on {shown}")


@dataclass(frozen=True)
class Product:
    """What the visit found. margin: least gap of right and other logits."""

    pairs: int
    states: int
    definition_states: int
    margin: float
    largest_activation: float
    largest_sum: float
    exact: bool
    sizes: dict[str, Number]


def explore(model: SequenceModel, number_format: str | Format, budget: int = BUDGET) -> Product:
    """Visit every reachable pair. Raises WrongAnswer with the shortest string answered wrongly.

    Raises CertificateError where units hold anything but 0 and 1, or where that takes more work than the budget.
    """
    network, search, work = _machine(model, number_format), _Search(model.task), _Work(budget)
    width = model.config.width
    level, margin, tokens = search.empty(network.units), np.inf, range(model.task.alphabet_size)
    while len(level):
        following = []
        for part in level.blocks(max(1, BLOCK // network.units)):
            if isinstance(model.task, StreamTask):
                margin = min(margin, *(_margin(network, search, part, token) for token in tokens))
            elif part.numbers != [0]:  # the empty string is no input
                margin = min(margin, _margin(network, search, part))
            work.take(part.vectors, len(tokens), network.exact)
            for token, vectors in zip(tokens, network.steps(part.vectors, tokens), strict=True):
                after = [search.definition.step(state, token) for state in part.definitions]
                following.append(search.open(vectors, [(number, token) for number in part.numbers], after))
        level = _Level.joined(following)
    work.require_bits()
    distinct = {key for key, _ in search.seen} | {bytes(network.units)}
    return Product(
        pairs=len(search.origins),
        states=len(distinct),
        definition_states=len({state for _, state in search.seen} | {search.definition.start}),
        margin=margin,
        largest_activation=work.largest,
        largest_sum=network.largest,
        exact=network.exact,
        sizes=network.sizes if isinstance(network, MemoryNetwork) else dict.fromkeys(("units", "state_bits"), width),
    )


MACHINES: dict[str, type[Machine]] = {
    "lstm": SaturatedNetwork,
    "gru": SaturatedNetwork,
    "deltanet": DeltaNetwork,
    "deltaproduct": DeltaNetwork,
    "mamba": SelectiveNetwork,
}
"""Architectures that are read otherwise than as a network of ReLUs."""


def _machine(model: SequenceModel, number_format: str | Format) -> Machine:
    """The network as a machine over 0 and 1."""
    return MACHINES.get(model.config.name, ReluNetwork)(model, number_format)


def claim(task: Problem, construction: str = "") -> str:
    """What the argument proves, as a sentence. Networks of a stack have one of their own."""
    if construction == "bounded-dyck-stack":
        return "the network accepts the strings of bounded-dyck, and no others, at every length"
    if task.name in ("equality", "disjointness"):
        return f"the network decides {task.name} of interleaved strings at every even length"
    if isinstance(task, StreamTask):
        return f"the network gives the answer of {task.name} at every place of every stream of every length"
    return f"the network gives the answer of {task.name} to every string of every length"


def allowed(certificate: Certificate) -> Collection[str]:
    """Of recurrent networks the argument itself bounds all sums, or rounds them."""
    return ()


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. Raises CertificateError for what the weights do not bear out."""
    found = explore(model, certificate.number_format)
    if certificate.order == "any" and not found.exact:
        raise CertificateError(
            f"sums up to {found.largest_sum:g} are rounded in {certificate.number_format}: the order of sums matters"
        )
    return Proved(
        claim=claim(model.task, certificate.construction),
        scope="all lengths",
        margin=found.margin,
        order="any" if found.exact else "sequential",
        equal={
            **found.sizes,
            "states": found.states,
            "log2_states": math.log2(found.states),
            "pairs": found.pairs,
            "definition_states": found.definition_states,
            "largest_activation": found.largest_activation,
            "largest_sum": found.largest_sum,
        },
        at_least=known(lower_bound_bits=model.task.recurrent_bits()),
        options={"cell": model.config.name},
    )


class _Work:
    """What a visit has cost so far, and whether all units were 0 or 1."""

    def __init__(self, budget: int) -> None:
        self.budget, self.spent, self.pairs, self.largest, self.bits = budget, 0, 0, 0.0, True

    def take(self, vectors: np.ndarray, tokens: int, exact: bool) -> None:
        """Vectors [B, D] about to be stepped by each token. CertificateError beyond the budget."""
        self.largest = max(self.largest, float(vectors.max()))
        self.bits = self.bits and bool(((vectors == 0) | (vectors == 1)).all())
        count, units = vectors.shape
        self.pairs += count
        step = STEP + vectors.size if exact else units * (STEP + 2 * vectors.size)
        self.spent += PAIR * count + tokens * (ROW * count + step)
        if self.spent > SHOWN:
            self.require_bits()
        if self.spent > self.budget:
            raise CertificateError(
                f"the network reaches more states than a check visits: {self.pairs:,} were met, none of them answered "
                f"wrongly, when it had cost the {self.budget:,} steps that are allowed"
            )

    def require_bits(self) -> None:
        """CertificateError where a unit held anything but 0 and 1."""
        if not self.bits:
            raise CertificateError(f"units hold up to {self.largest:g}, or fractions: they are no bits")


@dataclass
class _Level:
    """Pairs met for the first time: vectors [B, D], of bytes if these hold them, states of the definition, numbers."""

    vectors: np.ndarray
    definitions: list[Hashable]
    numbers: list[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def blocks(self, size: int) -> Iterator[_Level]:
        for i in range(0, len(self), size):
            part = slice(i, i + size)
            yield _Level(self.vectors[part].astype(np.float64), self.definitions[part], self.numbers[part])

    @staticmethod
    def joined(parts: list[_Level]) -> _Level:
        return _Level(
            np.concatenate([part.vectors for part in parts]),
            [state for part in parts for state in part.definitions],
            [number for part in parts for number in part.numbers],
        )


class _Search:
    """The pairs met so far, each with the pair and the token that led there."""

    def __init__(self, task: Problem) -> None:
        self.task = task
        self.definition = language(task)
        self.seen: dict[tuple[bytes, Hashable], int] = {}
        self.origins: list[tuple[int, int]] = []

    def empty(self, units: int) -> _Level:
        """The pair before the first token. It is met again as another pair if a string leads back to it."""
        self.origins.append((-1, -1))
        return _Level(np.zeros((1, units)), [self.definition.start], [0])

    def open(self, vectors: np.ndarray, origins: list[tuple[int, int]], definitions: list[Hashable]) -> _Level:
        """Those pairs that are new."""
        with np.errstate(invalid="ignore"):  # of infinities, which are then kept as they are
            small = vectors.astype(np.uint8)
        keys = small if (small == vectors).all() else vectors
        fresh = []
        for row, (key, state, origin) in enumerate(zip(keys, definitions, origins, strict=True)):
            pair = (key.tobytes(), state)
            if pair not in self.seen:
                self.seen[pair] = len(self.origins)
                self.origins.append(origin)
                fresh.append(row)
        numbers = list(range(len(self.origins) - len(fresh), len(self.origins)))
        return _Level(keys[fresh], [definitions[row] for row in fresh], numbers)

    def string(self, number: int) -> list[int]:
        """The string that led to a pair."""
        tokens = []
        while number:
            number, token = self.origins[number]
            tokens.append(token)
        return tokens[::-1]


def _margin(network: Machine, search: _Search, level: _Level, token: int | None = None) -> float:
    """The least gap between the right answer's logit and any other, over the pairs whose strings are inputs.

    token: the next one, at whose place a stream is asked; None for the end of the string
    """
    states = [state if token is None else search.definition.step(state, token) for state in level.definitions]
    rights = [search.definition.answer(state) for state in states]
    asked = [row for row, right in enumerate(rights) if right is not None]
    if not asked:
        return np.inf
    answers = np.array([rights[row] for row in asked])
    logits = network.logits(level.vectors[asked], token or 0)
    own = logits[range(len(asked)), answers]
    others = logits.copy()
    others[range(len(asked)), answers] = -np.inf
    gaps = own - others.max(axis=1) - 2 * network.slack
    for row in np.flatnonzero(~(gaps > 0))[:1]:
        context, tie = search.string(level.numbers[asked[row]]), bool(gaps[row] == 0)
        context += [] if token is None else [token]
        said, right = int(others[row].argmax()), int(answers[row])
        raise WrongAnswer(search.task, str(network.format), context, said, right, tie)
    return float(gaps.min())
