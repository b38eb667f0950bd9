"""What is closed at the end of its context, however that comes about."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import Any

from typing_extensions import Self


class Closing(AbstractContextManager[Any]):
    """What holds something open."""

    @abstractmethod
    def close(self) -> None:
        """Give it free."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
