"""`trimtab bench`: tuners side by side, each in its own process, and the page that tells how they did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.options import Format, FormatOption

if TYPE_CHECKING:
    from trimtab.benchmarks.sweep import RunEnd
    from trimtab.cli.screen import Screen

__all__ = ["bench"]

bench = typer.Typer(
    name="bench",
    help="Compare tuners side by side.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Set(StrEnum):
    """A set of problems."""

    BBOB = "bbob"
    TABLES = "tables"
    TRAINING = "training"
    PENALTIES = "penalties"
    LCBENCH = "lcbench"


class ReportFormat(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    JSON = "json"


RunsArgument = Annotated[Path, typer.Argument(metavar="RUNS", help="The folder of the runs.")]
SetOption = Annotated[
    list[Set] | None,
    typer.Option("--set", help="A set of problems; may be given again. Each seed plays its own instance of bbob."),
]
OlympusOption = Annotated[
    Path | None,
    typer.Option("--olympus", metavar="DIR", exists=True, file_okay=False, help="A folder of Olympus tables."),
]
LcbenchOption = Annotated[
    Path | None,
    typer.Option("--lcbench", metavar="DIR", exists=True, file_okay=False, help="The folder of LCBench's surrogate."),
]
EnvironmentsOption = Annotated[
    Path, typer.Option("--environments", metavar="DIR", help="Where the peers' environments are.")
]
DEFAULT_ENVIRONMENTS = Path("peers")


@bench.command("list")
def list_(olympus: OlympusOption = None, lcbench: LcbenchOption = None, format: FormatOption = Format.TABLE) -> None:
    """List the problems and the peers."""
    from trimtab.benchmarks import SETS, problem_names
    from trimtab.benchmarks.peer import PEERS
    from trimtab.cli.screen import Screen, print_rows
    from trimtab.tuners import CATALOGUE

    problems = [(chosen, name) for chosen in SETS for name in problem_names(chosen, olympus, lcbench)]
    peers = [("peer", name) for name in (*PEERS, *(f"trimtab:{tuner}" for tuner in CATALOGUE))]
    if format is not Format.TABLE:
        print_rows([{"kind": kind, "name": name} for kind, name in (*problems, *peers)], format)
        return
    screen = Screen()
    for kind in (*SETS, "peer"):
        names = [name for found, name in (*problems, *peers) if found == kind]
        screen.say(f"{'peers' if kind == 'peer' else f'set {kind}'} ({len(names)})", style="bold")
        screen.say("  " + " ".join(names))


@bench.command()
def prepare(
    libraries: Annotated[
        list[str] | None, typer.Argument(metavar="[LIBRARY]...", help="Such as optuna; by default all.")
    ] = None,
    environments: EnvironmentsOption = DEFAULT_ENVIRONMENTS,
) -> None:
    """Make the environments in which peers run, from their pinned requirements."""
    from trimtab.benchmarks.environments import prepare as made
    from trimtab.benchmarks.peer import LIBRARIES, requirements
    from trimtab.cli.screen import Screen

    screen = Screen()
    chosen = libraries or list(LIBRARIES)
    for library in chosen:
        requirements(library)
    for library in chosen:
        screen.say(f"{library}: installing")
        screen.say(f"{library}: ready in {made(library, environments)}", whole=True)


@bench.command()
def run(
    runs: RunsArgument,
    peer: Annotated[
        list[str] | None,
        typer.Option("--peer", metavar="NAME", help="Such as optuna:tpe or trimtab:auto; may be given again."),
    ] = None,
    set_: SetOption = None,
    problem: Annotated[
        list[str] | None,
        typer.Option("--problem", metavar="NAME", help="A single problem, wrappers included; may be given again."),
    ] = None,
    wrap: Annotated[
        str, typer.Option("--wrap", metavar="WRAPPER", help="Put on every problem, such as noisy:0.1 or delayed:0.5.")
    ] = "",
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds",
            min=1,
            help="How many repetitions. On BBOB functions seed s plays instance s + 1 (another shift and rotation), "
            "unless the name ends in an instance, such as bbob-f5-d3-i2.",
        ),
    ] = 10,
    first_seed: Annotated[int, typer.Option("--first-seed", min=0, help="The first of them.")] = 0,
    budget: Annotated[int, typer.Option("--budget", min=1, help="Trials of each run.")] = 100,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Trials at once, on the simulated clock.")] = 1,
    preload: Annotated[
        int, typer.Option("--preload", min=0, help="Random results told before the first ask, to measure its time.")
    ] = 0,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="Runs at once.")] = 1,
    environments: EnvironmentsOption = DEFAULT_ENVIRONMENTS,
    olympus: OlympusOption = None,
    lcbench: LcbenchOption = None,
) -> None:
    """Run peers on problems. What is there is kept, so the same command goes on after an interrupt.

    Exit status 1 where a run failed.
    """
    from trimtab.benchmarks import problem_names
    from trimtab.benchmarks.protocol import is_done
    from trimtab.benchmarks.sweep import Places, planned, sweep
    from trimtab.cli.screen import Screen, again
    from trimtab.cli.signals import interruptible

    names = [
        *(problem or ()),
        *(name for chosen in set_ or () for name in problem_names(chosen.value, olympus, lcbench)),
    ]
    names = [f"{name}+{wrap}" if wrap else name for name in names]
    if not names or not peer:
        raise typer.BadParameter("give --peer at least once, and --set or --problem; see: trimtab bench list")
    todo = planned(names, peer, range(first_seed, first_seed + seeds), budget, workers, preload)
    done = sum(is_done(runs, one) for one in todo)
    screen = Screen()
    screen.say(f"{len(todo)} runs, {done} of them are there")
    with interruptible() as ending, _progress(screen, len(todo), done) as on_end:
        try:
            failed = sweep(todo, Places(runs, environments, olympus, lcbench), jobs, on_end)
        except KeyboardInterrupt:
            there = sum(is_done(runs, one) for one in todo)
            screen.say(f"interrupted; {there} of {len(todo)} runs are there\ngo on: {again()}", whole=True)
            raise typer.Exit(ending.status) from None
    screen.say(f"{len(todo) - failed} of {len(todo)} runs are there" + (f", {failed} failed" if failed else ""))
    raise typer.Exit(int(failed > 0))


@contextmanager
def _progress(screen: Screen, total: int, done: int) -> Iterator[Callable[[RunEnd], None]]:
    """What is called as each run ends: moves a bar on a terminal, prints a line anywhere else."""
    from rich.progress import Progress

    with Progress(console=screen.console, disable=not screen.is_live, transient=True) as bars:
        bar = bars.add_task("runs", total=total, completed=done)
        count = done

        def on_end(end: RunEnd) -> None:
            nonlocal count
            count += 1
            bars.update(bar, completed=count)
            if end.failed or not screen.is_live:
                how = f"failed: {end.failed}" if end.failed else "done"
                run = end.run
                screen.say(f"{count} of {total}: {run.problem} {run.peer} seed {run.seed} {how}", whole=True)

        yield on_end


@bench.command()
def report(
    runs: RunsArgument,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PATH", help="A page of Markdown; its plots are put beside it."),
    ] = None,
    budgets: Annotated[
        str, typer.Option("--budgets", metavar="N,N", help="After how many trials the peers are ranked.")
    ] = "20,50,100",
    peer: Annotated[
        list[str] | None, typer.Option("--peer", metavar="NAME", help="Only these; may be given again.")
    ] = None,
    format: Annotated[
        ReportFormat, typer.Option("-f", "--format", help="table: the page; json: its numbers.")
    ] = ReportFormat.TABLE,
) -> None:
    """Tell how the runs of a folder ended: mean ranks, regret, times and memory."""
    from trimtab.benchmarks.report import page, write_page
    from trimtab.benchmarks.results import read_runs
    from trimtab.benchmarks.summary import summary_of
    from trimtab.cli.screen import Screen, print_json

    chosen = _numbers(budgets)
    summary = summary_of(read_runs(runs), chosen, peer or ())
    if output is not None:
        for path in write_page(summary, output):
            Screen().say(f"written: {path}", whole=True)
    if format is ReportFormat.JSON:
        print_json(summary.to_json())
    elif output is None:
        typer.echo(page(summary), nl=False)


@bench.command()
def targets(
    runs: RunsArgument,
    within: Annotated[
        float, typer.Option("--within", metavar="SHARE", help="How far from the best known value is near enough.")
    ] = 0.01,
    peer: Annotated[
        list[str] | None, typer.Option("--peer", metavar="NAME", help="Only these; may be given again.")
    ] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Tell after how many trials, and seconds of waiting, each peer came near the best known value."""
    from trimtab.benchmarks.results import read_runs
    from trimtab.benchmarks.targets import reached, targets_table
    from trimtab.cli.screen import print_rows

    rows = [row for row in reached(read_runs(runs), within) if not peer or row.peer in peer]
    if format is Format.TABLE:
        typer.echo(targets_table(rows))
    else:
        print_rows([row.to_json() for row in rows], format)


def _numbers(text: str) -> list[int]:
    """Whole numbers above zero, separated by commas."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter(f"budgets are whole numbers separated by commas, such as 20,50,100; got {text!r}")
    return [int(part) for part in parts]
