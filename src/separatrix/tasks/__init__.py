"""What to compute: task families with generators and exact oracles. No models here."""

from separatrix.tasks.base import Batch, Task
from separatrix.tasks.registry import create, family, names

__all__ = ["Batch", "Task", "create", "family", "names"]
