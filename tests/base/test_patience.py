"""Trying again: as long as others are in the way, and no longer than the patience."""

import time

import pytest

from trimtab.base.patience import patiently


class Busy(Exception):
    pass


def is_busy(error: Exception) -> bool:
    return isinstance(error, Busy)


@pytest.fixture
def pauses(monkeypatch):
    """Time that passes only while somebody sleeps; gives the lengths of the pauses."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))
    return slept


def failing(times: int, error: Exception):
    left = [error] * times

    def attempt() -> str:
        if left:
            raise left.pop()
        return "done"

    return attempt


def test_it_goes_on_until_it_succeeds(pauses):
    assert patiently(failing(30, Busy()), is_busy, patience=60.0) == "done"
    assert len(pauses) == 30
    assert all(0.0 <= pause <= 0.02 for pause in pauses)
    assert all(pause <= 0.001 * 2**count for count, pause in enumerate(pauses))
    assert len(set(pauses)) == 30, "collisions are not repeated in step"


def test_patience_ends(pauses):
    with pytest.raises(Busy):
        patiently(failing(10**6, Busy()), is_busy, patience=1.0)
    assert 1.0 <= sum(pauses) <= 1.02


def test_other_errors_are_not_tried_again(pauses):
    with pytest.raises(KeyError):
        patiently(failing(1, KeyError()), is_busy, patience=60.0)
    assert pauses == []
