"""Lower bounds: two cuts by enumeration, closed forms, accuracy ceilings, executable protocols."""

from separatrix.bounds.audit import Verdict, verdicts
from separatrix.bounds.automaton import Automaton, residual_automaton
from separatrix.bounds.cuts import (
    BestCut,
    attention_cut,
    attention_rows,
    best_attention_cut,
    memory_profile,
    recurrent_cut,
    recurrent_rows,
)
from separatrix.bounds.growth import Growth, growth_law
from separatrix.bounds.protocols import Transcript, attention_protocol, recurrent_protocol
from separatrix.bounds.sizes import (
    attention_capacity,
    longest_attention,
    longest_recurrent,
    recurrent_capacity,
    smallest_state,
    smallest_width,
)
from separatrix.bounds.state_size import Part, StateSize
from separatrix.bounds.table import Rows, TruthTable, truth_table
from separatrix.bounds.two_way import FoolingSet, Rank, fooling_set, rank
from separatrix.tasks.ceiling import accuracy_ceiling

__all__ = [
    "Automaton",
    "BestCut",
    "FoolingSet",
    "Growth",
    "Part",
    "Rank",
    "Rows",
    "StateSize",
    "Transcript",
    "TruthTable",
    "Verdict",
    "accuracy_ceiling",
    "attention_capacity",
    "attention_cut",
    "attention_protocol",
    "attention_rows",
    "best_attention_cut",
    "fooling_set",
    "growth_law",
    "longest_attention",
    "longest_recurrent",
    "memory_profile",
    "rank",
    "recurrent_capacity",
    "recurrent_cut",
    "recurrent_protocol",
    "recurrent_rows",
    "residual_automaton",
    "smallest_state",
    "smallest_width",
    "truth_table",
    "verdicts",
]
