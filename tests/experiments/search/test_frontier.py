"""The search for the smallest width: right wherever wider is no worse, thrifty, and honest where it is not."""

from __future__ import annotations

import math
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from separatrix import InputError
from separatrix.experiments.engines.local import LocalEngine
from separatrix.experiments.search import frontier
from separatrix.experiments.search.frontier import FrontierPlan, Point, seed_interval
from separatrix.experiments.search.frontier_bounds import growth_of, known, known_sizes, sentence
from separatrix.experiments.search.frontier_files import kept
from separatrix.experiments.search.frontier_search import find_frontier, worst_case
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.result import Measurement, Result
from separatrix.tasks import create

GRID = [2, 3, 4, 6, 8, 12, 16, 24, 32]


def plan(**changes) -> FrontierPlan:
    settings = {
        "task": {"name": "index-lookup", "alphabet": 4},
        "models": [{"name": "lstm"}],
        "lengths": [4, 8],
        "widths": GRID,
        "seeds": [0, 1, 2],
        "needed": 2,
    }
    return FrontierPlan(**{**settings, **changes})


def made_up(config, accuracy: float) -> Result:
    test = Measurement(accuracy=accuracy, loss_bits=0.1, answers=9, accuracy_by_group={}, loss_bits_by_group={})
    return Result(
        identity=config.identity(), config=config.model_dump(mode="json"), status="finished", test=test,
        state_bits=64 * config.model.width,
    )  # fmt: skip


class Oracle:
    """Runs trials by a rule instead of training them, into a store, and counts them."""

    def __init__(self, store: Store, rule) -> None:
        self.store, self.rule, self.ran = store, rule, []

    def __call__(self, trials, until=None):
        results = []
        for config in trials:
            if (result := self.store.result(config.identity())) is None:
                result = made_up(config, self.rule(config))
                self.store.write_result(result)
                self.ran.append(config)
            results.append(result)
        return results


numbers = count()


def memory() -> Store:
    return Store(f"memory://frontier/{next(numbers)}")


@given(st.sampled_from([*GRID, 33]), st.sampled_from([1, 2, 3]))
@settings(max_examples=30, deadline=None)
def test_it_finds_the_smallest_width_that_is_enough(smallest, seeds_good):
    """Wider is no worse, and `seeds_good` of three seeds succeed from the smallest width on."""
    store = memory()
    oracle = Oracle(store, lambda c: 1.0 if c.model.width >= smallest and c.seed < seeds_good else 0.5)
    found = find_frontier(plan(lengths=[4]), store, oracle)
    (point,) = found.points
    if smallest > GRID[-1] or seeds_good < 2:
        assert (point.status, point.width, point.below) == ("not reached", None, GRID[-1])
    else:
        below = [width for width in GRID if width < smallest]
        assert (point.status, point.width, point.reached) == ("reached", smallest, seeds_good)
        assert point.below == (below[-1] if below else None)
        assert point.state_bits == 64 * smallest
        assert len({trial.model.width for trial in oracle.ran}) <= 2 * math.ceil(math.log2(GRID[-1])) - 1
    assert not point.contradicted


def test_a_stopped_search_goes_on_and_a_longer_one_knows_the_shorter(tmp_path):
    store = Store(tmp_path / "run")
    rule = lambda c: 1.0 if c.model.width >= 2 * c.task.length else 0.3  # noqa: E731
    whole = find_frontier(plan(), store, Oracle(store, rule))
    again = Oracle(store, rule)
    assert find_frontier(plan(), store, again) == whole
    assert again.ran == []
    more = Oracle(store, rule)
    wider = find_frontier(plan(lengths=[4, 8, 16]), store, more)
    assert {trial.task.length for trial in more.ran} == {16}
    assert [point.width for point in wider.points] == [8, 16, 32]
    assert kept(store)[0].points or kept(store)[1].points
    assert {len(each.points) for each in kept(store)} == {2, 3}


