"""Ctrl-C and termination at a moment that loses nothing.

Python raises KeyboardInterrupt wherever the main thread happens to be: also between reading a
trial's result and writing it down. While a gate is closed, a signal is only remembered; it is
raised where the loop waits for trials, and from the second one on wherever it strikes.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["InterruptGate"]


class InterruptGate:
    """Defers SIGINT and SIGTERM to the moments when they can be taken; a context manager.

    Only in the main thread, and only over Python's own handlers: a program that installed its own
    keeps them.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._pending = False
        self._raised = False
        self._open = False

    def __enter__(self) -> InterruptGate:
        """Take the signals over."""
        if threading.current_thread() is threading.main_thread():
            own = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
            for number, default in own.items():
                if signal.getsignal(number) == default:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._open or self._pending or self._raised:
            self._raised = True
            raise KeyboardInterrupt
        self._pending = True

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Let signals through inside; one that came before is raised at once.

        Raises:
            KeyboardInterrupt: a signal came.
        """
        self._open = True
        try:
            if self._pending and not self._raised:
                self._raised = True
                raise KeyboardInterrupt
            yield
        finally:
            self._open = False
