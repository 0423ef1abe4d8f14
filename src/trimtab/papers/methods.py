"""What of trimtab implements which paper, read from its own source text.

A method names its papers as data: a class with `refs`, or a module that writes down `Reference(...)`. The source is
read and not imported, so methods that need PyTorch are found without it. Who names a paper is linked to it:

    a class with `refs`         by the name of its tuner where it has one, else by its own
    a module with references    that none of its classes names: by the module's name

How to call it is a line that runs: a tuner by its name on the command line, anything else by its import. Its check is
the test file that mirrors it, in a checkout; the installed package has no tests.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import final

import trimtab.base.refs
from trimtab.base.refs import Reference
from trimtab.papers.records import Method
from trimtab.tuners.catalogue import CATALOGUE

__all__ = ["own_methods", "read_methods"]

_PACKAGE = Path(trimtab.base.refs.__file__).resolve().parent.parent
_PARTS = [field_.name for field_ in fields(Reference)]
_MOST_NAMES = 3  # of a module, in the line that imports them
_OUTSIDE = ("testing",)
_DOTTED = re.compile(r"\btrimtab(?:\.\w+)+")


@final
@dataclass(slots=True)
class _Module:
    """A module as its source has it.

    Attributes:
        name: dotted, from "trimtab".
        file: from the package's root, such as "tuners/values/tpe.py".
        tree: of its source.
        values: name -> the expression that the module gives it.
        imports: name -> the module and the name there.
        public: what it exports.
        made: names of its own classes and functions.
    """

    name: str
    file: str
    tree: ast.Module
    values: dict[str, ast.expr] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    public: tuple[str, ...] = ()
    made: frozenset[str] = frozenset()


@lru_cache(maxsize=1)
def own_methods() -> tuple[tuple[Reference, Method], ...]:
    """The methods of this installation, each with a paper that it names; a method with several comes several times.

    >>> sorted({method.call for reference, method in own_methods() if reference.arxiv == "2304.11127"})
    ['trimtab run FILE.py --tuner tpe']
    """
    tests = _PACKAGE.parent.parent / "tests"
    return tuple(read_methods(_PACKAGE, tests if tests.is_dir() else None, CATALOGUE))


def read_methods(
    package: Path, tests: Path | None = None, tuners: Mapping[str, str] | None = None
) -> list[tuple[Reference, Method]]:
    """The methods of a package by its source, those that write a paper down themselves before those that borrow it.

    Arguments:
        package: the folder.
        tests: the folder of its tests, where there is one.
        tuners: name of a tuner -> "module:class", see `trimtab.tuners.catalogue`.
    """
    modules = dict(_modules(package))
    called = {target: name for name, target in (tuners or {}).items()}
    checks = _Checks(tests)
    own: list[tuple[Reference, Method]] = []
    borrowed: list[tuple[Reference, Method]] = []
    for module in modules.values():
        written = dict.fromkeys(_references(module.tree, module, modules, follow=False))
        left = dict(written)
        for class_ in (node for node in module.tree.body if isinstance(node, ast.ClassDef)):
            named = dict.fromkeys(_named(class_, module, modules))
            method = _method(class_.name, module, modules, called, checks)
            for reference in named:
                (own if reference in written else borrowed).append((reference, method))
                left.pop(reference, None)
        if left:
            method = _method("", module, modules, {}, checks)
            own += [(reference, method) for reference in left]
    return own + borrowed


def _modules(package: Path) -> Iterator[tuple[str, _Module]]:
    """The modules that may have to do with references, and the fronts of packages, by name."""
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        if inside.parts[0] in _OUTSIDE:
            continue
        source = path.read_text(encoding="utf-8")
        if path.name != "__init__.py" and "Reference" not in source and "_REFS" not in source:
            continue
        parts = [package.name, *inside.with_suffix("").parts]
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        module = _Module(name, inside.as_posix(), ast.parse(source))
        _survey(module)
        yield name, module


def _survey(module: _Module) -> None:
    """Fill in what a module gives names to, imports and exports."""
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                module.imports[alias.asname or alias.name] = (node.module, alias.name)
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.expr):
            module.values[target.id] = value
    made = (node.name for node in module.tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef))
    module.made = frozenset(made)
    exported = module.values.get("__all__")
    if isinstance(exported, ast.List | ast.Tuple):
        module.public = tuple(str(name.value) for name in exported.elts if isinstance(name, ast.Constant))


def _named(class_: ast.ClassDef, module: _Module, modules: Mapping[str, _Module]) -> Iterator[Reference]:
    """The references that a class names as its `refs`: an attribute, or what a property gives."""
    for node in class_.body:
        if isinstance(node, ast.AnnAssign | ast.Assign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name) and target.id == "refs" and node.value is not None:
                yield from _references(node.value, module, modules)
        elif isinstance(node, ast.FunctionDef) and node.name == "refs":
            for inner in node.body:
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from _references(inner.value, module, modules)


def _references(
    node: ast.AST, module: _Module, modules: Mapping[str, _Module], *, follow: bool = True, depth: int = 0
) -> Iterator[Reference]:
    """The references in an expression, in order; names are looked up where they are to be followed."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Reference":
        reference = _read(node)
        if reference is not None:
            yield reference
    elif isinstance(node, ast.Subscript) and follow:
        found = list(_references(node.value, module, modules, depth=depth))
        place = node.slice.value if isinstance(node.slice, ast.Constant) else None
        yield from found[place : place + 1] if isinstance(place, int) else found
    elif isinstance(node, ast.Name):
        if follow and depth < 8:
            yield from _looked_up(node.id, module, modules, depth + 1)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _references(child, module, modules, follow=follow, depth=depth)


