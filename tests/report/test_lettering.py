from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.report.figure import wrap
from trimtab.report.lettering import fit, text_width


@given(st.text(max_size=60), st.floats(30, 300))
def test_a_fitted_text_is_no_wider_than_its_room(text: str, room: float) -> None:
    fitted = fit(text, 12.0, room)
    assert text_width(fitted, 12.0) <= room
    assert fitted == text or "…" in fitted


def test_the_longest_names_are_fitted_at_once() -> None:
    assert text_width(fit("x" * 100_000, 12.0, 100.0), 12.0) <= 100.0


@pytest.mark.parametrize("text", ["opt.adam.weight_decay", "1,000", "batch_size", "0.00012", "WIDTH", "milliseconds"])
def test_widths_bound_those_of_a_wide_system_font(text: str) -> None:
    """Widths in DejaVu Sans at 100 px, measured with its own metrics."""
    measured = {
        "opt.adam.weight_decay": 1198.5,
        "1,000": 286.3,
        "batch_size": 526.2,
        "0.00012": 413.5,
        "WIDTH": 341.7,
        "milliseconds": 617.3,
    }[text]
    assert measured * 0.998 <= text_width(text, 100.0) <= measured * 1.15


@given(st.text(st.characters(codec="ascii"), max_size=300), st.floats(60, 500))
def test_wrapped_lines_fit_and_lose_no_word(text: str, width: float) -> None:
    lines = wrap(text, width)
    assert all(text_width(line, 12.0) <= width for line in lines)
    if all(text_width(word, 12.0) <= width for word in text.split()):
        assert " ".join(lines).split() == text.split()
