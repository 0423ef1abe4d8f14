"""Timeline: when each trial ran, in as many lanes as ran at the same time, coloured by how it ended.

Trials go into the first lane that is free, in order of their start, which needs the fewest lanes
there can be (interval partitioning). Long pauses of the whole study, such as a night before it was
resumed, are cut out of the axis and marked, or the trials would shrink to nothing beside them.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.report.axes import FONT, label, plan_across
from trimtab.report.figure import Drawing, Figure
from trimtab.report.lettering import text_width
from trimtab.report.marks import Kind, Sample, legend
from trimtab.report.markup import Attributes, Markup, escape, join, tag
from trimtab.report.scales import Linear
from trimtab.report.shown import kind_of, thin, tip_of
from trimtab.report.wording import count, duration

__all__ = ["Pause", "Timeline", "draw_timeline", "timeline"]

MOST_BARS = 800
_LONG = 0.1
_CUT = 0.03


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch in which nothing ran, cut out of the axis at `at` (seconds of running time)."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the plot shows. Times are seconds since the first start, pauses left out.

    Arguments:
        numbers: shape (k,): trials, by start.
        starts: shape (k,).
        ends: shape (k,).
        lanes: shape (k,), from 0.
        kinds: k ways to look.
        tips: k tooltips.
        pauses: what was cut out.
        total: how many trials have run or run.
    """

    numbers: NDArray[np.intp]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    lanes: NDArray[np.intp]
    kinds: tuple[Kind, ...]
    tips: tuple[str, ...]
    pauses: tuple[Pause, ...]
    total: int


