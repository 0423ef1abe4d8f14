"""`trimtab run`: tune the objective in a file."""

from __future__ import annotations

from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.base.errors import InvalidArgument, message
from trimtab.cli.durations import parse_seconds
from trimtab.cli.options import DEFAULT_STORAGE, StorageOption

if TYPE_CHECKING:
    from trimtab.base.ports import Storage
    from trimtab.cli.loading import Loaded
    from trimtab.cli.screen import Screen
    from trimtab.space import Space
    from trimtab.study import Study
    from trimtab.tuners.tasks.transfer import Corpus

__all__ = ["run"]


def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="FILE.py or FILE.py:OBJECT.")],
    n_trials: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Trials the study is to hold, earlier ones included."),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="Start no trial after this time: 90s, 10m, 2h, 1d.")
    ] = None,
    n_jobs: Annotated[int, typer.Option(metavar="N", help="Trials at once; -1 for one per core.")] = 1,
    storage: StorageOption = DEFAULT_STORAGE,
    study_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="By default the file's name without .py.")
    ] = None,
    tuner: Annotated[
        str | None, typer.Option(metavar="NAME", help="What proposes configurations; by default 'auto'.")
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="'inline' or 'processes'; by default inline for one job."),
    ] = None,
    direction: Annotated[
        str | None, typer.Option(metavar="WAY", help="'minimize' (the default) or 'maximize'; goes before the file's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, metavar="N", help="Of every random number.")] = None,
    corpus: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A storage of past studies to begin from, their settings named alike."),
    ] = None,
    trial_timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="End a trial that takes longer; needs 'processes'.")
    ] = None,
    max_failures: Annotated[int, typer.Option(min=1, metavar="N", help="Stop after N failed trials in a row.")] = 10,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing while it runs.")] = False,
) -> None:
    """Tune the function `objective(trial)` of a Python file.

    A module variable `space` declares what may be tuned; without one, the objective asks with
    trial.suggest_float and the like. Optional variables: `direction` or `directions`, and `default`, a
    configuration to try first. The same command run again resumes the study and finishes the count.
    """
    from trimtab.cli.loading import load_file
    from trimtab.cli.running import Limits, finish, run_study
    from trimtab.cli.screen import Screen
    from trimtab.storage import open_storage

    limits = Limits(
        total=n_trials,
        timeout=None if timeout is None else parse_seconds(timeout, "--timeout"),
        n_jobs=n_jobs,
        executor=_executor(executor, trial_timeout),
        trial_timeout=None if trial_timeout is None else parse_seconds(trial_timeout, "--trial-timeout"),
        max_failures=max_failures,
    )
    loaded = load_file(file)
    screen = Screen()
    with closing(open_storage(storage)) as kept:
        name = study_name or _stem(loaded.path)
        past = None if corpus is None else _corpus(corpus, kept if corpus == storage else None, name)
        study = _study(kept, name, loaded, direction, tuner, seed, past)
        if not quiet:
            screen.say(f"study {study.study_name!r} in {storage}, {_goal(study)}")
            if past is not None:
                _tell_corpus(past, loaded.space, screen)
        end = run_study(study, loaded.objective, limits, screen, quiet)
        raise typer.Exit(finish(study, end, storage, screen))


def _stem(path: Path) -> str:
    """The default name of a file's study."""
    return path.stem or path.name


def _executor(executor: str | None, trial_timeout: str | None) -> str | None:
    """The executor; a time limit for trials needs a process to end."""
    if trial_timeout is None:
        return executor
    if executor == "inline":
        raise InvalidArgument(
            message(
                "--trial-timeout cannot be kept by the executor 'inline', which runs trials in this process",
                do="leave --executor out, or write --executor processes",
            )
        )
    return executor or "processes"


def _corpus(url: str, kept: Storage | None, name: str) -> Corpus:
    """The past studies in a storage, without the one that is to run.

    Raises:
        StorageError: there is no such storage.
        InvalidArgument: it holds no other study.
    """
    from trimtab.cli.opening import opened
    from trimtab.tuners.tasks.transfer import Corpus

    with nullcontext(kept) if kept is not None else opened(url) as past:
        others = [record.name for record in past.studies() if record.name != name]
        if not others:
            raise InvalidArgument(
                message(f"{url} holds no past study", do="give a storage with studies of other tasks to --corpus")
            )
        return Corpus.from_storage(past, others)


def _tell_corpus(corpus: Corpus, space: Space | None, screen: Screen) -> None:
    """How many past studies the new one begins from, and why others say nothing."""
    from trimtab.report.wording import count

    matched = None if space is None else corpus.on(space)
    tasks, reasons = (corpus.tasks, corpus.reasons) if matched is None else (matched.tasks, matched.reasons)
    screen.say(f"begins from {count(len(tasks), 'past study', 'past studies')}")
    for name, reason in reasons.items():
        screen.say(f"left out: {name!r}, {reason}")


def _study(
    kept: Storage,
    name: str,
    loaded: Loaded,
    direction: str | None,
    tuner: str | None,
    seed: int | None,
    corpus: Corpus | None,
) -> Study:
    """The study, made where it is missing. One that is there keeps its seed, and its tuner where none is named."""
    from trimtab.api import create_study, load_study

    ways = {"direction": direction} if direction else {"direction": loaded.direction, "directions": loaded.directions}
    known = any(record.name == name for record in kept.studies())
    if not known or any(way is not None for way in ways.values()):
        create_study(name, kept, space=loaded.space, tuner=tuner or "auto", seed=seed, load_if_exists=True, **ways)
    study = load_study(name, kept, space=loaded.space, tuner=tuner, corpus=corpus)
    if loaded.default is not None and not study.trials:
        study.enqueue_trial(loaded.default)
    return study


def _goal(study: Study) -> str:
    """What the study optimises, in words."""
    return ", ".join(f"{way} {name!r}" if name != "value" else way for name, way in study.directions.items())