def test_results_of_other_runs_narrow_the_search(tmp_path):
    """Every width was trained by a sweep already: nothing is left to run."""
    store = Store(tmp_path / "run")
    asked = plan(lengths=[4])
    for width in GRID:
        for seed in asked.seeds:
            trial = asked.trial({"name": "lstm"}, 4, width, seed)
            store.write_result(made_up(trial, 1.0 if width >= 6 else 0.2))
    oracle = Oracle(store, lambda c: pytest.fail(f"{c.label} was trained again"))
    assert find_frontier(asked, store, oracle).points[0].width == 6
    assert worst_case(asked, store) == []


def test_a_wider_model_that_did_worse_is_noted(tmp_path):
    store = Store(tmp_path / "run")
    asked = plan(lengths=[4])
    for width in GRID:
        for seed in asked.seeds:
            store.write_result(made_up(asked.trial({"name": "lstm"}, 4, width, seed), float(width in (4, 16))))
    (point,) = find_frontier(asked, store, Oracle(store, lambda c: 0.0)).points
    assert point.width == 4
    assert point.contradicted


def test_a_failed_trial_reaches_nothing(tmp_path):
    store = Store(tmp_path / "run")
    asked = plan(lengths=[4], widths=[2], seeds=[0], needed=1)
    trial = asked.trial({"name": "lstm"}, 4, 2, 0)
    failed = Result(identity=trial.identity(), config=trial.model_dump(mode="json"), status="failed", error="x")
    store.write_result(failed)
    (point,) = find_frontier(asked, store, Oracle(store, lambda c: 1.0)).points
    assert (point.status, point.tried[0].seeds, point.tried[0].reached) == ("not reached", 1, 0)


def test_the_worst_case_is_a_search_that_fails_until_the_end():
    asked = plan(lengths=[4])
    widths = {trial.model.width for trial in worst_case(asked)}
    assert {2, 4, 8, 16, 32} <= widths
    assert widths <= set(GRID)


