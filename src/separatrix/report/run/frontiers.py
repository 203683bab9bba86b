"""A search for the smallest model as a section of the page: measured, proved and constructed sizes on one plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from separatrix.bounds.arithmetic import ANY, TRAINED
from separatrix.experiments.search.frontier import Frontier, Point
from separatrix.experiments.search.frontier_bounds import Known, at, each_growth, in_words, known_at, model_class
from separatrix.experiments.trial.ending import RULE
from separatrix.report.figures.scaling import CONSTRUCTED, PROVED, scaling
from separatrix.report.figures.series import Row
from separatrix.report.html.labels import count, family_name, listed, short_name, slug
from separatrix.report.html.section import Column, Figure, Section, Table
from separatrix.trust import Untrusted
from separatrix.words import plural

STATE_BOUND, STATE_BUILT = f"recurrent state, at least ({ANY})", "recurrent state that suffices"
WIDTH_BOUND = f"one attention layer, at least ({TRAINED.words})"
WIDTH_BUILT, DEEP_BUILT = "one attention layer that suffices", "two attention layers that suffice"


def label(model: Mapping[str, Any]) -> str:
    """A model whose width is what is searched; the layers of a Transformer always said."""
    layers, name = model.get("layers", 1), family_name(model["name"])
    return f"{name}, {plural(layers, 'layer')}" if layers > 1 or model["name"] == "transformer" else name


def section_id(frontier: Frontier) -> str:
    """The anchor of a search's section."""
    return f"frontier-{slug(frontier.plan.task['name'])}-{frontier.plan.content_hash()[:6]}"


def name(frontier: Frontier) -> str:
    """A search in a few words."""
    return f"{short_name(frontier.plan.task['name']).replace('-', ' ').capitalize()}: smallest models found"


def outcome(frontier: Frontier) -> str:
    """The smallest widths at the ends of the lengths, model by model."""
    return f"Smallest width found: {'; '.join(_span(frontier, model) for model in frontier.plan.models)}."


def headline(frontier: Frontier) -> str:
    """One sentence: which models had to grow with the length, and which did not."""
    task = short_name(frontier.plan.task["name"]).replace("-", " ")
    reached = [model for model in frontier.plan.models if len(_reached(frontier, model)) > 1]
    if not reached:
        return f"The search for the smallest models that training finds at {task} has reached too few lengths to tell."
    spans = [_span(frontier, model) for model in reached]
    return f"Smallest width that training found for {task}: {'; '.join(spans)}."


def _reached(frontier: Frontier, model: Mapping[str, Any]) -> list[Point]:
    points = [point for point in frontier.points if point.model == model and point.width is not None]
    return sorted(points, key=lambda point: point.length)


def _span(frontier: Frontier, model: Mapping[str, Any]) -> str:
    points = _reached(frontier, model)
    if not points:
        return f"{label(model)} none up to {frontier.plan.widths[-1]}"
    first, last = points[0], points[-1]
    if first is last:
        return f"{label(model)} {first.width} at N = {first.length}"
    widths = f"{first.width}" if first.width == last.width else f"{first.width} to {last.width}"
    return f"{label(model)} {widths} from N = {first.length} to {last.length}"


def section(frontier: Frontier, hues: Mapping[str, int]) -> Section:
    """The section of one search; hues: the colour of each model by `label`."""
    plan = frontier.plan
    task = short_name(plan.task["name"]).replace("-", " ")
    drawn = [_figure(frontier, hues, "width"), _figure(frontier, hues, "state")]
    return Section(
        id=section_id(frontier),
        title=f"{task.capitalize()}: the smallest model that training found",
        kicker="Frontier",
        about=f"The smallest width of {plan.widths[0]} to {plan.widths[-1]} at which {plan.needed} of "
        f"{plural(len(plan.seeds), 'seed')} reach {plan.target:.0%} test accuracy. "
        "Not reached means not reached within this training; it does not mean impossible. A width that was not enough "
        "at a shorter length is not tried at a longer one.",
        measured=_measured(frontier),
        notes=_notes(frontier),
        figures=[figure for figure in drawn if figure is not None],
        tables=[_points(frontier), _laws(frontier)],
    )


