"""A folder of runs as one page of Markdown with its plots beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from trimtab.base.records import Interval
from trimtab.benchmarks.costs import Latency, Memory
from trimtab.benchmarks.plots import Lines, draw_lines
from trimtab.benchmarks.scores import LEVEL, Against, Standing
from trimtab.benchmarks.summary import Group, Summary
from trimtab.report import Estimate, Estimates, Figure, draw_estimates
from trimtab.report.files import write_text
from trimtab.report.scales import Linear, Log
from trimtab.report.wording import count, number

__all__ = ["figures", "page", "write_page"]

HEAD = """\
# Benchmarks

<!-- Written by `trimtab bench report`; do not edit. -->

Tuners side by side. Each runs in a process and an environment of its own, with its library's default
settings and one thread, and is asked for one configuration after the other; the value of each is computed
outside and told. The scripts are in `src/trimtab/benchmarks/peers`; where one differs from the defaults, its
head says so. `trimtab bench run` does it all again.
"""

LEAST = 1e-4
"""Where a regret of zero is drawn on the logarithmic axis."""

METHOD = """\
## How the numbers are made

- **Cells.** Peers are compared on cells: one instance of a problem with one seed, on which every peer has a run.
- **Instances.** A BBOB function has instances, each with an optimum and a rotation of its own. Seed s plays instance
  s + 1, unless the problem's name holds another: for a tuner that draws no random numbers, seeds alone repeat
  nothing. All instances are one problem. Anything else is the only instance of itself.
- **Budgets** are read along runs of the largest budget or more, which is what each peer was told to expect.
- **Mean rank.** In each cell the peers are ranked by the best value so far, ties sharing the mean of their
  places; ranks are averaged over cells, then over problems. On BBOB, values within 1e-8 of the optimum tie.
- **Normalised regret.** (value - best) / (random - best) for each instance, where `best` is the least value
  of all its runs and `random` the median over them of what random search reaches after the largest budget;
  cut at 10, averaged over cells, then over problems. 0 is the best known, 1 what random search ends at.
- **Intervals** hold 95 % and come from 10,000 bootstrap draws of the problems, each with all its cells. `behind` is
  the mean rank minus that of the first, both on the same drawn problems: where its interval excludes
  zero, the two are told apart.
- **Worse than random** is van Elteren's one-sided test on each problem, at the 95 % level: final values are ranked
  within each instance, and the sums of ranks are added up. With one instance that is the Mann-Whitney test over the
  seeds; with one run on each instance it is the sign test, ties left out, which can find nothing on fewer than five.
  The probability of ending lower is a mean over instances. Among many problems one in twenty is expected to fail the
  test by chance, so the count after Holm's correction stands beside it.
- **Parallel runs** are compared with as many sequential ones of the same peer, instance by instance. Both sides set the
  targets: after a quarter, a half and three quarters of the budget, the two middle ones of all best values so far. The
  ratio is that of the trials until a target is reached (the budget where it never is), a geometric mean over runs and
  targets, instances, and problems; exchanging the two sides inverts it. `delay alone` is the same ratio for the
  sequential runs against themselves with every trial counted (workers - 1) places later. Where several peers have
  parallel runs, these are ranked too: after so many results as the heading says, in the order of their coming.
- **Noise.** Where values are noisy, a peer is scored by the noiseless value of the configuration that its library names
  best: what `study.select()` selects for trimtab, what NGOpt recommends for Nevergrad, and for the others the trial of
  the lowest value.
