"""What is proved and built, beside a frontier that was measured; and how each of them grows with the length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from separatrix.bounds.arithmetic import ANY, TRAINED
from separatrix.bounds.growth import Growth, growth_law
from separatrix.bounds.known_upper import Upper, attention_upper, recurrent_upper, two_layer_upper
from separatrix.errors import InputError
from separatrix.experiments.search.frontier import Frontier, FrontierPlan, Point
from separatrix.tasks import Problem, create
from separatrix.trust import Untrusted

Class = Literal["recurrent", "attention", "deep attention"]
"""Which bounds hold for a model: those on a state, those on one attention layer, or none."""


@dataclass(frozen=True)
class Known:
    """Sizes at one length, in bits of state or in width."""

    unit: Literal["bits", "width"]
    lower: int | float | None
    """No exact model is smaller: proved. None where nothing is."""
    upper: Upper | None
    """A model that is known to suffice, built or counted. None where none is known here."""
    arithmetic: str
    """What the lower bound speaks of, in words; empty where there is none."""


def model_class(model: dict[str, Any]) -> Class:
    """Which bounds hold for a model."""
    if model["name"] != "transformer":
        return "recurrent"
    return "attention" if model.get("layers", 1) == 1 else "deep attention"


def known(task: Problem, model: dict[str, Any]) -> Known:
    """The lower bound on a model of this class at a task, and the best construction's size."""
    match model_class(model):
        case "recurrent":
            return Known("bits", task.recurrent_bits(), recurrent_upper(task), ANY)
        case "attention":
            bits = TRAINED.needed(task)
            width = None if bits is None else TRAINED.smallest_width(bits, model.get("heads", 1), task.length)
            return Known("width", width, attention_upper(task), TRAINED.words)
        case _:
            return Known("width", None, two_layer_upper(task), "")


def at(plan: FrontierPlan, length: int) -> Problem:
    """A plan's task at one length."""
    return create(**{**plan.task, "length": length})


def known_at(plan: FrontierPlan, length: int, model: dict[str, Any]) -> Known:
    """What is known at one length of a plan; nothing of a task in a Python file that only a file names."""
    try:
        return known(at(plan, length), model)
    except Untrusted:
        return Known("bits" if model_class(model) == "recurrent" else "width", None, None, "")


def known_sizes(plan: FrontierPlan, point: Point) -> tuple[str, str]:
    """Lower bound and construction of a point, with their units and the arithmetic of the bound."""
    sizes = known_at(plan, point.length, point.model)
    unit = "bits" if sizes.unit == "bits" else "wide"
    unknown = "unknown" if sizes.arithmetic else "none known"
    lower = unknown if sizes.lower is None else f"{sizes.lower:,.4g} {unit} ({sizes.arithmetic})"
    return lower, "none here" if sizes.upper is None else f"{sizes.upper.size:,} {unit}"


@dataclass(frozen=True)
class Growths:
    """How one model's frontier grows, where it was reached."""

    model: dict[str, Any]
    lengths: list[int]
    missing: list[int]
    """Lengths at which it was not reached, or not searched to the end."""
    width: Growth | None
    """None for fewer than 3 lengths."""
    state: Growth | None
    lower: Growth | None
    """How the proved lower bound grows over the lengths searched."""
    arithmetic: str
    """What the lower bound speaks of, in words; empty where there is none."""


def growth_of(frontier: Frontier, model: dict[str, Any]) -> Growths:
    """The growth of one model's frontier."""
    points = [point for point in frontier.points if point.model == model]
    reached = [point for point in points if point.width is not None]
    lengths = [point.length for point in reached]
    bounds = [known_at(frontier.plan, point.length, model) for point in points]
    return Growths(
        model=model,
        lengths=lengths,
        missing=[point.length for point in points if point.width is None],
        width=_law(lengths, [point.width for point in reached]),
        state=_law(lengths, [point.state_bits for point in reached]),
        lower=_law([point.length for point in points], [bound.lower for bound in bounds]),
        arithmetic=next((bound.arithmetic for bound in bounds), ""),
    )


def _law(lengths: Sequence[int], sizes: Sequence[int | float | None]) -> Growth | None:
    try:
        return growth_law(lengths, [size for size in sizes if size])
    except InputError:
        return None


def growths(frontier: Frontier) -> list[dict[str, Any]]:
    """Every model's growth, as plain data with a sentence each."""
    return [asdict(grown) | {"sentence": sentence(grown)} for grown in each_growth(frontier)]


def each_growth(frontier: Frontier) -> list[Growths]:
    """Every model's growth."""
    return [growth_of(frontier, model) for model in frontier.plan.models]


def sentence(grown: Growths) -> str:
    """One model's growth in words, with its interval; says at which lengths nothing is known."""
    name = f"{grown.model['name']} ({grown.model.get('layers', 1)}-layer)"
    rest = f"; not reached within this training at N = {', '.join(map(str, grown.missing))}" if grown.missing else ""
    if grown.width is None:
        found = len(grown.lengths)
        return f"{name}: reached at {found} length{'' if found == 1 else 's'}, too few for a growth law{rest}."
    law = in_words(grown.width)
    proved = "" if grown.lower is None else f"; the proved lower bound ({grown.arithmetic}): {in_words(grown.lower)}"
    return f"{name}: smallest width {law}{proved}{rest}."


def in_words(law: Growth) -> str:
    """A growth law and its interval."""
    low, high = law.interval
    exponent = f"N^{law.exponent:.2f} ({law.confidence:.0%} interval {low:.2f} … {high:.2f})"
    match law.law:
        case "constant":
            return "constant"
        case "undecided":
            return f"undecided between laws, as a power {exponent}"
        case "power":
            return f"grows as {exponent}"
        case _:
            return f"grows logarithmically, as a power {exponent}"
