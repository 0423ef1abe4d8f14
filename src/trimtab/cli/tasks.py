"""`trimtab tasks`: one setting for a family of tasks, exactly, and what it will lose on tasks to come."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.base.errors import InvalidArgument, TrimtabError, message
from trimtab.cli.options import Format, FormatOption

if TYPE_CHECKING:
    from trimtab.report.tables import Row
    from trimtab.tuners.tasks import Certificate, Dual, ExactFit, TaskFamily

__all__ = ["tasks"]

FORMAT = "trimtab-tasks-fit"

tasks = typer.Typer(
    name="tasks",
    help="Tune one setting for a family of tasks, exactly.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

FamilyArgument = Annotated[
    str, typer.Argument(metavar="FILE.py[:FAMILY]", help="A file with a TaskFamily in it, called `family` by default.")
]
WithinOption = Annotated[
    tuple[float, float] | None,
    typer.Option("--within", metavar="LOW HIGH", help="A range that losses cannot leave, such as 0 1."),
]
LevelOption = Annotated[float, typer.Option("--level", help="Of the interval.")]


@tasks.command()
def fit(
    family: FamilyArgument,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PATH", help="Keep the fit here, as JSON, to apply it.")
    ] = None,
    held_out: Annotated[
        int | None,
        typer.Option("--held-out", help="So many tasks judge the setting and have no part in it; by default a third."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the split.")] = 0,
    within: WithinOption = None,
    level: LevelOption = 0.95,
    format: FormatOption = Format.TABLE,
) -> None:
    """Find the setting with the least mean loss over the tasks, exactly, and judge it by held-out ones."""
    from trimtab.base.seeds import Key
    from trimtab.cli.loading import load_family
    from trimtab.report.files import write_text

    found = load_family(family)
    name, log = _hyperparameter(found)
    judges = len(found) // 3 if held_out is None else held_out
    tuning, judging = found.split(judges, Key(seed)) if judges else (found, None)
    fitted = _fit(tuning, name, log)
    row: Row = {
        "name": name,
        "at": fitted.at,
        "ties": [fitted.low, fitted.high],
        "tasks": fitted.tasks,
        "pieces": fitted.pieces,
        "mean_loss": fitted.value,
    }
    certificate = None
    if judging is not None:
        gap = fitted.gap(_duals(judging))
        row |= {"held_out_tasks": len(judging), "held_out_loss": gap.held_out, "gap": gap.difference}
        row |= {"gap_stderr": gap.stderr if math.isfinite(gap.stderr) else None}
        certificate = _certificate(gap.losses, within, level)
    if output is not None:
        kept: dict[str, Any] = {
            "format": FORMAT,
            "version": 1,
            "fit": fitted.to_json(),
            "tasks": [member.name for member in tuning],
            "features": [dict(member.features) for member in tuning],
            "certificate": None if certificate is None else certificate.to_json(),
        }
        write_text(output, json.dumps(kept, indent=1, allow_nan=False) + "\n", "the fit")
    _tell(row, certificate, [] if output is None else [f"The fit is in {output}."], format)


@tasks.command()
def apply(
    fitted: Annotated[Path, typer.Argument(metavar="FIT.json", help="What `trimtab tasks fit -o` wrote.")],
    family: FamilyArgument,
    within: WithinOption = None,
    level: LevelOption = 0.95,
    format: FormatOption = Format.TABLE,
) -> None:
    """Take a fitted setting to new tasks: what it loses there, and whether they look like those it was fitted to."""
    from trimtab.cli.loading import load_family
    from trimtab.tuners.tasks import losses_at

    kept, fit_ = _read(fitted)
    found = load_family(family)
    name, _ = _hyperparameter(found)
    if name != fit_.name:
        raise InvalidArgument(
            message(f"the fit in {fitted} is of {fit_.name!r}, the tasks have another hyperparameter", got=name)
        )
    duals = _duals(found)
    losses = losses_at(duals, fit_.at)
    least = [dual.minimum().value for dual in duals]
    row: Row = {
        "name": name,
        "at": fit_.at,
        "fitted_tasks": fit_.tasks,
        "new_tasks": len(found),
        "mean_loss": float(losses.mean()),
        "fitted_mean_loss": fit_.value,
        "best_of_each_task": sum(least) / len(least),
    }
    words = _novelty(kept["features"], found, 1.0 - level)
    if words:
        row["novelty"] = words
    _tell(row, _certificate(losses, within, level), [], format)


@tasks.command()
def plot(
    family: FamilyArgument,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="PATH", help="Where the picture goes, an SVG file.")
    ] = Path("duals.svg"),
) -> None:
    """Draw the loss of every task as a function of the hyperparameter, and their mean."""
    from trimtab.cli.loading import load_family
    from trimtab.cli.screen import Screen
    from trimtab.report.plots.duals import draw_dual_curves, dual_curves

    found = load_family(family)
    name, log = _hyperparameter(found)
    figure = draw_dual_curves(dual_curves(_duals(found), _fit(found, name, log)))
    Screen().say_written(figure.save(output))


def _hyperparameter(family: TaskFamily) -> tuple[str, bool]:
    """The name of the family's one parameter, and whether its scale is logarithmic.

    Raises:
        InvalidArgument: the space has several parameters.
    """
    names = list(family.space)
    if len(names) != 1:
        raise InvalidArgument(
            message(
                "exact fits are of one hyperparameter",
                got=names,
                do="tune several with a study: objective = family.objective(), then trimtab run",
            )
        )
    return names[0], bool(getattr(family.space[names[0]], "log", False))


def _duals(family: TaskFamily) -> list[Dual]:
    """The exact losses of all tasks.

    Raises:
        InvalidArgument: a task has none, or the file's code that makes it fails.
    """
    duals = []
    for member in family:
        try:
            duals.append(member.dual)
        except TrimtabError:
            raise
        except Exception as error:  # the user's code may raise anything
            what = f"the dual function of task {member.name!r} could not be made: {type(error).__name__}: {error}"
            raise InvalidArgument(message(what, do="`trimtab --debug tasks ...` shows the traceback")) from error
    return duals


def _fit(family: TaskFamily, name: str, log: bool) -> ExactFit:
    """The exact fit to a family."""
    from trimtab.tuners.tasks import fit_exact

    return fit_exact(_duals(family), name, log=log)


def _certificate(losses: Any, within: tuple[float, float] | None, level: float) -> Certificate | None:
    """The interval of the mean loss over tasks to come, where a range of losses was stated and there are two."""
    from trimtab.tuners.tasks import certify_setting

    if within is None or len(losses) < 2:
        return None
    return certify_setting(losses, *within, level=level)


def _read(path: Path) -> tuple[dict[str, Any], ExactFit]:
    """What a file holds that `trimtab tasks fit -o` wrote.

    Raises:
        InvalidArgument: it cannot be read, or is something else.
    """
    from trimtab.tuners.tasks import ExactFit

    how = "write one: trimtab tasks fit FILE.py -o FIT.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["format"] != FORMAT or kept["version"] != 1:
            raise KeyError(kept["format"])
        return kept, ExactFit.from_json(kept["fit"])
    except OSError as error:
        raise InvalidArgument(message(f"the fit {path} cannot be read: {error.strerror}", do=how)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArgument(message(f"{path} holds no fit of this program", got=str(error), do=how)) from error


def _novelty(features: list[dict[str, float]], family: TaskFamily, level: float) -> str:
    """Whether the tasks look unlike those of the fit, in words; empty where nothing describes them."""
    from trimtab.tuners.tasks import check_novelty

    names = sorted(features[0]) if features else []
    if not names or len(features) < 2 or set(names) != set(family[0].features):
        return ""
    old = [[task[name] for name in names] for task in features]
    new = [[member.features[name] for name in names] for member in family]
    return check_novelty(old, new, level=level).sentence


def _tell(row: Row, certificate: Certificate | None, notes: list[str], format: Format) -> None:
    """Print a result."""
    from trimtab.cli.screen import Screen, print_json, print_rows
    from trimtab.report.wording import count, number

    if format is Format.JSON:
        print_json({**row, "certificate": None if certificate is None else certificate.to_json()})
        return
    if format is Format.CSV:
        print_rows([{**row, "ties": " ".join(map(str, row["ties"]))} if "ties" in row else row], format)
        return
    screen = Screen()
    screen.say(f"{row['name']} = {number(row['at'], 6)}", style="bold")
    if "ties" in row:
        low, high = row["ties"]
        also = f", as is any from {number(low)} to {number(high)}" if low < high else ""
        screen.say(
            f"the least mean loss, {number(row['mean_loss'])}, over {count(row['tasks'], 'task')}{also}; "
            f"exact, {count(row['pieces'], 'piece')}"
        )
        if "gap" in row:
            doubt = "" if row["gap_stderr"] is None else f" (standard error {number(row['gap_stderr'], 2)})"
            screen.say(
                f"on {count(row['held_out_tasks'], 'held-out task')}: {number(row['held_out_loss'])}, a gap of "
                f"{number(row['gap'], 2)}{doubt}"
            )
    else:
        screen.say(
            f"mean loss on {count(row['new_tasks'], 'new task')}: {number(row['mean_loss'])}, on the "
            f"{row['fitted_tasks']} it was fitted to: {number(row['fitted_mean_loss'])}; "
            f"if each new task had its own best setting: {number(row['best_of_each_task'])}"
        )
    if "novelty" in row:
        screen.say(row["novelty"])
    if certificate is not None:
        screen.say(certificate.sentence)
    elif "gap" in row or "new_tasks" in row:
        screen.say("Say --within LOW HIGH, a range that losses cannot leave, for an interval with a guarantee.")
    for note in notes:
        screen.say(note, whole=True)
