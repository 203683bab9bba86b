"""Slow, obviously right versions of every stream's oracle: one stream, token by token; None: nothing asked."""

from __future__ import annotations

import torch

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


def mqar_mixture(task: StreamTask, inputs: list[int]) -> Labels:
    said: Labels = [None] * len(inputs)
    for cell in task.tasks:
        own, rest = inputs[: cell.length], inputs[cell.length :]
        pairs = [tuple(own[i : i + 2]) for i in range(0, 2 * cell.pairs * cell.passes, 2)]
        first, half = pairs[: cell.pairs], cell.vocabulary_size // 2
        formed = all(0 < key < half <= value for key, value in first) and pairs == first * cell.passes
        if not any(rest) and formed and all(len(set(side)) == cell.pairs for side in zip(*first, strict=True)):
            labels = mqar(cell, own)
            assert all(None in (a, b) or a == b for a, b in zip(said, labels, strict=False))
            said[: cell.length] = [b if a is None else a for a, b in zip(said, labels, strict=False)]
    return said


def fuzzy_recall(task: StreamTask, inputs: list[int]) -> Labels:
    book: dict[tuple[int, ...], list[int]] = {}
    said, key, value = [], [], []
    for token in [*inputs, task.keys + task.values]:
        if value and not task.keys <= token < task.keys + task.values:  # a value has ended
            book.setdefault(tuple(key), value)
            key, value = [], []
        if token < task.keys:
            key.append(token)
            said.append(book[tuple(key)][0] if tuple(key) in book else None)
        elif token < task.keys + task.values:
            value.append(token - task.keys)
            had = book.get(tuple(key), [])
            said.append(had[len(value)] if len(value) < len(had) else None)
        else:
            said.append(None)
    return said[:-1]


def ngram_copying(task: StreamTask, inputs: list[int]) -> Labels:
    words = "".join(chr(token) for token in inputs)
    bar, n, m = chr(task.alphabet), task.ngram, task.said
    if task.asked == "after":
        string, ngram = words.split(bar)[0], words.split(bar)[1][:n]
    else:
        ngram, string, _ = words.split(bar)
    begin = string.index(ngram) + n
    answer = [ord(letter) for letter in string[begin : begin + m]]
    return [None] * (len(inputs) - m) + answer


def modular_arithmetic(task: StreamTask, inputs: list[int]) -> Labels:
    said: Labels = []
    for t, token in enumerate(inputs):
        said.append(None)
        if token == task.modulus + 4:
            depth, begin = 1, t  # back to the bracket that this one closes
            while depth:
                begin -= 1
                depth += {task.modulus + 4: 1, task.modulus + 3: -1}.get(inputs[begin], 0)
            said[t] = eval(task.show(torch.tensor(inputs[begin : t + 1]))) % task.modulus
    return said
