"""Counter-based random numbers: the stream is a function of what it is for, not of what came before.

A `Key` names a use of randomness by (study seed, trial number, purpose). Its generator is a Philox
counter generator (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011) keyed by a hash of that name, so two workers that ask for different trials never share a
stream, and a replay of one trial needs no other trial to be replayed first.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Key", "draw_seed"]


@dataclass(frozen=True, slots=True)
class Key:
    """Names one stream of random numbers.

    Arguments:
        seed: the study's seed, any integer.
        trial: the trial's number, or -1 for what belongs to the whole study.
        purpose: what the numbers are for, such as "ask".

    >>> a = Key(0, 3, "ask").generator().random()
    >>> a == Key(0, 3, "ask").generator().random(), a == Key(0, 4, "ask").generator().random()
    (True, False)
    """

    seed: int
    trial: int = -1
    purpose: str = ""

    def for_trial(self, trial: int) -> Key:
        """The same seed and purpose for another trial."""
        return replace(self, trial=trial)

    def child(self, purpose: str) -> Key:
        """A key for one part of this purpose: independent of this one and of its other children."""
        return replace(self, purpose=f"{self.purpose}/{purpose}")

    def integer(self) -> int:
        """A 128-bit integer that identifies the key; seeds generators of other libraries."""
        name = f"{self.seed}\x1f{self.trial}\x1f{self.purpose}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(name, digest_size=16).digest(), "little")

    def generator(self) -> np.random.Generator:
        """A fresh generator at the start of this key's stream."""
        return np.random.Generator(np.random.Philox(key=self.integer()))


def draw_seed() -> int:
    """A seed from the operating system, for a study that was given none. It is recorded with the study."""
    return int.from_bytes(os.urandom(7), "little") >> 3
