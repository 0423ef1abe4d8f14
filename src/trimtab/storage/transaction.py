"""SQLAlchemy's statements on a driver's own connection.

SQLAlchemy writes each statement once in a database's dialect; the text then goes straight to the
driver. Its own execution would cost more than SQLite needs for the statement itself, and a trial is
made of a dozen statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, final

from sqlalchemy import ClauseElement, Dialect

__all__ = ["Compiler", "Transaction"]

Values: TypeAlias = Mapping[str, Any]


class _Cursor(Protocol):
    """The part of a DBAPI cursor (PEP 249) that is used here."""

    def execute(self, text: str, values: Any, /) -> Any: ...

    def executemany(self, text: str, values: Any, /) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class _Compiled(NamedTuple):
    """A statement as text, and how to lay out its values for the driver."""

    text: str
    lay_out: Callable[[Values], Any]


@final
class Compiler:
    """Writes statements in one dialect, each once."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: dict[ClauseElement, _Compiled] = {}

    def __call__(self, statement: ClauseElement) -> _Compiled:
        """The statement's text and layout."""
        found = self._known.get(statement)
        if found is None:
            found = self._known[statement] = self._compile(statement)
        return found

    def _compile(self, statement: ClauseElement) -> _Compiled:
        """Let SQLAlchemy write the statement."""
        compiled: Any = statement.compile(dialect=self._dialect)
        # Values that are part of the statement, such as that of a LIMIT; DDL has none.
        fixed = {name: value for name, value in (compiled.params or {}).items() if value is not None}
        names: Sequence[str] | None = getattr(compiled, "positiontup", None)
        if names is None:
            return _Compiled(str(compiled), lambda values: {**fixed, **values})
        if fixed:
            return _Compiled(str(compiled), lambda values: [values.get(n, fixed.get(n)) for n in names])
        return _Compiled(str(compiled), lambda values: [values[name] for name in names])


@final
class Transaction:
    """Runs statements inside a transaction that somebody else begins and ends."""

    def __init__(self, cursor: _Cursor, compiler: Compiler) -> None:
        self._cursor = cursor
        self._compiler = compiler

    def rows(self, statement: ClauseElement, **values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        text, lay_out = self._compiler(statement)
        self._cursor.execute(text, lay_out(values))
        return self._cursor.fetchall()

    def stream(self, statement: ClauseElement, **values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a query one by one, for a query of many; to be used up before the next statement."""
        text, lay_out = self._compiler(statement)
        self._cursor.execute(text, lay_out(values))
        return iter(self._cursor)

    def run(self, statement: ClauseElement, values: Values | None = None) -> None:
        """Run a statement that gives no rows."""
        text, lay_out = self._compiler(statement)
        self._cursor.execute(text, lay_out(values or {}))

    def run_many(self, statement: ClauseElement, values: Iterable[Values]) -> None:
        """Run a statement once for each mapping of values."""
        text, lay_out = self._compiler(statement)
        self._cursor.executemany(text, [lay_out(one) for one in values])