# figures -------------------------------------------------------------------------------------------------------------
def rows(frontier: Frontier, size: str) -> list[Row]:
    """Rows of one plot, `width` or `state`: the frontier of each model, what is proved, what is constructed.

    A point that was not reached stands at the largest size tried, and is marked so.
    """
    found = [row for point in frontier.points if (row := _measured_row(point, size, frontier.plan.target))]
    for kind, line, length, value in _known(frontier, size):
        text = f"{line}: {count(value)} {'bits' if size == 'state' else 'wide'} at N = {length}"
        found.append({"model": line, "kind": kind, "x": length, "y": value, "text": text})
    return found


def _measured_row(point: Point, size: str, target: float) -> Row | None:
    if size == "state" and model_class(point.model) != "recurrent":
        return None
    if point.status == "open" or not point.tried:
        return None
    sizes = {seen.width: seen.width if size == "width" else seen.state_bits for seen in point.tried}
    reached = point.width is not None
    at_width = point.width if point.width is not None else point.tried[-1].width
    value = sizes[at_width]
    below = sizes.get(point.below, value) if point.below is not None and reached else value
    unit = "bits of state" if size == "state" else "wide"
    text = f"{count(value)} {unit} at N = {point.length}: {point.reached} of {point.seeds} seeds reach {target:.0%}"
    if not reached:
        text = f"not reached within this training at N = {point.length}, up to {count(value)} {unit}"
    return {
        "model": label(point.model),
        "kind": "observed",
        "x": point.length,
        "y": value,
        "low": below,
        "high": value,
        "short": not reached,
        "text": text,
    }


def _known(frontier: Frontier, size: str) -> list[tuple[str, str, int, float]]:
    """Lines of what is proved and constructed: kind, name, length and size."""
    lines: dict[tuple[str, str, int], float] = {}
    names = {
        "recurrent": (STATE_BOUND, STATE_BUILT),
        "attention": (WIDTH_BOUND, WIDTH_BUILT),
        "deep attention": ("", DEEP_BUILT),
    }
    for point in frontier.points:
        kind = model_class(point.model)
        if (kind == "recurrent") != (size == "state"):
            continue
        sizes = known_at(frontier.plan, point.length, point.model)
        lower, upper = names[kind]
        if sizes.lower:
            lines[PROVED, lower, point.length] = sizes.lower
        if sizes.upper is not None and sizes.upper.size:
            lines[CONSTRUCTED, upper, point.length] = sizes.upper.size
    return [(kind, name, length, value) for (kind, name, length), value in lines.items()]


def _figure(frontier: Frontier, hues: Mapping[str, int], size: str) -> Figure | None:
    drawn = rows(frontier, size)
    models = list(dict.fromkeys(row["model"] for row in drawn if row["kind"] == "observed"))
    if not models:
        return None
    lines = {row["model"]: row["kind"] for row in drawn if row["kind"] != "observed"}
    title = "Smallest width" if size == "width" else "Smallest state of the recurrent models, in bits"
    see = (
        "Dot: the smallest width that was enough; the band reaches down to the largest that was not. Triangle: not "
        "reached, at the largest width tried. "
        if size == "width"
        else "The state of the smallest width that was enough, as stored (32-bit numbers). "
    )
    see += "Dashed: proved, no exact model is smaller. Dotted: a construction that suffices. Both axes are logarithmic."
    if not lines:
        see = see.partition("Dashed")[0] + "Both axes are logarithmic."
    return Figure(
        name=size,
        title=f"{title}, against context length",
        see=see,
        alt_text=f"{title} against context length. {'; '.join(row['text'] for row in drawn)}.",
        rows=drawn,
        chart=scaling(drawn, models, lines, hues, "context length N", "width" if size == "width" else "bits of state"),
    )


# tables --------------------------------------------------------------------------------------------------------------
def _points(frontier: Frontier) -> Table:
    return Table(
        caption="The frontier",
        columns=(
            Column("Model"),
            Column("Context length N", numeric=True),
            Column("Smallest width", "observed", numeric=True),
            Column("Not reached at", "observed", numeric=True),
            Column("Seeds that reached it (95% interval of their share)", "observed"),
            Column("Ended", "observed"),
            Column("Rate chosen (within two points)", "observed"),
            Column("Its state, bits", "observed", numeric=True),
            Column("No exact model is smaller than", "proved"),
            Column("Suffices", "proved"),
        ),
        rows=[_point(frontier, point) for point in frontier.points],
    )


