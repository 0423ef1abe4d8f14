"""Imports on demand: a heavy or optional library loads where it is first used, not with `import trimtab`."""

from __future__ import annotations

import importlib
from types import ModuleType

from trimtab.base.errors import MissingExtra, message

__all__ = ["load", "need"]


def need(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Arguments:
        module: dotted name, such as "sklearn.datasets".
        extra: the extra of trimtab that installs it, such as "sklearn".
        purpose: what it is needed for, for the message.

    Raises:
        MissingExtra: the module, or something that it imports, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            message(
                f"{purpose} needs the package {module.split('.')[0]!r}, which could not be imported ({error})",
                do=f"pip install 'trimtab[{extra}]'",
            )
        ) from error


def load(target: str) -> object:
    """Import "module:attribute" and give the attribute.

    >>> load("math:pi")
    3.141592653589793
    """
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
