"""Cards: what any architecture can hold, in minutes: a fixed battery of probes, beside stored references."""

from separatrix.experiments.card.card import Card, Question, read_card, write_card
from separatrix.experiments.card.compare import same_conditions
from separatrix.experiments.card.make import make_card
from separatrix.experiments.card.probes import Battery, Probe
from separatrix.experiments.card.reference import references, stored_reference
from separatrix.experiments.card.verify import cards_in, problems

__all__ = [
    "Battery",
    "Card",
    "Probe",
    "Question",
    "cards_in",
    "make_card",
    "problems",
    "read_card",
    "references",
    "same_conditions",
    "stored_reference",
    "write_card",
]
