"""A user's own task: a plain Python function `answer(context, query)` in a file, named `path/to/file.py:function`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from operator import index
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast

import torch
from jaxtyping import Bool, Int
from pydantic import Field, create_model, model_validator
from torch import Tensor

from separatrix import source, trust
from separatrix.errors import InputError, unknown
from separatrix.tasks.base import Batch, Task
from separatrix.tasks.problem import Problem
from separatrix.tasks.user_stream import stream_base

Answer = Callable[[tuple[int, ...], int], int]
F = TypeVar("F", bound=Answer)

TABLE_ENTRIES = 2**18
"""Largest truth table that is computed once instead of asking the function again and again."""


def task(
    alphabet: int,
    answers: int = 2,
    queries: int | Literal["positions"] = 1,
    valid: Callable[[tuple[int, ...]], bool] | None = None,
) -> Callable[[F], F]:
    """Decorate a function with what its task needs to know, e.g. `@task(alphabet=3, answers=2)`.

    alphabet: tokens are 0 … alphabet - 1
    answers:  the function returns 0 … answers - 1
    queries:  queries are 0 … queries - 1; 1 for a decision about the context alone, "positions" for 0 … N - 1
    valid:    which contexts belong to the task (all, when None)

    >>> @sx.tasks.task(alphabet=3)
    ... def more_ones_than_twos(context, query):
    ...     return int(context.count(1) > context.count(2))
    ...
    >>> more_ones_than_twos((1, 2, 0, 1), 0)
    1
    """

    def decorate(function: F) -> F:
        fields = {"alphabet": alphabet, "answer_count": answers, "queries": queries}
        function.__separatrix__ = {"fields": fields, "valid": valid}  # type: ignore[attr-defined]
        return function

    return decorate


class FromFile(Problem):
    """What tasks from files have besides: the file's hash, and pickling by name, for the workers of a data loader."""

    source_sha256: str = Field(description="hash of the file the task stands in, and of those it imports")

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.name, {name: getattr(self, name) for name in type(self).model_fields})


def _again(name: str, fields: dict[str, Any]) -> Problem:
    return user_family(name)(**fields)


