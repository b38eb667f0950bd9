"""Which of several open pages drives: the first that holds something, until it lets go."""

from __future__ import annotations

from teleop.console.messages import OperatorInput


class PageArbiter:
    """The pages that may act, in the order of their coming; a page is any hashable."""

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._heard_s: dict[object, float] = {}
        self._driver: object | None = None

    def heard(
        self, page: object, operator_input: OperatorInput, now_s: float
    ) -> OperatorInput | None:
        """What the cell gets of a page's input; None where another page has the say."""
        self._heard_s[page] = now_s
        driver = self._driver
        if driver is not None and now_s - self._heard_s[driver] > self._silence_s:
            self._driver = None
        if self._driver is None and operator_input.holding:
            self._driver = page
        if self._driver is page and not operator_input.holding:
            self._driver = None
            return operator_input
        speaker = self._first_heard(now_s) if self._driver is None else self._driver
        return operator_input if page is speaker else None

    def _first_heard(self, now_s: float) -> object:
        """Who says that nothing is held: not a page that has fallen silent, as hidden ones do."""
        heard = self._heard_s.items()
        return next(page for page, heard_s in heard if now_s - heard_s <= self._silence_s)

    def left(self, page: object) -> OperatorInput | None:
        """A page is closed: what it held is released."""
        self._heard_s.pop(page, None)
        if self._driver is not page:
            return None
        self._driver = None
        return OperatorInput()
