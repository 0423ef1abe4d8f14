"""A task on its way into a worker process: pickled with cloudpickle, and explained where it cannot be.

cloudpickle sends functions and classes of `__main__` (scripts, notebooks), lambdas and closures by
value, and everything that belongs to a module by its name. A module that was loaded from a file
path, as `trimtab run FILE.py` does it, has a name that a worker cannot import; what belongs to such a
module is sent by value, too. A module counts as importable if the import system, asked afresh, finds
the very file that it came from.

cloudpickle drops the names of source files; here they go along, and the lines of notebook cells with
them, so that a traceback in a worker shows the user's own lines.
"""

from __future__ import annotations

import functools
import importlib.machinery
import io
import linecache
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import cloudpickle

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.ports import Task

__all__ = ["dump_task", "importable", "load_task"]


def dump_task(task: Task[Any]) -> bytes:
    """The task as bytes that a worker process can load.

    Raises:
        InvalidArgument: it cannot be pickled; the text names the part that is to blame.
    """
    try:
        return _dumps(task)
    except Exception as error:  # pickling runs code of whatever the task holds
        path, part = _blame(task, "the task", set())
        raise InvalidArgument(
            message(
                f"the objective cannot be sent to a worker process: {path} cannot be pickled ({error})",
                got=part,
                allowed="objects that pickle, and functions and classes of any kind",
                do="make it inside the objective, or move it into a module that the objective imports, "
                "or stay in this process with n_jobs=1 and executor='inline'",
            )
        ) from error


def load_task(data: bytes) -> Task[Any]:
    """Inverse of `dump_task`; raises whatever the task's modules raise on import."""
    task: Task[Any] = pickle.loads(data)
    return task


def importable(module: ModuleType) -> bool:
    """Whether a fresh interpreter with this `sys.path` would import the module from the same file.

    Modules without a file (built in, or made by a package as it is imported) count as importable.
    """
    file = getattr(module, "__file__", None)
    if file is None:
        return True
    spec, path = None, None
    for prefix in _prefixes(module.__name__):
        spec = _fresh_spec(prefix, path)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    if spec is None or spec.origin is None or not spec.has_location:  # built in or frozen
        return True
    return os.path.realpath(spec.origin) == os.path.realpath(str(file))


def _prefixes(name: str) -> Iterator[str]:
    """The packages that a module lies in, outermost first, and the module itself."""
    parts = name.split(".")
    return (".".join(parts[: place + 1]) for place in range(len(parts)))


def _fresh_spec(name: str, path: list[str] | None) -> importlib.machinery.ModuleSpec | None:
    """Where the import system finds a module, disregarding that it is imported already."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path)
        if spec is not None:
            return spec
    return None


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle is untyped
    """Has unimportable modules sent by value as their functions and classes pass by, and keeps source names."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.known = {"builtins": True, "__main__": True}
        self.registered: list[ModuleType] = []

    def reducer_override(self, obj: Any) -> Any:
        """Look at the object's module, then do what cloudpickle does."""
        if isinstance(obj, CodeType):
            make, parts = self.dispatch_table[CodeType](obj)
            return _make_code, (obj.co_filename, _unsaved_lines(obj.co_filename), make, parts)
        if isinstance(obj, ModuleType):
            self._look_at(obj.__name__)
        elif isinstance(obj, FunctionType | type):
            self._look_at(obj.__module__)
        return super().reducer_override(obj)

    def _look_at(self, name: object) -> None:
        if not isinstance(name, str) or name in self.known:
            return
        module = sys.modules.get(name)
        self.known[name] = module is None or importable(module)
        if module is not None and not self.known[name] and name not in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.register_pickle_by_value(module)
            self.registered.append(module)


def _unsaved_lines(file: str) -> list[str] | None:
    """Source that is known to this process alone, such as a notebook's cell."""
    return None if os.path.exists(file) else linecache.getlines(file)


def _make_code(file: str, lines: list[str] | None, make: Callable[..., CodeType], parts: tuple[Any, ...]) -> CodeType:
    """The code object with the name of its source again. Called where a task is loaded."""
    if lines:
        linecache.cache.setdefault(file, (sum(map(len, lines)), None, lines, file))
    return make(*parts).replace(co_filename=file)


def _dumps(value: object) -> bytes:
    file = io.BytesIO()
    pickler = _Pickler(file)
    try:
        pickler.dump(value)
    finally:
        for module in pickler.registered:
            cloudpickle.unregister_pickle_by_value(module)
    return file.getvalue()


def _blame(value: object, path: str, seen: set[int]) -> tuple[str, object]:
    """The innermost part of a value that cannot be pickled, and the way to it."""
    for label, part in _parts(value):
        if id(part) not in seen and not _travels(part):
            seen.add(id(part))
            return _blame(part, f"{label} of {path}", seen)
    return path, value


def _travels(value: object) -> bool:
    try:
        _dumps(value)
    except Exception:  # noqa: BLE001 - pickling runs code of whatever the value holds
        return False
    return True


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """What goes along when a value is pickled, each with words for it."""
    if isinstance(value, MethodType):
        yield "the object", value.__self__
    elif isinstance(value, functools.partial):
        yield "the function", value.func
        yield from ((f"argument {place}", item) for place, item in enumerate(value.args))
        yield from ((f"argument {name!r}", item) for name, item in value.keywords.items())
    elif isinstance(value, FunctionType):
        yield from _function_parts(value)
    elif isinstance(value, Mapping):
        yield from ((f"item {key!r}", item) for key, item in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"item {place}", item) for place, item in enumerate(value))
    else:
        yield from _attributes(value)


def _function_parts(function: FunctionType) -> Iterator[tuple[str, object]]:
    """Closure variables, the globals that a function names, and its defaults."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"variable {name!r}", cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for name in dict.fromkeys(_names(function.__code__)):
        if name in function.__globals__:
            yield f"global {name!r}", function.__globals__[name]
    yield from (("a default argument", item) for item in function.__defaults__ or ())


def _names(code: CodeType) -> Iterator[str]:
    """Names that code looks up, nested functions included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _attributes(value: object) -> Iterator[tuple[str, object]]:
    """Instance attributes, in a dict or in slots."""
    for name, item in getattr(value, "__dict__", {}).items():
        if not name.startswith("__"):
            yield f"attribute {name!r}", item
    for cls in type(value).__mro__:
        for name in getattr(cls, "__slots__", ()):
            if not name.startswith("__") and hasattr(value, name):
                yield f"attribute {name!r}", getattr(value, name)