def test_only_widths_that_heads_divide_are_tried():
    asked = plan(models=[{"name": "transformer", "heads": 4}])
    assert {trial.model.width % 4 for trial in worst_case(asked)} == {0}
    with pytest.raises(InputError, match="no width of .* divisible by 5 heads"):
        worst_case(plan(models=[{"name": "transformer", "heads": 5}]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"needed": 4}, "4 seeds must reach the target, but only 3 are trained"),
        ({"seeds": [1, 1], "needed": 2}, "only 1 are trained"),
        ({"target": 1.5}, "target"),
        ({"lengths": []}, "lengths"),
    ],
)
def test_impossible_searches_are_one_clear_line(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        plan(**changes)
    assert "\n" not in str(caught.value)


def test_the_interval_over_seeds_is_clopper_and_pearson_s():
    low, high = seed_interval(3, 3)
    assert (low, high) == (pytest.approx(0.025 ** (1 / 3)), 1)
    assert seed_interval(0, 3)[1] == pytest.approx(1 - 0.025 ** (1 / 3))


def test_what_is_proved_and_built_depends_on_the_architecture():
    task = create("index-lookup", length=100, alphabet=64)
    recurrent, one, two = (known(task, m) for m in ({"name": "gru"}, {"name": "transformer"},
                                                    {"name": "transformer", "layers": 2}))  # fmt: skip
    assert (recurrent.unit, recurrent.lower, recurrent.upper.size) == ("bits", 600, 600)
    assert (one.unit, one.lower, one.upper.size) == ("width", 1, 14)
    assert (two.lower, two.upper.size) == (None, 14)


def found(sizes: dict[int, int | None]) -> frontier.Frontier:
    points = [
        Point(model={"name": "lstm"}, length=n, status="reached" if width else "not reached", width=width,
              state_bits=width and 64 * width)
        for n, width in sizes.items()
    ]  # fmt: skip
    return frontier.Frontier(plan=plan(lengths=list(sizes)), points=points)


def test_growth_is_told_with_its_interval_and_what_is_missing():
    grown = growth_of(found({4: 4, 8: 8, 16: 16, 32: 32, 64: None}), {"name": "lstm"})
    assert (grown.width.law, round(grown.width.exponent, 6), grown.missing) == ("power", 1, [64])
    assert grown.lower.law == "power"
    said = sentence(grown)
    assert "grows as N^1.00 (95% interval 1.00 … 1.00)" in said
    assert "not reached within this training at N = 64" in said
    assert "impossible" not in said
    few = growth_of(found({4: 4, 8: None}), {"name": "lstm"})
    assert few.width is None
    assert "reached at 1 length, too few for a growth law" in sentence(few)


def test_known_sizes_name_their_units():
    asked = found({4: 4})
    assert known_sizes(asked.plan, asked.points[0]) == ("8 bits (any arithmetic)", "8 bits")


def test_a_real_search_trains_and_finds(tmp_path):
    """One bit of two is looked up: a handful of steps, on the local engine."""
    asked = plan(
        task={"name": "index-lookup", "alphabet": 2}, models=[{"name": "transformer"}], lengths=[2], widths=[1, 16],
        seeds=[0], needed=1, target=0.9,
        training={"steps": 150, "warmup": 5, "learning_rate": 1e-2, "validate_every": 50, "test_contexts": 64},
    )  # fmt: skip
    store = Store(tmp_path / "run")
    (point,) = find_frontier(asked, store, LocalEngine(workers=1)).points
    assert (point.status, point.width, point.below) == ("reached", 16, 1)


def test_a_width_that_was_not_enough_is_not_tried_at_longer_lengths():
    """The Transformer's course: 4 is enough everywhere, and 2 and 3 are tried at the shortest length alone."""
    store = memory()
    oracle = Oracle(store, lambda c: 1.0 if c.model.width >= 4 else 0.5)
    found = find_frontier(plan(lengths=[4, 8, 16], models=[{"name": "transformer"}]), store, oracle)
    assert [(point.width, point.below, point.floor) for point in found.points] == [
        (4, 3, None), (4, None, 3), (4, None, 3),
    ]  # fmt: skip
    assert {c.model.width for c in oracle.ran if c.task.length > 4} == {4}
    again = find_frontier(found.plan, store, Oracle(store, lambda c: pytest.fail("trained again")))
    assert again == found


def test_what_lies_between_a_shorter_length_s_failure_and_the_frontier_is_searched():
    store = memory()
    oracle = Oracle(store, lambda c: 1.0 if c.model.width >= c.task.length else 0.5)
    found = find_frontier(plan(lengths=[4, 12], widths=GRID), store, oracle)
    assert [(point.width, point.below) for point in found.points] == [(4, 3), (12, 8)]


def test_nothing_is_taken_from_a_length_searched_in_vain():
    """Its largest width was not enough, and is what the longer one tries."""
    store = memory()
    found = find_frontier(plan(lengths=[4, 8]), store, Oracle(store, lambda c: float(c.task.length == 8)))
    assert [(point.status, point.floor) for point in found.points] == [("not reached", None), ("reached", None)]


def test_a_model_may_have_lengths_of_its_own():
    asked = plan(lengths=[4, 8, 16], own_lengths={"gru": [8, 4]}, models=[{"name": "lstm"}, {"name": "gru"}])
    assert [(cell.model["name"], cell.length) for cell in asked.cells()] == [
        ("lstm", 4), ("lstm", 8), ("lstm", 16), ("gru", 4), ("gru", 8),
    ]  # fmt: skip
    assert plan().content_hash() == plan(own_lengths={}).content_hash() != asked.content_hash()
    with pytest.raises(InputError, match="unknown model in own_lengths 'gur': did you mean 'gru'"):
        plan(own_lengths={"gur": [4]}, models=[{"name": "gru"}])
    with pytest.raises(InputError, match="own_lengths of lstm must name a length"):
        plan(own_lengths={"lstm": []})
