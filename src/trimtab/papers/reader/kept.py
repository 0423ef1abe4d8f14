"""Results that hold until the catalogue changes: counted on the spot, or, where that takes long, behind the scenes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, cast, final

from trimtab.papers.catalogue import Catalogue
from trimtab.papers.catalogue.counting import Part

__all__ = ["Kept", "Later"]

T = TypeVar("T")

_MOST = 200


@final
class Kept:
    """Results of counting, each for one version of the parts of the catalogue that it depends on.

    Arguments:
        catalogue: that is counted.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._turn = threading.Lock()
        self._known: dict[Hashable, tuple[int, object]] = {}

    def get(self, name: Hashable, parts: tuple[Part, ...], count: Callable[[], T]) -> T:
        """The result of `count`, which is called anew where one of the parts changed since."""
        version = self._catalogue.version(*parts)
        with self._turn:
            known = self._known.get(name)
            if known is None or known[0] != version:
                if len(self._known) >= _MOST:
                    self._known.clear()
                known = self._known[name] = (version, count())
            return cast(T, known[1])  # what was kept under a name is what it counts


@final
class Later(Generic[T]):
    """One result that takes long: worked out in a thread, and the one before it is given until then.

    Arguments:
        catalogue: that it depends on.
        parts: of the catalogue, likewise.
        work: gives the result.
    """

    def __init__(self, catalogue: Catalogue, parts: tuple[Part, ...], work: Callable[[], T]) -> None:
        self._catalogue, self._parts, self._work = catalogue, parts, work
        self._turn = threading.Lock()
        self._known: tuple[int, T] | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def get(self, wait: float) -> T | None:
        """The latest result; None where there is none after so many seconds.

        Raises:
            Exception: whatever the work raised.
        """
        version = self._catalogue.version(*self._parts)
        with self._turn:
            if self._known is not None and self._known[0] == version:
                return self._known[1]
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, args=(version,), daemon=True)
                self._thread.start()
            thread = self._thread
        thread.join(wait)
        with self._turn:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            return None if self._known is None else self._known[1]

    def _run(self, version: int) -> None:
        """Work, and keep what came out."""
        try:
            result = self._work()
        except BaseException as error:  # noqa: BLE001  raised again where the result is asked for
            with self._turn:
                self._error = error
        else:
            with self._turn:
                self._known = (version, result)
