"""`trimtab demo`: tunes a real model on real data, and judges what came out on data that tuning never saw."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.base.lazy import need
from trimtab.cli.options import DEFAULT_STORAGE, StorageOption

if TYPE_CHECKING:
    from trimtab.base.ports import Storage
    from trimtab.base.records import Selection
    from trimtab.cli.comparison import Comparison
    from trimtab.cli.running import RunEnd
    from trimtab.cli.screen import Screen
    from trimtab.study import Study

__all__ = ["demo"]

_NAME = "digits-demo"
_ATTRIBUTE = "test_split"


def demo(
    n_trials: Annotated[int, typer.Option(min=1, metavar="N", help="Trials that the study is to hold.")] = 60,
    n_jobs: Annotated[int, typer.Option(metavar="N", help="Trials at once; -1 for one per core.")] = 2,
    storage: StorageOption = DEFAULT_STORAGE,
    report: Annotated[Path, typer.Option(metavar="PATH", help="For the report.")] = Path("trimtab-demo.html"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin a new study instead of going on.")] = False,
) -> None:
    """Tune a small neural network that reads handwritten digits.

    Stop it with Ctrl-C; run it again to go on. Needs the extra sklearn; the data come with scikit-learn, so
    nothing is downloaded.
    """
    from trimtab.cli.running import RunEnd, say_how_to_go_on
    from trimtab.cli.screen import Screen, again
    from trimtab.storage import open_storage

    need("sklearn", "sklearn", "trimtab demo")
    screen = Screen()
    with closing(open_storage(storage)) as kept:
        study = _study(kept, fresh)
        try:
            end = _tune(study, n_trials, n_jobs, storage, screen)
            if not end.signal_status:
                _judge(study, report, screen)
                _say_next(study, storage, screen)
        except KeyboardInterrupt:
            end = RunEnd("interrupted", 130)
        if end.signal_status:
            say_how_to_go_on(study, again("--fresh"), screen)
            raise typer.Exit(end.signal_status)


def _tune(study: Study, n_trials: int, n_jobs: int, storage: str, screen: Screen) -> RunEnd:
    """Run what is missing of the trials."""
    from trimtab.cli.progress import count_finished
    from trimtab.cli.running import Limits, RunEnd, run_study
    from trimtab.workloads.images import digits

    here = count_finished(study.history)
    if here >= n_trials:
        screen.say(f"study {study.study_name!r} in {storage} is complete: it holds {here} finished trials")
        return RunEnd("complete")
    screen.say(_greeting(study, storage, here))
    end = run_study(study, digits.objective, Limits(n_trials, n_jobs=n_jobs), screen)
    if not end.signal_status:
        screen.say(f"\n{end.why}", style="bold")
    return end


def _study(kept: Storage, fresh: bool) -> Study:
    """The demo study of the highest number in the storage, or a new one."""
    from trimtab.api import create_study
    from trimtab.workloads.images import digits

    taken = [record.name for record in kept.studies() if re.fullmatch(rf"{_NAME}(-\d+)?", record.name)]
    number = max((int(name.removeprefix(_NAME).strip("-") or 1) for name in taken), default=1)
    if fresh and taken:
        number += 1
    name = _NAME if number == 1 else f"{_NAME}-{number}"
    # A seed of its own for each number: everybody's first demo begins with the same trials.
    return create_study(name, kept, space=digits.SPACE, directions=digits.OBJECTIVES, seed=number, load_if_exists=True)


def _greeting(study: Study, storage: str, here: int) -> str:
    """What is going to happen."""
    from trimtab.report.wording import count

    goes_on = f" goes on from {count(here, 'finished trial')}" if here else ""
    return (
        f"tuning {count(len(study.space), 'setting')} of a neural network that reads handwritten digits\n"
        f"study {study.study_name!r} in {storage}{goes_on}; Ctrl-C ends it, the same command goes on"
    )


def _judge(study: Study, path: Path, screen: Screen) -> None:
    """Tell what came out, compare it with the defaults on the test split, and write the report."""
    from trimtab.cli.running import conclude
    from trimtab.report.html import report_html, write_report
    from trimtab.workloads.images import digits

    conclude(study, screen)
    selection = study.select()
    comparison = _comparison(study, selection)
    screen.say(f"\n{comparison.section.title}:", style="bold")
    for name, accuracy, interval in comparison.rows:
        screen.say(f"  {name:<20} {accuracy} read rightly (95 % interval {interval})")
    screen.say(comparison.verdict)
    page = report_html(
        study.history,
        selection,
        study.citations(),
        default_params=digits.SPACE.default_params(),
        sections=[comparison.section],
    )
    screen.say()
    screen.say_written(write_report(path, page))


def _comparison(study: Study, selection: Selection) -> Comparison:
    """The comparison for the selected trial; made once, then kept with the study."""
    from trimtab.cli.comparison import Comparison
    from trimtab.workloads.images import digits

    kept = study.user_attrs.get(_ATTRIBUTE)
    if kept is not None and kept["trial"] == selection.trial:
        return Comparison.from_json(kept)
    made = Comparison.from_losses(
        selection.trial,
        digits.held_out_losses(digits.SPACE.default_params()),
        digits.held_out_losses(selection.params),
    )
    study.set_user_attr(_ATTRIBUTE, made.to_json())
    return made


def _say_next(study: Study, storage: str, screen: Screen) -> None:
    """What to look at next."""
    from trimtab.cli.screen import command

    screen.say(f"next: {command('show', study.study_name, storage=storage)}", whole=True)
    screen.say(f"      {command('best', study.study_name, storage=storage)}", whole=True)
    screen.say("      trimtab run FILE.py, with a function objective(trial) of your own in the file")
