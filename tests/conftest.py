from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Trials run with one thread; so do their tests."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
