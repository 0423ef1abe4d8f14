"""The rows of a table of systems, as a catalogue keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__ = ["System"]


@final
@dataclass(frozen=True, slots=True)
class System:
    """A row of a table of systems.

    Arguments:
        n: its number.
        system: its name.
        room: where it belongs, such as "tuners/values".
        role: what it does there.
        works_when: when it counts as working.
    """

    n: int
    system: str
    room: str
    role: str = ""
    works_when: str = ""
