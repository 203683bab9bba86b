"""Tables that follow from a configuration: never saved, never rounded, computed anew where their memory is new."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound="Computed")


class Computed(nn.Module, ABC):
    """A module with buffers that `tables` gives. Its __init__ ends with `self.compute()`."""

    @abstractmethod
    def tables(self) -> dict[str, Tensor]:
        """The buffers by name, in float32, computed on the CPU."""

    def compute(self, device: torch.device | None = None) -> None:
        """Fill the buffers, on the default device when None."""
        with torch.device("cpu"):
            tables = self.tables()
        for name, table in tables.items():
            self.register_buffer(name, table.to(device or torch.get_default_device()), persistent=False)

    def _apply(self: M, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> M:
        """As for any module (`to`, `half`, `to_empty` …), but only the tables' device follows."""
        applied: Any = super()._apply(fn, recurse)
        self.compute(next(self.buffers(recurse=False)).device)
        return applied
