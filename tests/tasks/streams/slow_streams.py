"""Slow, obviously right versions of every stream's oracle: one stream, token by token; None: nothing asked."""

from __future__ import annotations

from separatrix.tasks import StreamTask

Labels = list[int | None]


def mqar(task: StreamTask, inputs: list[int]) -> Labels:
    shown, book = 2 * (task.pairs * task.passes + task.updates), {}
    for i in range(0, shown, 2):
        book[inputs[i]] = inputs[i + 1]
    return [None] * shown + [book.get(token) for token in inputs[shown:]]


def transduction(task: StreamTask, inputs: list[int]) -> Labels:
    string = inputs[: inputs.index(task.alphabet)]
    said = {
        "copy": string,
        "reverse": string[::-1],
        "sort": sorted(string),
        "duplicate": [token for token in string for _ in range(2)],
    }[task.rule]
    return [None] * len(string) + said


def state_tracking(task: StreamTask, inputs: list[int]) -> Labels:
    state, said = 0, []
    for token in inputs:
        state = (state + token) % task.counts if task.counts else task.elements[state][token]
        said.append(state)
    return said


def flip_flop(task: StreamTask, inputs: list[int]) -> Labels:
    bit, said = None, []
    for instruction, value in zip(inputs[::2], inputs[1::2], strict=True):
        if instruction == 2:
            bit = value
        said += [bit if instruction == 3 else None, None]
    return said


def next_bracket(task: StreamTask, inputs: list[int]) -> Labels:
    stack, said = [], []
    for token in inputs:
        if token < task.kinds:
            stack.append(token)
        else:
            assert stack.pop() == token - task.kinds
        said.append((stack[-1] if stack else task.kinds) + (task.kinds + 1) * (len(stack) < task.depth))
    return said


def selective_copying(task: StreamTask, inputs: list[int]) -> Labels:
    shown = inputs[: inputs.index(task.alphabet + 1)]
    return [None] * len(shown) + [token for token in shown if token < task.alphabet]


def induction(task: StreamTask, inputs: list[int]) -> Labels:
    return [None] * (len(inputs) - 1) + [inputs[inputs.index(task.alphabet) + 1]]


def composition(task: StreamTask, inputs: list[int]) -> Labels:
    table, said = inputs[: task.values], []
    for start in inputs[task.values :]:
        place = start
        for _ in range(task.hops):
            place = table[place]
        said.append(place)
    return [None] * task.values + said


def compositional_recall(task: StreamTask, inputs: list[int]) -> Labels:
    book, said, c, size = {}, [], task.key_tokens, task.key_tokens + task.value_tokens
    for i in range(0, len(inputs), size):
        key, value = tuple(inputs[i : i + c]), [token - task.keys for token in inputs[i + c : i + size]]
        if i < len(inputs) // 2:
            book[key] = value
            said += [None] * size
        else:
            said += [None] * (c - 1) + book[key] + [None]
    return said


def compression(task: StreamTask, inputs: list[int]) -> Labels:
    n = len(inputs) // 2
    return [None] * n + [inputs[place - task.alphabet] for place in inputs[n:]]


def memorisation(task: StreamTask, inputs: list[int]) -> Labels:
    return [int(task.table[key]) for key in inputs]


def stack_manipulation(task: StreamTask, inputs: list[int]) -> Labels:
    stack, said = [], []
    for token in inputs:
        if token < task.alphabet:
            stack.append(token)
        elif stack:
            stack.pop()
        said.append(stack[-1] if stack else task.alphabet)
    return said


def noisy_recall(task: StreamTask, inputs: list[int]) -> Labels:
    book, said = {}, []
    for key, value in zip(inputs[::2], inputs[1::2], strict=True):
        known = key < task.keys
        said += [book.get(key) if known else None, None]
        if known:
            book.setdefault(key, value - task.keys)
    return said
