"""Which examples a split consists of, without keeping them: fingerprints, and whether two splits overlap.

A fingerprint holds two BLAKE2b hashes: of the examples in their order, and of them as a collection. So a validation
set that changed is told from one that was merely put into another order, and both are refused: losses are compared
example by example. Two splits are told to overlap from their examples themselves, which are hashed one by one for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Json

__all__ = ["Fingerprint", "check_disjoint"]


@final
@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One split. Made by `of`.

    Arguments:
        size: how many examples.
        ordered: hash of the examples, with their labels, in their order.
        members: hash of the same in any order.
    """

    size: int
    ordered: str
    members: str

    @classmethod
    def of(cls, examples: ArrayLike, labels: ArrayLike | None = None) -> Fingerprint:
        """The fingerprint of a split.

        Arguments:
            examples: an identifier of each example (numbers or texts), shape (n,); or the examples themselves,
                shape (n, ...).
            labels: what belongs to each, shape (n,) or (n, ...), so that a corrected label counts as a change.

        Raises:
            InvalidArgument: no example, or labels of another number.

        >>> Fingerprint.of([3, 1, 2]) == Fingerprint.of(np.array([3, 1, 2]))
        True
        """
        hashes = _hashes(examples)
        if labels is not None:
            more = _hashes(labels)
            if len(more) != len(hashes):
                raise InvalidArgument(
                    message("labels must belong to the examples", got=len(more), allowed=f"{len(hashes)} labels")
                )
            hashes = [_hash(first + second) for first, second in zip(hashes, more, strict=True)]
        if not hashes:
            raise InvalidArgument(message("a split needs examples", got=0, allowed="one or more"))
        return cls(len(hashes), _hash(b"".join(hashes)).hex(), _hash(b"".join(sorted(hashes))).hex())

    def check(self, given: Fingerprint, part: str) -> None:
        """Refuse a split that is not this one.

        Arguments:
            given: the split as it is now.
            part: what to call it, such as "holdout".

        Raises:
            InvalidArgument: another size, other examples or labels, or another order.
        """
        if given == self:
            return
        if given.size != self.size:
            what, do = f"the {part} changed its size", "go on with the same examples, or create a new study"
        elif given.members != self.members:
            what, do = f"the {part} holds other examples or labels", "go on with the same, or create a new study"
        else:
            what, do = f"the {part} is in another order", "put the examples back into their first order"
        raise InvalidArgument(
            message(
                what,
                got=f"{given.size} examples, fingerprint {given.ordered[:8]}",
                allowed=f"{self.size} examples, fingerprint {self.ordered[:8]}",
                do=do,
            )
        )

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Fingerprint:
        """Inverse of `to_json`."""
        return cls(**data)


def check_disjoint(training: ArrayLike, holdout: ArrayLike) -> None:
    """Refuse two splits that share an example.

    Arguments:
        training: identifiers or examples, as for `Fingerprint.of`.
        holdout: likewise, of the same kind.

    Raises:
        InvalidArgument: they overlap; the message tells how many and where.
    """
    seen = set(_hashes(training))
    places = [place for place, one in enumerate(_hashes(holdout)) if one in seen]
    if places:
        raise InvalidArgument(
            message(
                f"training part and holdout overlap in {len(places)} examples",
                got=f"places {places[:5]} of the holdout are in the training part, too",
                allowed="no example in both",
                do="split again, each example to one side, copies of an example together",
            )
        )


def _hashes(examples: ArrayLike) -> list[bytes]:
    """A hash for each example."""
    array = np.asarray(examples)
    if array.ndim == 0:
        raise InvalidArgument(message("examples must be a sequence", got=examples, allowed="one entry per example"))
    if array.ndim == 1 or array.dtype.kind not in "biuf":
        items: Sequence[Any] = array.tolist()
        return [_hash(repr(item).encode("utf-8", "surrogatepass")) for item in items]
    # Adding zero makes -0.0 the 0.0 that it equals.
    rows = np.ascontiguousarray(array.reshape(len(array), -1).astype("<f8") + 0.0)
    return [_hash(row.tobytes()) for row in rows]


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
