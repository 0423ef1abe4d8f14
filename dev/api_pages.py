"""The reference of the Python API as Markdown, read from the source without importing it.

What is public is what `__all__` lists: of the package, of each room, and where a room lists nothing,
of its modules. Reading the source statically makes the pages the same under every Python version.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import griffe

LONGEST_SIGNATURE = 100

BESIDE = (
    *(f"tuners.gradients.{name}" for name in ("bilevel", "games", "penalties", "rewards", "self_tuning")),
    "tuners.tasks",
    *(f"tuners.tasks.{name}" for name in ("duals", "transfer", "representation", "private")),
    *(
        f"trust.{name}"
        for name in ("default_guard", "clean_up", "overtuning", "compound_binomials", "stopping", "stability")
    ),
    *(f"trust.{name}" for name in ("holdout", "racing", "optimum_posterior", "answer_length", "tightness")),
    *(f"papers.{name}" for name in ("reading", "identity", "linking", "search", "reader", "digest")),
)
"""Rooms within rooms that have a page of their own, since the outer room does not pass their names on."""


class Findings(logging.Handler):
    """Collects what griffe says of docstrings, such as an argument that the signature does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, unless it is about several arguments told of in one line, which griffe does not know."""
        text = record.getMessage()
        if not re.search(r"'[^']*, [^']*'", text):
            self.texts.append(text)


def listen() -> Findings:
    """Collect from now on, in place of showing."""
    findings = Findings()
    logger = logging.getLogger("griffe")
    logger.addHandler(findings)
    logger.propagate = False
    return findings


def load(source: Path) -> griffe.Module:
    """The package as griffe reads it from `source`, the folder that holds `trimtab/`."""
    package = griffe.load("trimtab", search_paths=[source], docstring_parser="google", allow_inspection=False)
    assert isinstance(package, griffe.Module)
    return package


def api_pages(package: griffe.Module) -> dict[str, str]:
    """File name -> Markdown: one page for the package's own names, one for each room that has public names."""
    surface = {_target(package, name).path for name in package.exports or []}
    pages = {"trimtab.md": "\n".join(_page(package, list(_public(package)), frozenset()))}
    for name in BESIDE:
        module = package[name]
        pages[f"{name}.md"] = "\n".join(_page(module, list(_public(module)), surface))
    for room in _rooms(package):
        objects = [found for module in _public_modules(room) for found in _public(module)]
        if objects:
            pages[f"{room.name}.md"] = "\n".join(_page(room, objects, surface))
    return pages


