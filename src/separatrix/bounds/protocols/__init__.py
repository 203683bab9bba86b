"""Lower bounds you can run: the protocol a model executes across a cut, with every message counted in bits."""

from separatrix.bounds.protocols.attention import attention_protocol, evaluate
from separatrix.bounds.protocols.channel import Channel, Message, Transcript
from separatrix.bounds.protocols.instances import (
    disjointness_instance,
    dyck_instance,
    equality_instance,
    index_instance,
    recall_instance,
)
from separatrix.bounds.protocols.recurrent import quantise, recurrent_protocol

__all__ = [
    "Channel",
    "Message",
    "Transcript",
    "attention_protocol",
    "disjointness_instance",
    "dyck_instance",
    "equality_instance",
    "evaluate",
    "index_instance",
    "quantise",
    "recall_instance",
    "recurrent_protocol",
]
