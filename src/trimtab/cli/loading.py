"""A user's file as a module: its objective, and beside it the space, the directions and a first configuration."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from inspect import isclass, isfunction, signature
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from trimtab.base.errors import InvalidArgument, UnknownName, message

if TYPE_CHECKING:
    from trimtab.base.records import Direction, Params
    from trimtab.space import Space
    from trimtab.tuners.tasks import TaskFamily

__all__ = ["Loaded", "load_family", "load_file"]

DEFAULT_OBJECT = "objective"
DEFAULT_FAMILY = "family"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file declares.

    Arguments:
        path: of the file, absolute.
        name: of the objective in it.
        objective: function of a trial.
        space: the module's `space`; None for define-by-run.
        direction: the module's `direction`, if any.
        directions: the module's `directions`, if any.
        default: the module's `default`: a configuration to try first, if any.
    """

    path: Path
    name: str
    objective: Callable[[Any], Any]
    space: Space | None
    direction: Direction | None
    directions: Any
    default: Params | None


def load_file(target: str) -> Loaded:
    """Run a file as a module and take what it declares.

    The module's name is one that nothing can import, so executors send what belongs to it by value. The
    file's folder is on the import path, as it is for `python FILE.py`.

    Arguments:
        target: "FILE.py" or "FILE.py:OBJECT".

    Raises:
        InvalidArgument: no such file, it does not run, or what it declares is of the wrong kind.
        UnknownName: it has no such object.
    """
    path, name = _split(target)
    module = _run(path)
    objective = getattr(module, name, None)
    if not callable(objective) or isclass(objective):
        raise _no_objective(path, name, module)
    return Loaded(
        path=path,
        name=name,
        objective=objective,
        space=_space(path, module),
        direction=getattr(module, "direction", None),
        directions=getattr(module, "directions", None),
        default=_default(path, module),
    )


def load_family(target: str) -> TaskFamily:
    """Run a file as a module and take the family of tasks that it declares.

    Arguments:
        target: "FILE.py" or "FILE.py:OBJECT"; the object is called `family` where none is named.

    Raises:
        InvalidArgument: no such file, it does not run, or the object is no family of tasks.
        UnknownName: it has no such object.
    """
    from trimtab.tuners.tasks import TaskFamily

    path, name = _split(target, DEFAULT_FAMILY)
    module = _run(path)
    own = [key for key, value in vars(module).items() if isinstance(value, TaskFamily)]
    if not hasattr(module, name):
        raise UnknownName(
            message(
                f"{path.name} has no family {name!r}",
                allowed=f"families in it: {', '.join(own)}" if own else "a trimtab.tuners.tasks.TaskFamily",
                do=f"name it: {path.name}:{own[0]}" if own else f"define `{name} = TaskFamily([...])` in it",
            )
        )
    family = getattr(module, name)
    if not isinstance(family, TaskFamily):
        raise InvalidArgument(
            message(
                f"{name!r} in {path.name} is no family of tasks",
                got=family,
                allowed="a trimtab.tuners.tasks.TaskFamily",
                do=f"name it: {path.name}:{own[0]}" if own else "make one of a list of FamilyMember",
            )
        )
    return family


def _split(target: str, default: str = DEFAULT_OBJECT) -> tuple[Path, str]:
    """The file's absolute path and the name of the object in it."""
    file, name = target, default
    if not Path(target).is_file() and ":" in target:
        file, _, name = target.rpartition(":")
    path = Path(file).expanduser().absolute()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InvalidArgument(
            message(
                f"the file {file} {what}",
                allowed=f"a Python file, or FILE.py:OBJECT where the object has another name than {default!r}",
                do="check the path; the present folder is " + str(Path.cwd()),
            )
        )
    return path, name


def _run(path: Path) -> ModuleType:
    """The file as a module under a name that no other module has."""
    name = f"trimtab_file_{path.stem}"
    loader = SourceFileLoader(name, str(path))
    module = module_from_spec(ModuleSpec(name, loader, origin=str(path)))
    module.__file__ = str(path)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        del sys.modules[name]
        raise InvalidArgument(_told(path, error)) from error
    return module


def _told(path: Path, error: BaseException) -> str:
    """Why a file did not run: the exception, and the file's own line that led to it."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    where = f" at line {lines[-1]}" if lines else ""
    return message(
        f"the file {path.name} could not be loaded: {type(error).__name__}{where}: {error}",
        do="correct it; `trimtab --debug run ...` shows the whole traceback",
    )


def _no_objective(path: Path, name: str, module: ModuleType) -> UnknownName:
    """The error for a file without the object, naming those functions that could be meant."""
    own = [
        key
        for key, value in vars(module).items()
        if isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_") and _takes_one(value)
    ]
    got = getattr(module, name, None)
    return UnknownName(
        message(
            f"{path.name} has no function {name!r}" if got is None else f"{name!r} in {path.name} is not a function",
            got=got,
            allowed=f"functions of one argument in it: {', '.join(own)}" if own else "a function of one trial",
            do=f"trimtab run {path.name}:{own[0]}" if own else f"define `def {name}(trial):` in it",
        )
    )


def _takes_one(function: Callable[..., Any]) -> bool:
    """Whether a function can be called with one positional argument."""
    try:
        signature(function).bind(None)
    except TypeError:
        return False
    return True


def _space(path: Path, module: ModuleType) -> Space | None:
    """The module's declared space."""
    from trimtab.space import Space

    space = getattr(module, "space", None)
    if space is None or isinstance(space, Space):
        return space
    raise InvalidArgument(
        message(
            f"`space` in {path.name} must be a trimtab.Space",
            got=space,
            do="write space = trimtab.Space(lr=trimtab.Float(1e-5, 1e-1, log=True)), or give it another name",
        )
    )


def _default(path: Path, module: ModuleType) -> Params | None:
    """The module's first configuration."""
    default = getattr(module, "default", None)
    if default is None or isinstance(default, Mapping):
        return default
    raise InvalidArgument(
        message(f"`default` in {path.name} must be a dict of params", got=default, do="or give it another name")
    )