- **Times** are taken inside the process that asks, around the ask alone, on one thread.
"""


def write_page(summary: Summary, path: Path) -> list[Path]:
    """Write the page, and its plots beside it as `<page>-<plot>.svg`.

    Returns:
        What was written, the page first.

    Raises:
        StorageError: a file cannot be written.
    """
    drawn = figures(summary)
    plots = [figure.save(path.with_name(f"{path.stem}-{name}.svg")) for name, figure in drawn.items()]
    return [write_text(path, page(summary, path.stem), "the page of the benchmarks"), *plots]


def page(summary: Summary, stem: str = "benchmarks") -> str:
    """The page. Plots are linked to as files that begin with `stem`."""
    parts = [
        HEAD,
        table(["peer", "library"], [[peer, library] for peer, library in summary.libraries.items()]),
        *(_group(group, stem) for group in summary.groups),
        *(f"## {name}\n\nNo problem has runs of all peers on one seed.\n" for name in summary.incomparable),
        _times(summary, stem),
        _memory(summary),
        _parallel(summary),
        METHOD,
    ]
    return "\n".join(part for part in parts if part)


def figures(summary: Summary) -> dict[str, Figure]:
    """Every plot by name."""
    drawn = {}
    for group in summary.groups:
        drawn[f"regret-{_slug(group.name)}"] = _regret_plot(group)
        drawn[f"rank-{_slug(group.name)}"] = _rank_plot(group)
    if len({row.trials for row in summary.latencies}) > 1:
        drawn["latency"] = _latency_plot(summary.latencies)
    return drawn


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _slug(name: str) -> str:
    """A group's name as part of a file's name."""
    return name.replace(", ", "-").replace(" ", "-").replace("+", "-").replace(":", "-")


def _span(span: Interval) -> str:
    """An interval of ranks or regrets."""
    return f"{span.low:.2f} to {span.high:.2f}"


def _group(group: Group, stem: str) -> str:
    """The section of one group."""
    results = group.results
    several = len(results.instances) > len(results.problems)
    on = f" on {count(len(results.instances), 'instance')}" if several else ""
    cells = f"{count(len(results.problems), 'problem')}{on}, {count(len(results.problem), 'cell')}"
    left = f"; {count(results.left_out, 'cell')} left out, where a peer has no run" if results.left_out else ""
    parts = [f"## {group.name}\n\n{cells}{left}.\n"]
    for budget, rows in group.standings.items():
        parts.append(f"### After {count(budget, 'trial')}\n\n{_verdict(rows)}\n\n{_standings(rows)}")
    slug = _slug(group.name)
    parts.append(f"![Mean rank]({stem}-rank-{slug}.svg)\n\n![Regret]({stem}-regret-{slug}.svg)\n")
    if group.against:
        parts.append(f"### Against random search\n\n{_against(group.against)}")
    return "\n".join(parts)


def _verdict(rows: Sequence[Standing]) -> str:
    """Who is first, and whether that can be told from the second."""
    if len(rows) < 2:
        return f"{rows[0].peer} ran alone."
    first, second = rows[0], rows[1]
    told = "excludes" if second.behind_interval.low > 0.0 else "does not exclude"
    return (
        f"{first.peer} has the best mean rank, {second.peer} the second; their difference is "
        f"{second.behind:.2f}, with an interval of {_span(second.behind_interval)}, which {told} zero."
    )


def _standings(rows: Sequence[Standing]) -> str:
    """The table of one budget."""
    return table(
        ["peer", "mean rank", "95 %", "behind", "95 %", "regret", "95 %"],
        (
            [
                row.peer,
                f"{row.rank:.2f}",
                _span(row.rank_interval),
                f"{row.behind:.2f}",
                _span(row.behind_interval) if row.behind else "",
                f"{row.regret:.3f}",
                _span(row.regret_interval),
            ]
            for row in rows
        ),
    )


def _against(rows: Sequence[Against]) -> str:
    """One line for each peer."""
    lines = []
    for peer in dict.fromkeys(row.peer for row in rows):
        own = [row for row in rows if row.peer == peer]
        worse = [row.problem for row in own if row.p_worse <= 1.0 - LEVEL]
        holm = [row.problem for row in own if row.p_holm <= 1.0 - LEVEL]
        weakest = min(own, key=lambda row: row.better)
        better = float(np.mean([row.better for row in own]))
        lines.append(
            [
                peer,
                f"{better:.2f}",
                f"{weakest.better:.2f} ({weakest.problem})",
                ", ".join(worse) or "none",
                ", ".join(holm) or "none",
            ]
        )
    head = ["peer", "ends lower than random: mean probability", "least", "worse than random at 95 %", "after Holm"]
    return table(head, lines)


def _milliseconds(seconds: float) -> str:
    """A time in milliseconds."""
    return number(1000.0 * seconds, 3)


def _times(summary: Summary, stem: str) -> str:
    """The section of the times."""
    if not summary.latencies and not summary.preloaded:
        return ""
    parts = ["## How long an ask takes\n\nMilliseconds on one thread, over all sequential runs.\n"]
    if summary.latencies:
        parts.append(_latency_table(summary.latencies))
    if len({row.trials for row in summary.latencies}) > 1:
        parts.append(f"![Time of an ask]({stem}-latency.svg)\n")
    for where, (times, held) in summary.preloaded.items():
        told = "Told before the first ask, which is timed too, with whatever it loads and fits."
        parts.append(f"### {where}\n\n{told}\n\n{_latency_table(times)}\n{_memory_table(held)}")
    return "\n".join(parts)


def _latency_table(rows: Sequence[Latency]) -> str:
    """Times, in milliseconds."""
    head = ["peer", "results", "asks timed", "median", "95th percentile", "median CPU", "median tell"]
    return table(
        head,
        (
            [
                row.peer,
                f"{row.trials:,}",
                f"{row.asks:,}",
                *map(_milliseconds, (row.median, row.p95, row.cpu, row.tell)),
            ]
            for row in rows
        ),
    )


def _memory(summary: Summary) -> str:
    """The section of the memory."""
    if not summary.memories:
        return ""
    return (
        f"## Memory\n\nLargest resident size of the peer's process over a run, MB.\n\n{_memory_table(summary.memories)}"
    )


def _memory_table(rows: Sequence[Memory]) -> str:
    """Memory, in MB."""
    return table(["peer", "median MB", "largest MB"], ([r.peer, f"{r.median:.0f}", f"{r.largest:.0f}"] for r in rows))


def _parallel(summary: Summary) -> str:
    """The section of the parallel runs."""
    parts = [_costs(summary), _among(summary)]
    return "\n".join(["## Parallel runs\n", *filter(None, parts)]) if any(parts) else ""


def _costs(summary: Summary) -> str:
    """What they cost each peer."""
    if not summary.parallel:
        return ""
    several = len({row.budget for row in summary.parallel}) > 1
    rows = (
        [
            row.peer,
            str(row.workers) + (f" ({count(row.budget, 'trial')})" if several else ""),
            f"{row.ratio:.2f}",
            _span(row.interval),
            f"{row.delay:.2f}",
            str(row.problems),
        ]
        for row in summary.parallel
    )
    text = (
        "Trials that asynchronous parallel runs on the simulated clock need, over those that\n"
        "sequential runs need, to reach targets that both set: 1.10 is 10 % more. `delay alone` is what it would\n"
        "cost if every trial counted (workers - 1) places later and nothing else were lost.\n"
    )
    head = ["peer", "workers", "trials, parallel over sequential", "95 %", "delay alone", "problems"]
    return f"{text}\n{table(head, rows)}"


def _among(summary: Summary) -> str:
    """The table of parallel runs among the other peers' sequential ones."""
    if not summary.among_sequential:
        return ""
    text = (
        "### Parallel runs among the others in turn\n\n"
        "Parallel runs of one peer, ranked with the sequential runs of all others after as many results: its mean\n"
        "rank, the best of the others, and by how much it is ahead of that.\n"
    )
    budgets = sorted({row.budget for row in summary.among_sequential})
    told: defaultdict[tuple[str, str, int, int], dict[int, str]] = defaultdict(dict)
    for row in summary.among_sequential:
        ahead = f"{row.rank:.2f}; {row.other} {row.ahead:+.2f} ({_span(row.interval)})"
        told[row.group, row.peer, row.workers, row.cells][row.budget] = ahead
    rows = ([*map(str, key), *(after[budget] for budget in budgets)] for key, after in told.items())
    head = ["set", "peer", "workers", "cells", *(f"after {count(budget, 'trial')}" for budget in budgets)]
    return f"{text}\n{table(head, rows)}"