def timeline(history: History[Any]) -> Timeline:
    """The data of the plot. Trials that still run are drawn up to the latest start or end there is."""
    ran = history.numbers(TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    trials = [history.trial(int(number)) for number in thin(ran, MOST_BARS)]
    # A trial that was added from elsewhere did not run here.
    trials = [trial for trial in trials if trial.started is not None and trial.tuner != "added"]
    trials.sort(key=lambda trial: (trial.started, trial.number))
    starts = np.array([trial.started for trial in trials], dtype=np.float64)
    latest = max([*starts.tolist(), *(trial.ended for trial in trials if trial.ended is not None)], default=0.0)
    ends = np.array([latest if trial.ended is None else trial.ended for trial in trials], dtype=np.float64)
    ends = np.maximum(ends, starts)
    starts, ends, pauses = _without_pauses(starts, ends)
    return Timeline(
        numbers=np.array([trial.number for trial in trials], dtype=np.intp),
        starts=starts,
        ends=ends,
        lanes=pack(starts, ends),
        kinds=tuple(kind_of(trial) for trial in trials),
        tips=tuple(_tip(tip_of(trial), trial.duration) for trial in trials),
        pauses=pauses,
        total=len(ran),
    )


def _tip(text: str, seconds: float | None) -> str:
    """A tooltip with the trial's duration."""
    return text if seconds is None else f"{text} · {duration(seconds)}"


def pack(starts: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.intp]:
    """A lane for each interval, shape (n,), such that no two in one lane overlap; the fewest lanes there can be.

    Arguments:
        starts: shape (n,), ascending.
        ends: shape (n,), none before its start.
    """
    lanes = np.empty(len(starts), dtype=np.intp)
    busy: list[tuple[float, int]] = []
    free: list[int] = []
    used = 0
    for place, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        while busy and busy[0][0] <= start:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            lane = heapq.heappop(free)
        else:
            lane, used = used, used + 1
        lanes[place] = lane
        heapq.heappush(busy, (end, lane))
    return lanes


def _without_pauses(
    starts: NDArray[np.float64], ends: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[Pause, ...]]:
    """Times since the first start, with every pause longer than a tenth of the running time shortened to a mark."""
    if not len(starts):
        return starts, ends, ()
    reached = np.maximum.accumulate(ends)
    gaps = np.maximum(starts[1:] - reached[:-1], 0.0)
    running = float(reached[-1] - starts[0] - gaps.sum())
    cut = np.where(gaps > max(_LONG * running, 1e-9), gaps - _CUT * running, 0.0)
    shift = starts[0] + np.concatenate([[0.0], np.cumsum(cut)])
    pauses = tuple(
        Pause(float(reached[place] - shift[place]), float(gaps[place])) for place in np.flatnonzero(cut > 0.0)
    )
    return starts - shift, ends - shift, pauses


def draw_timeline(data: Timeline) -> Figure:
    """The plot."""
    lanes = int(data.lanes.max(initial=-1)) + 1
    left_out = ""
    if len(data.numbers) < data.total:
        left_out = f"{len(data.numbers):,} of {count(data.total, 'trial')} are drawn, spread over the trial numbers."
    pauses = ""
    if data.pauses:
        idle = duration(sum(pause.seconds for pause in data.pauses))
        pauses = f"{count(len(data.pauses), 'pause')} of {idle} in all, in which nothing ran, cut out of the axis."
    return Figure(
        name="timeline",
        title="Timeline",
        description=f"When each of {count(len(data.numbers), 'trial')} ran, {lanes} at once at most.",
        caption=" ".join(filter(None, [f"Each bar is a trial; at most {lanes} ran at once.", pauses, left_out])),
        draw=lambda width: _draw(data, width),
    )


def _draw(data: Timeline, width: float) -> Drawing:
    """The plot at one width."""
    lanes = int(data.lanes.max(initial=0)) + 1
    thick = min(18.0, max(1.0, 220.0 / lanes))
    there = [kind for kind in Kind if kind in data.kinds]
    swatches = [
        Sample(tag("rect", {"class": f"bar {kind.value}", "x": -7, "y": -5, "width": 14, "height": 10}), kind.value)
        for kind in there
    ]
    head, top = legend(swatches, width)
    top += 8.0
    floor = top + lanes * thick + 4.0
    scale = Linear(0.0, max(float(data.ends.max(initial=0.0)), 1e-3), seconds=True)
    inner = width - 16.0
    left, right = scale.place(data.starts) * inner + 4, scale.place(data.ends) * inner + 4
    body = [
        head,
        *(_pause(pause, 4 + inner * float(scale.place(pause.at)), top, floor, inner) for pause in data.pauses),
    ]
    for place, number in enumerate(data.numbers.tolist()):
        box: Attributes = {
            "class": f"bar {data.kinds[place].value}",
            "data-trial": number,
            "x": float(left[place]),
            "y": top + thick * int(data.lanes[place]) + 0.08 * thick,
            "width": max(float(right[place] - left[place]), 1.2),
            "height": thick * 0.84,
        }
        body.append(tag("rect", box, tag("title", {}, escape(data.tips[place]))))
    body.extend(_clock(scale, inner, floor))
    return Drawing(width, floor + FONT + 26.0, join(body))


def _pause(pause: Pause, x: float, top: float, floor: float, inner: float) -> Markup:
    """A stretch of the axis that stands for a pause."""
    wide = max(_CUT * inner * 0.8, 4.0)
    box: Attributes = {"class": "gap", "x": x, "y": top - 4, "width": wide, "height": floor - top + 4}
    return tag("rect", box, tag("title", {}, escape(f"{duration(pause.seconds)} in which nothing ran")))


def _clock(scale: Linear, inner: float, floor: float) -> list[Markup]:
    """The time axis."""
    parts = [tag("line", {"class": "axis", "x1": 4, "x2": inner + 4, "y1": floor, "y2": floor})]
    for tick in plan_across(scale, inner).ticks:
        x = 4 + inner * float(scale.place(tick.at))
        parts.append(tag("line", {"class": "axis", "x1": x, "x2": x, "y1": floor, "y2": floor + 4}))
        half = text_width(tick.label, FONT) / 2
        parts.append(label(tick.label, min(max(x, half), inner + 12 - half), floor + FONT + 5, "tick mid"))
    parts.append(label("running time since the first trial began", inner + 4, floor + FONT + 21, "tick end"))
    return parts
