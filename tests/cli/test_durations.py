"""Lengths of time on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.cli.durations import parse_seconds


@given(st.integers(0, 40), st.integers(0, 90), st.integers(0, 90), st.integers(0, 90))
def test_parts_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = days * 86400 + hours * 3600 + minutes * 60 + seconds
    text = f"{days}d{hours}h{minutes}m{seconds}s"
    if total:
        assert parse_seconds(text, "--timeout") == total
        assert parse_seconds(f" {text.upper()} ", "--timeout") == total
        assert parse_seconds(str(total), "--timeout") == total


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-5m", "10x", "m", "10 m", "ten", "1e3", "nan", "10m5", "١٠m", "9" * 400]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        parse_seconds(text, "--timeout")
    told = str(error.value)
    assert told.startswith("--timeout must be a length of time above 0; got '")
    assert "allowed: a number and a unit, s m h or d, such as 90s, 10m, 2h, 1d or 1h30m" in told
    assert told.endswith("Next: write for instance --timeout 10m.")
