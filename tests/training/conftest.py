"""Networks this small are slower with threads."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """For all tests of training."""
    torch.set_num_threads(1)
