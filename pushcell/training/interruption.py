"""What may stop a training: a person or the system, and want of memory."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pushcell.errors import TrainingError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptions() -> Iterator[threading.Event]:
    """Within it, SIGINT and SIGTERM set the event, so that a step is finished and kept."""
    event = threading.Event()
    before = {number: signal.signal(number, lambda *_: event.set()) for number in _SIGNALS}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def explained_memory(batch_size: int) -> Iterator[None]:
    """Turn the ways in which memory runs out into a TrainingError that says what to do."""
    advice = f"take a smaller training.batch_size than {batch_size} or a smaller network"
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise TrainingError(f"out of memory ({error}): {advice}") from None
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise TrainingError(f"out of memory ({str(error).splitlines()[0]}): {advice}") from None