class UserTask(FromFile, Task):
    """A task whose answers come from a user's function. Contexts and queries are uniform."""

    summary: ClassVar[str] = "a function of your own"
    function: ClassVar[Answer]
    valid_context: ClassVar[Callable[[tuple[int, ...]], bool] | None] = None
    alphabet: int = Field(ge=2, description="tokens are 0 … alphabet - 1")
    answer_count: int = Field(ge=1, description="answers are 0 … answer_count - 1")
    queries: Annotated[int, Field(ge=1)] | Literal["positions"] = Field(
        1, description="queries are 0 … queries - 1; positions: 0 … length - 1"
    )

    @model_validator(mode="before")
    @classmethod
    def _says_its_alphabets(cls, data: Any) -> Any:
        missing = [name for name in ("alphabet", "answer_count") if cls.model_fields[name].is_required()]
        if isinstance(data, dict) and any(name not in data for name in missing):
            raise ValueError(
                f"{cls.model_fields['name'].default} says nothing of its alphabets: decorate the function with "
                '@separatrix.tasks.task(alphabet=2, answers=2), and queries="positions" if it answers about every '
                "position, or give --alphabet 2 --answer-count 2"
            )
        return data

    @property
    def alphabet_size(self) -> int:
        return self.alphabet

    @property
    def answers(self) -> int:
        return self.answer_count

    @property
    def query_count(self) -> int:
        return self.asked_at(self.length)

    def asked_at(self, length: int) -> int:
        """How many queries there are about contexts of a length."""
        return length if self.queries == "positions" else self.queries

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(f"answer {i}" for i in range(self.answer_count))

    def valid(self, context: Int[Tensor, "B N"]) -> Bool[Tensor, " B"]:
        if type(self).valid_context is None:
            return super().valid(context)
        return torch.tensor([self.admits(tuple(row)) for row in context.tolist()], device=context.device)

    def admits(self, context: tuple[int, ...]) -> bool:
        """Whether a context belongs to the task. Raises InputError with the context when the user's `valid` raises."""
        check = type(self).valid_context
        try:
            return check is None or bool(check(context))
        except Exception as error:
            raise InputError(f"{self.name}: valid raised {_said(error)} on context {list(context)}") from error

    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Batch:
        count, n = self.check_request(batch_size, queries, length)
        device = generator.device
        context = torch.randint(self.alphabet, (batch_size, n), generator=generator, device=device)
        for _ in range(1000):
            (again,) = torch.nonzero(~self.valid(context), as_tuple=True)
            if not len(again):
                break
            context[again] = torch.randint(self.alphabet, (len(again), n), generator=generator, device=device)
        else:
            raise InputError(
                f"{self.name}: almost no context of length {n} is valid: draw them yourself in a Task subclass"
            )
        asked = torch.randint(self.asked_at(n), (batch_size, count), generator=generator, device=device)
        targets = self.answer(context, asked)
        return Batch(context, asked, targets, targets)

    def answer(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Int[Tensor, "B Q"]:
        n = context.shape[1]
        if self.alphabet**n * self.asked_at(n) <= TABLE_ENTRIES:
            weights = self.alphabet ** torch.arange(n, device=context.device)
            code = (context * weights).sum(dim=1)
            return _table(self, n).to(context.device)[code[:, None], queries]
        rows = [
            [self.ask(tuple(tokens), query) for query in asked]
            for tokens, asked in zip(context.tolist(), queries.tolist(), strict=True)
        ]
        return torch.tensor(rows, dtype=torch.int64, device=context.device).reshape(queries.shape)

    def ask(self, context: tuple[int, ...], query: int) -> int:
        """The function's answer, checked. Raises InputError with the example when it raises or answers out of range."""
        example = f"{self.name} on context {list(context)}, query {query}"
        try:
            said: Any = type(self).function(context, query)
        except Exception as error:
            raise InputError(f"{example} raised {_said(error)}") from error
        try:
            answer = index(said)
        except TypeError:
            answer = -1
        if not 0 <= answer < self.answer_count:
            raise InputError(
                f"{example} answered {said!r}: expected an int in 0 … {self.answer_count - 1} (answer_count is "
                f"{self.answer_count})"
            )
        return answer


@lru_cache(maxsize=32)
def _table(task: UserTask, length: int) -> Tensor:
    """Int[S^n, queries]: every answer, contexts coded with the first token least significant; -1 on invalid ones."""
    asked = range(task.asked_at(length))
    table = torch.full((task.alphabet**length, len(asked)), -1, dtype=torch.int64)
    for code in range(len(table)):
        context = tuple(code // task.alphabet**i % task.alphabet for i in range(length))
        if task.admits(context):
            said = [task.ask(context, query) for query in asked]
            if said != (again := [task.ask(context, query) for query in asked]):
                raise InputError(
                    f"{task.name} on context {list(context)} answered {said}, then {again}: expected one answer"
                )
            table[code] = torch.tensor(said)
    return table


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def user_family(name: str) -> type[Problem]:
    """The task class of `path/to/file.py:function` (or `:TaskSubclass`). The file is executed.

    Raises InputError when there is no such file or name, or the function says nothing of its alphabet, and Untrusted
    when only a file names it.
    """
    path, _, attribute = name.rpartition(":")
    trust.check(path, name)
    try:
        digest = source.digest(path)
    except (OSError, ValueError):  # there is none, or a name that no file can have
        raise InputError(f"no Python file at {path!r}") from None
    return _family(name, path, attribute, digest)


@lru_cache(maxsize=64)
def _family(name: str, path: str, attribute: str, digest: str) -> type[Problem]:
    """Made once while the file is the same, so that equal tasks have one class."""
    members = _members(path)
    if attribute not in members:
        raise unknown(f"function in {path}", attribute, members)
    found: Any = members[attribute]
    identity: dict[str, Any] = {"name": (Literal[name], name), "source_sha256": (Literal[digest], digest)}
    if inspect.isclass(found):
        if not issubclass(found, Problem):
            raise InputError(
                f"{name} is a class, but no Task: subclass separatrix.tasks.Task or StreamTask, or name a function"
            )
        return create_model(found.__name__, __base__=(FromFile, found), __doc__=found.__doc__, **identity)
    told = getattr(found, "__separatrix__", {})
    if told.get("stream"):
        return _from_function(found, stream_base(name, found), identity)
    if len(inspect.signature(found).parameters) != 2:
        raise InputError(f"{name} must take (context, query), got {inspect.signature(found)}")
    family = _from_function(found, UserTask, identity)
    family.valid_context = staticmethod(told["valid"]) if told.get("valid") else None
    return family


def _from_function(function: Any, base: Any, identity: dict[str, Any]) -> Any:
    """The class of a decorated function: the fields it says are defaults."""
    said = getattr(function, "__separatrix__", {}).get("fields", {})
    fields: dict[str, Any] = {
        field: (base.model_fields[field].rebuild_annotation(), value) for field, value in said.items()
    }
    bases = base if issubclass(base, FromFile) else (FromFile, base)
    made = cast(Any, create_model(base.__name__, __base__=bases, **(identity | fields)))
    made.function = staticmethod(function)
    made.summary = (inspect.getdoc(function) or base.summary).splitlines()[0]
    return made


def _members(path: str) -> dict[str, Any]:
    """The functions and classes that a file defines, by name. The file is executed, and those that it imports."""
    module = source.run(path, module_name := f"separatrix_user_{Path(path).stem}")
    return {
        name: member
        for name, member in vars(module).items()
        if callable(member) and getattr(member, "__module__", None) == module_name
    }


def looks_like_a_file(name: str) -> bool:
    """Whether a task or model name is a path to a Python file and a name in it."""
    head, colon, tail = name.rpartition(":")
    return bool(colon) and head.endswith(".py") and bool(tail)
