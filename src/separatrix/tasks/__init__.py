"""What to compute: task families with generators and exact oracles. No models here."""

from separatrix.tasks.base import Batch, Task
from separatrix.tasks.dataset import as_dataset
from separatrix.tasks.export import as_hf_dataset, write
from separatrix.tasks.mqar import mqar
from separatrix.tasks.randomness import stream
from separatrix.tasks.registry import create, family, names
from separatrix.tasks.user import task

__all__ = [
    "Batch",
    "Task",
    "as_dataset",
    "as_hf_dataset",
    "create",
    "family",
    "mqar",
    "names",
    "stream",
    "task",
    "write",
]