def _point(frontier: Frontier, point: Point) -> list[str]:
    sizes = known_at(frontier.plan, point.length, point.model)
    if point.low is not None and point.high is not None:
        seeds = f"{point.reached} of {point.seeds} ({point.low:.0%} … {point.high:.0%})"
    else:
        seeds = "–"
    words = {"not reached": "not reached", "open": "not searched to the end", "reached": ""}[point.status]
    built = "width" if sizes.unit == "width" else "bits of state"
    return [
        label(point.model),
        count(point.length),
        words or count(point.width or 0),
        _below(point),
        seeds,
        *_protocol(point),
        "–" if point.state_bits is None else count(point.state_bits),
        _lower(sizes),
        "–" if sizes.upper is None else f"{count(sizes.upper.size)} {built}: {sizes.upper.construction}",
    ]


def _below(point: Point) -> str:
    """The largest width that was not enough: at this length, or at a shorter one, where it is not tried again."""
    if point.below is not None:
        return count(point.below)
    return "–" if point.floor is None else f"{count(point.floor)}, at a shorter length"


def _lower(sizes: Known) -> str:
    if sizes.lower is None:
        return "unknown: no closed form" if sizes.arithmetic else "no bound known"
    unit = "bits of state" if sizes.unit == "bits" else "wide"
    return f"{count(round(sizes.lower, 2))} {unit} ({sizes.arithmetic})"


def _protocol(point: Point) -> tuple[str, str]:
    """How the trials at the frontier ended (or at the widest that was tried), and at which learning rate."""
    at = next((seen for seen in point.tried if seen.width == point.width), point.tried[-1] if point.tried else None)
    if at is None:
        return "–", "–"
    window = "–" if at.choice is None else f"{at.choice.rate:g} ({', '.join(f'{rate:g}' for rate in at.choice.window)})"
    return at.ended or "–", window


def _laws(frontier: Frontier) -> Table:
    grown = [(label(each.model), each) for each in each_growth(frontier)]
    return Table(
        caption="How they grow with the length",
        columns=(
            Column("Model"),
            Column("Smallest width", "observed"),
            Column("Lengths"),
            Column("Lower bound", "proved"),
        ),
        rows=[
            [
                name,
                "too few lengths reached for a growth law" if each.width is None else in_words(each.width),
                listed([str(length) for length in each.lengths]) if each.lengths else "none reached",
                "–" if each.lower is None else f"{in_words(each.lower)} ({each.arithmetic})",
            ]
            for name, each in grown
        ],
    )


# words ---------------------------------------------------------------------------------------------------------------
def _measured(frontier: Frontier) -> str:
    plan = frontier.plan
    tried = [seen for point in frontier.points for seen in point.tried]
    trials = sum(seen.seeds for seen in tried)
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in plan.training.items())
    seeds = listed([str(seed) for seed in plan.seeds])
    words = [f"{plural(trials, 'trial')} with seeds {seeds}; training: {settings or 'the defaults'}"]
    if plan.tuning:
        rates = listed([f"{rate:g}" for rate in plan.tuning.rates])
        passed = sum(seen.passed is not None for seen in tried)
        words.append(
            f"learning rates chosen for every width from {rates} on {plural(plan.tuning.seeds, 'seed')} not reported"
        )
        words.append(f"{plural(passed, 'width')} passed over whose tuning seeds ended far below the target")
    if budget := [seen.tokens for seen in tried if seen.tokens]:
        words.append(f"at most {count(min(budget) / 1e6)} to {count(max(budget) / 1e6)} million tokens a trial")
    return f"{'; '.join(words)}. {RULE}"


def _notes(frontier: Frontier) -> Sequence[str]:
    notes = []
    try:
        at(frontier.plan, frontier.plan.lengths[0])
    except Untrusted as error:
        notes.append(f"Without what is proved and constructed: {error}.")
    if unfinished := [point for point in frontier.points if point.status == "open"]:
        notes.append(f"{plural(len(unfinished), 'search')} not finished: run the same command again to go on.")
    against = [f"{label(point.model)} at length {point.length}" for point in frontier.points if point.contradicted]
    if against:
        notes.append(
            f"A wider model did worse than a narrower one: {listed(against)}. The search takes it that wider is no "
            "worse, so there its answer depends on the widths it tried."
        )
    return notes
