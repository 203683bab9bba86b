"""What to compute: task families with generators and exact oracles. No models here."""

from separatrix.tasks.base import Batch, Task
from separatrix.tasks.dataset import as_dataset
from separatrix.tasks.examples import UNLABELLED, Asked, Examples, Stream
from separatrix.tasks.export import as_hf_dataset, write
from separatrix.tasks.problem import Problem
from separatrix.tasks.randomness import stream
from separatrix.tasks.registry import create, family, names, stream_names
from separatrix.tasks.streams.contract import StreamTask, pad
from separatrix.tasks.user import task
from separatrix.tasks.user_stream import stream_task

__all__ = [
    "UNLABELLED",
    "Asked",
    "Batch",
    "Examples",
    "Problem",
    "Stream",
    "StreamTask",
    "Task",
    "as_dataset",
    "as_hf_dataset",
    "create",
    "family",
    "names",
    "pad",
    "stream",
    "stream_names",
    "stream_task",
    "task",
    "write",
]