def summary(thing: griffe.Object) -> str:
    """First sentence of the docstring, on one line."""
    text = thing.docstring.value if thing.docstring else ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.:])\s+(?=[A-Z`])", paragraph)[0]


def _rooms(package: griffe.Module) -> list[griffe.Module]:
    """The package's own modules and subpackages by name; the commands have a page of their own."""
    return [module for name, module in sorted(package.modules.items()) if not name.startswith("_") and name != "cli"]


def _public_modules(room: griffe.Module) -> Iterator[griffe.Module]:
    """The room itself where it lists public names, or else those modules under it that do."""
    if room.exports:
        yield room
    else:
        for name, module in sorted(room.modules.items()):
            if not name.startswith("_"):
                yield from _public_modules(module)


def _public(module: griffe.Module) -> Iterator[griffe.Object]:
    """What a module's `__all__` lists, in its order, wherever it is defined."""
    for name in module.exports or []:
        if name != "__version__":
            yield _target(module, str(name))


def _target(module: griffe.Module, name: str) -> griffe.Object:
    """The definition behind a name."""
    member = module[str(name)]
    return member.final_target if isinstance(member, griffe.Alias) else member


def _page(owner: griffe.Module, objects: list[griffe.Object], elsewhere: Iterable[str]) -> Iterator[str]:
    """Lines of one page. Names that the page of the package tells are only listed."""
    yield (
        f"# The public surface: `{owner.path}`\n"
        if owner.is_package and owner.parent is None
        else f"# `{owner.path}`\n"
    )
    yield f"{_docstring(owner)}\n"
    told = [thing for thing in objects if thing.path not in elsewhere]
    listed = [thing for thing in objects if thing.path in elsewhere]
    if listed:
        links = ", ".join(f"[`{thing.name}`](trimtab.md#{_anchor(thing.name)})" for thing in listed)
        yield f"Public in `trimtab` itself: {links}.\n"
    yield "| name | |\n|---|---|"
    for thing in told:
        yield f"| [`{thing.name}`](#{_anchor(thing.name)}) | {summary(thing).replace('|', chr(92) + '|')} |"
    for thing in told:
        yield from _entry(thing)


def _anchor(name: str) -> str:
    """The anchor that a heading made of a name alone gets."""
    return name.lower()


def _entry(thing: griffe.Object) -> Iterator[str]:
    """A public name with what belongs to it."""
    yield f"\n## `{thing.name}`\n"
    if isinstance(thing, griffe.Class):
        yield _fence(_call(thing.name, thing.parameters, "", "class "))
        yield f"Defined in `{thing.module.path}`.\n\n{_docstring(thing)}"
        yield from _members(thing)
    elif isinstance(thing, griffe.Function):
        yield _fence(_call(thing.name, thing.parameters, f" -> {thing.returns}" if thing.returns else ""))
        yield f"Defined in `{thing.module.path}`.\n\n{_docstring(thing)}"
    else:
        yield _fence(f"{thing.name} = {getattr(thing, 'value', '...')}")
        yield f"Defined in `{thing.module.path}`.\n\n{_docstring(thing)}"


def _members(owner: griffe.Class) -> Iterator[str]:
    """The documented public methods and properties of a class, in the order of the source."""
    for name, member in owner.members.items():
        if name.startswith("_") or not isinstance(member, griffe.Object) or member.docstring is None:
            continue
        yield f"\n### `{owner.name}.{name}`\n"
        if isinstance(member, griffe.Function):
            yield _fence(_call(name, member.parameters, f" -> {member.returns}" if member.returns else ""))
        elif isinstance(member, griffe.Attribute) and member.annotation is not None:
            yield _fence(f"{name}: {member.annotation}")
        yield _docstring(member)


def _fence(code: str) -> str:
    return f"```python\n{code}\n```\n"


def _call(name: str, parameters: griffe.Parameters, returns: str, prefix: str = "") -> str:
    """A signature, on one line where it fits."""
    parts = list(_parameters(parameters))
    line = f"{prefix}{name}({', '.join(parts)}){returns}"
    if len(line) <= LONGEST_SIGNATURE:
        return line
    return f"{prefix}{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){returns}"


def _parameters(parameters: griffe.Parameters) -> Iterator[str]:
    """Each parameter as written, with the `/` and `*` that separate their kinds."""
    kinds = griffe.ParameterKind
    previous = None
    starred = False
    for parameter in parameters:
        if parameter.name in ("self", "cls"):
            continue
        if previous is kinds.positional_only and parameter.kind is not kinds.positional_only:
            yield "/"
        if parameter.kind is kinds.keyword_only and not starred:
            yield "*"
            starred = True
        starred = starred or parameter.kind is kinds.var_positional
        stars = {kinds.var_positional: "*", kinds.var_keyword: "**"}.get(parameter.kind, "")
        annotation = f": {parameter.annotation}" if parameter.annotation else ""
        default = ""
        if parameter.default is not None and not stars:
            default = f" = {parameter.default}" if annotation else f"={parameter.default}"
        yield f"{stars}{parameter.name}{annotation}{default}"
        previous = parameter.kind


def _docstring(thing: griffe.Object) -> str:
    """The docstring as Markdown."""
    if thing.docstring is None:
        return ""
    return "\n".join(_section(section) for section in thing.docstring.parsed)


def _section(section: griffe.DocstringSection) -> str:
    """One part of a docstring: prose, a list of named things, or a titled remark."""
    value = section.value
    if isinstance(value, str):
        return _prose(value)
    if isinstance(value, list):
        items = "".join(_item(item) for item in value)
        return f"**{section.kind.value.capitalize()}**\n\n{items}"
    title = section.title or getattr(value, "kind", "")
    return f"**{title.capitalize()}.** {_prose(getattr(value, 'contents', ''))}"


def _item(item: griffe.DocstringElement) -> str:
    """One named thing of a list, such as a parameter or an error."""
    name = getattr(item, "name", "") or str(item.annotation or "")
    return f"- `{name}`: {' '.join(item.description.split())}\n"


def _prose(text: str) -> str:
    """Text with its interpreter sessions fenced."""
    out = []
    for paragraph in re.split(r"\n{2,}", text):
        session = paragraph.lstrip().startswith(">>>")
        out.append(f"```pycon\n{paragraph}\n```" if session else paragraph)
    return "\n\n".join(out) + "\n"
