"""No code passes the line recalled = sent: quantiser, positions and temperature are fixed before what is measured."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import separatrix as sx
from separatrix import InputError
from separatrix.experiments.measure.memory_wall import PRECISIONS, TEMPERATURES, memory_wall, rounded

TASK = sx.tasks.create("index-lookup", length=8, alphabet=2)


class Register(nn.Module):
    """Holds each of the first `held` bits in a scalar of its own, as -1 or 1 times a scale, and answers surely."""

    def __init__(self, held: int = 8, later: int | None = None, scale: float = 1.0) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.held, self.later, self.scale, self.batches = held, later, scale, 0

    def prefill(self, context):
        held = self.held if self.later is None or self.batches < 2 else self.later
        self.batches += 1
        kept = torch.zeros(len(context), 8)
        kept[:, :held] = self.scale * (2.0 * context[:, :held] - 1)
        return (kept,)

    def decode(self, state, queries):
        said = state[0].gather(1, queries)
        return 20 * torch.stack([-said, said], dim=-1)


def test_a_register_recalls_what_one_bit_a_scalar_sends_and_no_more():
    wall = memory_wall(Register(), TASK, seed=0, contexts=256, precisions=[1, 4])
    assert [(point.sent, point.precision) for point in wall.points] == [(8, 1), (32, 4)]
    assert [point.recalled for point in wall.points] == pytest.approx([8, 8], abs=0.01)
    assert all(point.recalled <= point.sent for point in wall.points)
    assert (wall.context_bits, wall.numbers, wall.contexts, wall.confidence) == (8, 8, 128, 0.95)


@pytest.mark.parametrize("name", ["lstm", "mamba", "transformer"])
def test_untrained_models_stay_under_the_wall(name):
    wall = memory_wall(sx.models.create(name, TASK, width=4), TASK, seed=1, contexts=128, precisions=[1, 2, 8])
    assert all(point.recalled <= min(point.sent, wall.context_bits) for point in wall.points)
    assert all(point.low <= point.recalled <= point.high for point in wall.points)


def test_positions_are_chosen_on_the_first_half_and_measured_on_the_second():
    """What is held in the second half alone is not counted; what is lost there costs what was counted."""
    gained = memory_wall(Register(held=4, later=8), TASK, seed=0, contexts=256, precisions=[4])
    assert gained.points[0].recalled == pytest.approx(4, abs=0.2)
    lost = memory_wall(Register(held=8, later=4), TASK, seed=0, contexts=256, precisions=[4])
    assert lost.points[0].recalled < 4.5


def test_the_quantiser_has_so_many_values_and_fixed_ranges():
    ranges = [(torch.full((3,), -1.0), torch.full((3,), 1.0))]
    state = (torch.linspace(-4, 4, 300).view(100, 3),)  # far outside the range too
    for precision in (1, 2, 3):
        (sent,) = rounded(state, ranges, precision)
        assert all(len(set(sent[:, i].tolist())) == 2**precision for i in range(3))
        assert sent.abs().max() <= 1 - 2.0**-precision + 1e-6
    (constant,) = rounded((torch.ones(2, 3),), [(torch.ones(3), torch.ones(3))], 2)
    assert torch.isfinite(constant).all() and len(constant.unique()) == 1


def test_few_contexts_and_other_states_are_refused():
    with pytest.raises(InputError, match="contexts must be at least 8"):
        memory_wall(Register(), TASK, seed=0, contexts=4)
    with pytest.raises(InputError, match="give more than 64"):
        memory_wall(Register(), TASK, seed=0, contexts=64)

    class Whole(Register):
        def prefill(self, context):
            return (context,)

    with pytest.raises(InputError, match="only real states are rounded"):
        memory_wall(Whole(), TASK, seed=0, contexts=128)


def test_an_answer_that_has_turned_wrong_has_an_interval_that_ends_at_nothing():
    class Turned(Register):
        def prefill(self, context):
            self.batches += 1
            return (2.0 * context.float() - 1 if self.batches <= 2 else 1 - 2.0 * context.float(),)

    (point,) = memory_wall(Turned(), TASK, seed=0, contexts=256, precisions=[4]).points
    assert (point.recalled, point.low, point.high) == (0.0, 0.0, 0.0)


def test_the_temperature_is_the_best_for_the_positions_that_count():
    """One position is known and rightly sure; the others say their neighbour's token, far too surely."""

    class Sure(Register):
        def prefill(self, context):
            return (2.0 * torch.cat([context[:, :1], context[:, :1], context[:, 1:-1]], dim=1).float() - 1,)

        def decode(self, state, queries):
            said = state[0].gather(1, queries) * torch.where(queries == 0, 2.0, 20.0)
            return torch.stack([-said, said], dim=-1)

    (point,) = memory_wall(Sure(), TASK, seed=0, contexts=256, precisions=[12]).points
    assert point.recalled == pytest.approx(1 - math.log2(1 + math.exp(-4)), abs=1e-3)  # temperature 1


def test_the_temperatures_are_those_of_the_manual():
    assert TEMPERATURES == (1.0, 1.5, 2.0, 3.0, 5.0, 8.0) and tuple(range(1, 13)) == PRECISIONS
