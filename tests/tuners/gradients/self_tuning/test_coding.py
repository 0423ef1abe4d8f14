"""The coding: there and back, slopes, what the response reads, and what cannot be tuned."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.space import Categorical, Float, Int, Space
from trimtab.tuners.gradients.self_tuning import EDGE, Coding, HalfLine, Line, Range, Whole

SPAN = st.floats(0.01, 1e3)


@settings(deadline=None)
@given(low=st.floats(1e-6, 1e3), span=SPAN, share=st.floats(2 * EDGE, 1 - 2 * EDGE), log=st.booleans())
def test_a_range_comes_back(low: float, span: float, share: float, log: bool) -> None:
    code = Range(low, low + span, log)
    value = low * ((low + span) / low) ** share if log else low + span * share
    back = float(code.decode(torch.tensor(code.encode(value), dtype=torch.float64)))
    assert back == pytest.approx(value, rel=1e-9)


@settings(deadline=None)
@given(low=st.integers(1, 50), cells=st.integers(1, 500), step=st.integers(1, 7), data=st.data())
def test_whole_numbers_come_back(low: int, cells: int, step: int, data: st.DataObject) -> None:
    value = low + step * data.draw(st.integers(0, cells))
    code = Whole(low, low + cells * step, step)
    assert float(code.decode(torch.tensor(code.encode(value)))) == value
    log = Whole(low, low + cells * step, log=True)
    assert float(log.decode(torch.tensor(log.encode(value), dtype=torch.float64))) == value


@settings(deadline=None)
@given(value=st.floats(1e-6, 1e6))
def test_lines_come_back(value: float) -> None:
    for code in (HalfLine(-1.0), HalfLine(), Line()):
        back = float(code.decode(torch.tensor(code.encode(value), dtype=torch.float64)))
        assert back == pytest.approx(value, rel=1e-6)


@settings(deadline=None)
@given(raw=st.floats(-30, 30), low=st.floats(-5, 5), span=SPAN)
def test_the_slope_is_that_of_the_sigmoid(raw: float, low: float, span: float) -> None:
    at = torch.tensor(raw, dtype=torch.float64, requires_grad=True)
    value = Range(low, low + span).decode(at)
    assert low <= float(value.detach()) <= low + span
    (slope,) = torch.autograd.grad(value, at)
    share = float(torch.sigmoid(at.detach()))
    assert float(slope) == pytest.approx(span * share * (1 - share), rel=1e-9)


def test_a_start_at_a_bound_is_moved_inside() -> None:
    coding = Coding.of(Space(p=Float(0.0, 0.5), n=Int(0, 3)))
    raw = coding.encode({"p": 0.0, "n": 3})
    assert coding.plain(raw) == {"p": pytest.approx(0.5 * EDGE), "n": 3}


@settings(max_examples=30, deadline=None)
@given(
    raw=st.lists(st.floats(-8, 8), min_size=2, max_size=2), change=st.lists(st.floats(-3, 3), min_size=2, max_size=2)
)
def test_the_invariant_code_has_one_length_and_the_derivative_it_says(raw: list[float], change: list[float]) -> None:
    coding = Coding.of(Space(a=Float(0, 1), b=Float(1, 9)), magnitude_invariant=True)
    at, by = torch.tensor(raw, dtype=torch.float64), torch.tensor(change, dtype=torch.float64)
    value, tangent = torch.autograd.functional.jvp(coding.features, at, by)
    assert float(value.norm()) == pytest.approx(1.0, rel=1e-12)
    torch.testing.assert_close(coding.features_change(at, by), tangent)


def test_what_cannot_be_tuned_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"cannot tune parameter 'act'.*Next: leave it to a study"):
        Coding.of(Space(act=Categorical(["relu", "gelu"])))
    with pytest.raises(InvalidArgument, match="cannot tune parameter 'w'"):
        Coding.of(Space(w=Int(2, 16, powers_of=2)))
    with pytest.raises(InvalidArgument, match="'l' has no bounds, which the magnitude-invariant code needs"):
        Coding({"l": Line()}, magnitude_invariant=True)
    with pytest.raises(InvalidArgument, match=r"each hyperparameter needs a start; got \['q'\]"):
        Coding({"l": Line()}).encode({"q": 0.0})
    with pytest.raises(InvalidArgument, match=r"outside the range; got 2; allowed: 0 to 1"):
        Range(0, 1).encode(2)
