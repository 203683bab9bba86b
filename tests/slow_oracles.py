"""Slow, obviously right versions of every task's oracle: one example at a time, in plain Python."""

from __future__ import annotations

from separatrix.tasks import Task


def index_lookup(task: Task, context: list[int], query: int) -> int:
    return context[query - task.offset]


def bounded_dyck(task: Task, context: list[int], query: int) -> int:
    stack: list[int] = []
    for token in context:
        if token < task.kinds:
            stack.append(token)
            if len(stack) > task.depth:
                return 0
        elif not stack or stack.pop() != token - task.kinds:
            return 0
    return int(not stack)


def halves(task: Task, context: list[int]) -> tuple[list[int], list[int]]:
    if task.layout == "concatenated":
        return context[: len(context) // 2], context[len(context) // 2 :]
    return context[::2], context[1::2]


def equality(task: Task, context: list[int], query: int) -> int:
    first, second = halves(task, context)
    return int(first == second)


def disjointness(task: Task, context: list[int], query: int) -> int:
    first, second = halves(task, context)
    return int(not any(a == b == 1 for a, b in zip(first, second, strict=True)))


def sparse_threshold(task: Task, context: list[int], query: int) -> int:
    features, threshold = task.at_length(len(context)).definition()
    total = 0
    for feature in features:
        total += feature.table[sum(context[p] << j for j, p in enumerate(feature.positions))]
    return int(total >= threshold)


def associative_recall(task: Task, context: list[int], query: int) -> int:
    offset = 0 if task.shared else task.keys
    book = dict(zip(context[::2], context[1::2], strict=True))
    return book[query] - offset if query in book else task.values


def nearest_neighbor(task: Task, context: list[list[float]], query: list[float]) -> int:
    d = task.dimension
    best, label = -10.0, -1
    for point, unit in zip(context[::2], context[1::2], strict=True):
        score = sum(a * b for a, b in zip(point[:d], query[:d], strict=True))
        if score > best:
            best, label = score, unit[d:].index(1)
    return label


def parity(task: Task, context: list[int], query: int) -> int:
    return sum(context) % 2


def modular_counter(task: Task, context: list[int], query: int) -> int:
    return sum(context) % task.modulus


def group_word(task: Task, context: list[int], query: int) -> int:
    product = context[0]
    for element in context[1:]:
        product = task.elements[product][element]
    return product


def automaton(task: Task, context: list[int], query: int) -> int:
    state = task.start
    for token in context:
        state = task.transitions[state][token]
    return task.outputs[state]


ORACLES = {name.replace("_", "-"): function for name, function in list(globals().items()) if callable(function)}