def _looked_up(name: str, module: _Module, modules: Mapping[str, _Module], depth: int) -> Iterator[Reference]:
    """The references behind a name of a module."""
    if name in module.values:
        yield from _references(module.values[name], module, modules, depth=depth)
    elif name in module.imports:
        where, there = module.imports[name]
        if where in modules:
            yield from _looked_up(there, modules[where], modules, depth)


def _read(call: ast.Call) -> Reference | None:
    """The reference that a call makes; None where its arguments are no constants."""
    values: dict[str, object] = {}
    for name, node in (
        *zip(_PARTS, call.args, strict=False),
        *((word.arg or "", word.value) for word in call.keywords),
    ):
        try:
            values[name] = ast.literal_eval(node)
        except ValueError:
            return None
    try:
        return Reference(**values)  # type: ignore[arg-type]
    except TypeError:
        return None


def _method(
    class_: str, module: _Module, modules: Mapping[str, _Module], called: Mapping[str, str], checks: _Checks
) -> Method:
    """The record of a class of a module, or of the module."""
    name = called.get(f"{module.name}:{class_}", class_)
    room = module.file.rpartition("/")[0]
    if class_ and name != class_:
        return Method(name, room, module.file, f"trimtab run FILE.py --tuner {name}", checks.find(module))
    stem = Path(module.file).stem
    names = [class_] if class_ else [one for one in module.public if one in module.made]
    # One that is called as the file is, is what the file is about.
    main = [one for one in names if one.lower() == stem.replace("_", "")] or names
    name = main[0] if len(main) == 1 else stem
    return Method(name, room, module.file, _import(main[:_MOST_NAMES], module, modules), checks.find(module))


def _import(names: list[str], module: _Module, modules: Mapping[str, _Module]) -> str:
    """The line that imports names of a module, from the nearest front that has them all."""
    if not names:
        return f"import {module.name}"
    front = module.name
    parts = module.name.split(".")
    for length in range(len(parts) - 1, 1, -1):
        package = modules.get(".".join(parts[:length]))
        if package is not None and all(name in package.public and name in package.imports for name in names):
            front = package.name
    return f"from {front} import {', '.join(names)}"


@final
class _Checks:
    """The tests of modules.

    Arguments:
        tests: the folder; None where there is none.
    """

    def __init__(self, tests: Path | None) -> None:
        self._root = tests
        self._named: dict[Path, frozenset[str]] = {}
        for path in [] if tests is None else sorted(tests.rglob("test_*.py")):
            self._named[path] = frozenset(_DOTTED.findall(path.read_text(encoding="utf-8")))

    def find(self, module: _Module) -> str:
        """The test that mirrors a module: it imports it, or its front, and is called and placed as it is."""
        if self._root is None:
            return ""
        stem = Path(module.file).stem
        front = module.name.rpartition(".")[0]
        places = {*Path(module.file).parts[:-1]}
        best, found = (0, 0, 0, 0, 0), ""
        for path, named in self._named.items():
            direct, through = module.name in named, front in named
            mirrors = path.stem == f"test_{stem}"
            shared = len(places & {*path.relative_to(self._root).parts[:-1]})
            if not (direct or through or (mirrors and shared)) or not (direct or mirrors or front.count(".") > 1):
                continue
            rank = (int(mirrors and shared > 0), int(direct), shared, int(stem in path.stem), int(through))
            if rank > best:
                best, found = rank, path.relative_to(self._root.parent).as_posix()
        return found
