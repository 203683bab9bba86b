"""Sizes are told before any work, in one line, and nothing that fits is refused."""

from __future__ import annotations

import time

import pytest

from separatrix import InputError
from separatrix.experiments.engines.local import LocalEngine
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.size import Size, amount, check_size


@pytest.mark.parametrize(
    ("task", "model", "training", "message"),
    [
        ({"length": 10**12}, {}, {}, r"needs .*PB of memory at least .*: --length \d+ would fit"),
        ({}, {"width": 10**9}, {}, r"needs .* of memory at least .*: --width \d+ would fit"),
        ({}, {"layers": 10**9}, {}, r"needs .*TB of memory at least .*: --layers \d+ would fit"),
        ({}, {}, {"batch_size": 10**9}, r"--batch-size \d+ would fit"),
        ({}, {}, {"steps": 10**15}, r"needs .* years at least .* steps would take less than one"),
        ({"length": 2**60}, {"width": 10**9}, {}, "make it smaller in several ways"),
    ],
)
def test_what_cannot_fit_is_one_line_before_any_work(tiny, tmp_path, task, model, training, message):
    one = tiny()
    large = one.replace(
        task=one.task.replace(**task), model=one.model.replace(**model), training=one.training.replace(**training)
    )
    begun = time.perf_counter()
    with pytest.raises(InputError, match=message) as caught:
        LocalEngine(workers=1).run(Store(tmp_path), [large])
    assert time.perf_counter() - begun < 5
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "trials").exists()


def test_what_is_said_to_fit_fits(tiny):
    size = Size.of(tiny().replace(model=tiny().model.replace(width=10**6)))
    with pytest.raises(InputError) as caught:
        check_size(tiny().replace(model=tiny().model.replace(width=10**6)), have=10**9)
    width = int(str(caught.value).split("--width ")[1].split()[0])
    assert Size(**{**vars(size), "width": width}).bytes <= 10**9 < Size(**{**vars(size), "width": width + 1}).bytes
    check_size(tiny().replace(model=tiny().model.replace(width=width)), have=10**9)


@pytest.mark.parametrize(("count", "said"), [(999, "999 bytes"), (23e9, "23 GB"), (4e15, "4 PB"), (3e21, "3e+03 EB")])
def test_amounts(count, said):
    assert amount(count) == said


def test_more_workers_than_any_machine_has_are_refused():
    with pytest.raises(InputError, match="this machine has room for .* trials at a time, got 1000000000 workers"):
        LocalEngine(workers=10**9)


def test_weights_are_counted_with_gradients_and_two_moments(tiny):
    """16 bytes each: vocabulary times width of the embedding, and a square matrix a layer where there is one."""
    size = Size.of(tiny())
    assert (size.vocabulary, size.width, size.layers, size.dense) == (10, 8, 1, True)
    assert size.weights == 16 * 8 * (10 + 8)
    assert size.activations == 8 * 64 * 6 + 4 * 16 * 6 * 8
