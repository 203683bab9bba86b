"""What recall and nearest neighbour share: contexts of k pairs of tokens, given by their length or by k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import model_validator

from separatrix.tasks.base import Task

P = TypeVar("P", bound="Pairs")


class Pairs(Task):
    """A task about k pairs of tokens, k = length / 2. `length` or k may be given, or both when they agree."""

    counted: ClassVar[str]
    """Name of the field that holds k."""

    @model_validator(mode="before")
    @classmethod
    def _either(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        name, length, pairs = cls.model_fields["name"].default, data.get("length"), data.get(cls.counted)
        if length is None and pairs is None:
            raise ValueError(f"{name}: give length or {cls.counted}")
        if pairs is None and isinstance(length, int):
            if length % 2:
                raise ValueError(f"{name}: length must be even (tokens come in pairs), got {length}")
            return {**data, cls.counted: length // 2}
        return {**data, "length": 2 * pairs} if length is None and isinstance(pairs, int) else data

    @model_validator(mode="after")
    def _agree(self: P) -> P:
        pairs = getattr(self, self.counted)
        if self.length != 2 * pairs:
            raise ValueError(
                f"{self.name}: length must be 2 * {self.counted}, got {self.length} and {pairs} {self.counted}"
            )
        return self

    @property
    def lengths(self) -> Sequence[int]:
        return range(2, self.length + 1, 2)

    def at_length(self: P, length: int) -> P:
        return self.replace(**{"length": length, self.counted: length // 2})
