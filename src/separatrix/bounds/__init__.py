"""Lower bounds: two cuts by enumeration, closed forms, accuracy ceilings, executable protocols."""

from separatrix.bounds.arithmetic import (
    ArithmeticModel,
    FixedPointSums,
    FloatingPointSums,
    RoundedSums,
)
from separatrix.bounds.audit import TaskVerdict, verdicts
from separatrix.bounds.automaton import Automaton, residual_automaton
from separatrix.bounds.cuts import (
    BestCut,
    attention_cut,
    attention_rows,
    best_attention_cut,
    best_prefix_cut,
    best_two_way_cut,
    memory_profile,
    recurrent_cut,
    recurrent_rows,
    two_way_cut,
)
from separatrix.bounds.errors_allowed import needed_with_error
from separatrix.bounds.formats import of_format, of_precision
from separatrix.bounds.growth import Growth, growth_law
from separatrix.bounds.monotone import Settling, settling, values_of
from separatrix.bounds.protocols import Transcript, attention_protocol, recurrent_protocol
from separatrix.bounds.repeat_answers import Answered, answered
from separatrix.bounds.repeats import Repeats, repeats
from separatrix.bounds.row_growth import RowGrowth, row_growth
from separatrix.bounds.sizes import longest_attention, longest_recurrent, recurrent_capacity, smallest_state
from separatrix.bounds.state_size import Part, StateSize
from separatrix.bounds.stream_table import StreamTable, stream_table
from separatrix.bounds.table import Rows, TruthTable, truth_table
from separatrix.bounds.two_way import CrossingSet, FoolingSet, Rank, crossing_set, fooling_set, rank
from separatrix.tasks.ceiling import accuracy_ceiling
from separatrix.tasks.decision_ceiling import (
    best_accuracy,
    correlation_norm,
    decision_ceiling,
    difference_norm,
    inner_product_ceiling,
)
from separatrix.tasks.disjointness_ceiling import disjointness_ceiling

__all__ = [
    "Answered",
    "ArithmeticModel",
    "Automaton",
    "BestCut",
    "CrossingSet",
    "FixedPointSums",
    "FloatingPointSums",
    "FoolingSet",
    "Growth",
    "Part",
    "Rank",
    "Repeats",
    "RoundedSums",
    "RowGrowth",
    "Rows",
    "Settling",
    "StateSize",
    "StreamTable",
    "TaskVerdict",
    "Transcript",
    "TruthTable",
    "accuracy_ceiling",
    "answered",
    "attention_cut",
    "attention_protocol",
    "attention_rows",
    "best_accuracy",
    "best_attention_cut",
    "best_prefix_cut",
    "best_two_way_cut",
    "correlation_norm",
    "crossing_set",
    "decision_ceiling",
    "difference_norm",
    "disjointness_ceiling",
    "fooling_set",
    "growth_law",
    "inner_product_ceiling",
    "longest_attention",
    "longest_recurrent",
    "memory_profile",
    "needed_with_error",
    "of_format",
    "of_precision",
    "rank",
    "recurrent_capacity",
    "recurrent_cut",
    "recurrent_protocol",
    "recurrent_rows",
    "repeats",
    "residual_automaton",
    "row_growth",
    "settling",
    "smallest_state",
    "stream_table",
    "truth_table",
    "two_way_cut",
    "values_of",
    "verdicts",
]
