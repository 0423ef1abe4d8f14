"""A space as text: the Python that makes it."""

from __future__ import annotations

import keyword

from trimtab.space.choice import Nested

__all__ = ["shown"]

_WIDTH = 100


def shown(space: Nested) -> str:
    """The calls that make a space, on several lines where one would be too long."""
    own = {name: repr(parameter) for name, parameter in space.parameters.items() if name not in space.fills}
    calls = [_made(own, space.is_traced)]
    for name, older in space.fills.items():
        calls.append(f"with_parameter({name!r}, {space.parameters[name]!r}, older={older!r})")
    if space.constraints:
        calls.append(f"require({', '.join(map(repr, space.constraints))})")
    return ".".join(calls)


def _made(own: dict[str, str], traced: bool) -> str:
    """The first call, with the texts of the parameters."""
    if traced or not all(map(_is_keyword, own)):
        start, end = "Space.traced({" if traced else "Space({", "})"
        pairs = [f"{name!r}: {text}" for name, text in own.items()]
    else:
        start, end = "Space(", ")"
        pairs = [f"{name}={text}" for name, text in own.items()]
    line = f"{start}{', '.join(pairs)}{end}"
    if len(line) <= _WIDTH:
        return line
    body = "".join("    " + pair.replace("\n", "\n    ") + ",\n" for pair in pairs)
    return f"{start}\n{body}{end}"


def _is_keyword(name: str) -> bool:
    """Whether a name may be written as a keyword argument; others need a dict."""
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