def _regret_plot(group: Group) -> Figure:
    """Anytime curves."""
    trials = np.arange(1.0, group.curves.shape[1] + 1.0)
    last = next(reversed(group.standings.values()))
    places = {peer: place for place, peer in enumerate(group.results.peers)}
    series = {row.peer: (trials, np.maximum(group.curves[places[row.peer]], LEAST)) for row in last}
    return draw_lines(
        Lines(
            name=f"regret-{_slug(group.name)}",
            title=f"{group.name}: mean normalised regret",
            caption="0 is the best known value, drawn at 0.0001, and 1 what random search ends at. "
            "The legend is in order of the mean rank.",
            across=("trial", Linear(0.0, float(trials[-1]), whole=True)),
            upward="mean normalised regret",
            series=series,
        )
    )


def _rank_plot(group: Group) -> Figure:
    """Mean ranks after the largest budget."""
    budget, rows = next(reversed(group.standings.items()))
    estimates = [Estimate(row.peer, row.rank, row.rank_interval) for row in rows]
    title = f"{group.name}: mean rank after {budget} trials, lower is better"
    return draw_estimates(Estimates("mean rank", estimates), name=f"rank-{_slug(group.name)}", title=title)


def _latency_plot(rows: Sequence[Latency]) -> Figure:
    """Median times over the number of results."""
    peers = dict.fromkeys(row.peer for row in rows)
    own = {peer: [row for row in rows if row.peer == peer] for peer in peers}
    series = {
        peer: (
            np.array([float(row.trials) for row in found]),
            np.array([max(1000.0 * row.median, 1e-3) for row in found]),
        )
        for peer, found in own.items()
        if len(found) > 1
    }
    counts = [float(row.trials) for row in rows]
    return draw_lines(
        Lines(
            name="latency",
            title="Median time of an ask",
            caption="On one thread, over all sequential runs.",
            across=("results", Log(min(counts), max(counts))),
            upward="milliseconds",
            series=series,
        )
    )
