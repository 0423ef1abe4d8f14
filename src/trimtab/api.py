"""The front desk: makes and opens studies, picks defaults, wires the rooms together.

Rooms that a study needs only once it runs or is shown are imported at that moment, so that
`import trimtab` stays light.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from trimtab.base.errors import InvalidArgument, StudyExists, UnknownName, check_count, message
from trimtab.base.events import StudyCreated
from trimtab.base.history import History
from trimtab.base.ports import Executor, Pruner, Storage, Tuner
from trimtab.base.records import DEFAULT_OBJECTIVE, Direction, Objective, Selection, StudyRecord, check_name
from trimtab.base.refs import Reference
from trimtab.base.seeds import draw_seed
from trimtab.space import Space, check_same
from trimtab.study import Study, Wiring
from trimtab.study.task import ObjectiveFunction
from trimtab.tuners import make_tuner, references_of

if TYPE_CHECKING:
    from trimtab.trust.holdout import HoldoutInUse, ReusableHoldout
    from trimtab.tuners.tasks.transfer import Corpus

__all__ = ["create_study", "load_study", "tune"]

Directions = Mapping[str, Direction] | Sequence[Direction]


def create_study(
    study_name: str | None = None,
    storage: str | Storage | None = None,
    *,
    space: Space | None = None,
    direction: Direction | None = None,
    directions: Directions | None = None,
    tuner: str | Tuner[Space] = "auto",
    pruner: Pruner[Space] | None = None,
    seed: int | None = None,
    load_if_exists: bool = False,
    lease: float = 60.0,
    corpus: Corpus | str | None = None,
    holdout: ReusableHoldout | None = None,
) -> Study:
    """Make a study.

    Arguments:
        study_name: unique within the storage; by default a random one.
        storage: None for memory, a URL such as "sqlite:///trimtab.db", or a storage.
        space: the declared space; without one the objective declares parameters as it goes.
        direction: "minimize" (the default) or "maximize", for a single objective.
        directions: for several objectives, name -> direction, or one direction for each value in turn.
        tuner: a name from the catalogue, or a tuner.
        pruner: decides whether a running trial goes on; None lets every trial end.
        seed: of every random number in the study; by default drawn, and recorded either way.
        load_if_exists: go on with a study of that name. Its space and objectives must be the same;
            its seed stands.
        lease: seconds after which a worker that is not heard of has lost its trial.
        corpus: past studies that the tuner is warm-started from, under a guard; see
            `trimtab.tuners.tasks.transfer`. A URL stands for all other studies of that storage. It is not
            stored: give it to `load_study` again.
        holdout: answers for every trial from its per-example losses, on a budget; see `trimtab.trust.holdout`. Each
            trial then tells `Observation.losses` on the training part and then on the holdout, and its value
            becomes what was answered: the mean loss, minimised. The study ends when the budget is used up. Reports,
            gradients and attributes are not looked at, so they must come from the training part. A warning names
            other studies of the storage that ask the same holdout.

    Raises:
        StudyExists: the name is taken, and `load_if_exists` is False.
        SpaceMismatch: the stored study has another space.
        UnknownName: no such tuner or storage scheme.
        StorageError: the storage cannot be opened.
        InvalidArgument: an argument is out of its range; a holdout with several objectives or one to maximize;
            a stored study with another holdout, or with other examples, labels or order in it.

    >>> from trimtab.space import Float
    >>> study = create_study(space=Space(x=Float(-1.0, 1.0)), seed=0)
    >>> study.optimize(lambda trial: trial.params["x"] ** 2, n_trials=20)
    >>> study.best_value < 0.1
    True
    """
    name = f"study-{os.urandom(4).hex()}" if study_name is None else check_name(study_name, "study_name")
    objectives = _objectives(direction, directions)
    if space is not None and not isinstance(space, Space):
        raise InvalidArgument(message("space must be a trimtab.Space", got=space, do="write trimtab.Space(lr=...)"))
    if seed is not None:
        check_count(seed, "seed", least=0)
    if not lease > 0:
        raise InvalidArgument(message("lease must be a time in seconds", got=lease, allowed="above 0"))
    made = make_tuner(tuner)
    warm = _warmed(made, corpus, name)
    opened = _storage(storage)
    asked = None if holdout is None else _asked(holdout, objectives, opened, name)
    created = StudyCreated(
        objectives=objectives,
        seed=draw_seed() if seed is None else seed,
        space=None if space is None else space.to_json(),
        tuner=made.name,
        holdout=None if asked is None else asked.declared(),
    )
    try:
        opened.append(name, [created])
    except StudyExists:
        if not load_if_exists:
            raise
        record = opened.snapshot(name).study
        space = _same_study(record, objectives, space)
        _check_holdout(record, holdout)
    else:
        if asked is not None and asked.others:
            warnings.warn(_shared(asked, name), stacklevel=2)
    return Study(name, opened, _WIRING, space=space, tuner=warm, pruner=pruner, lease=lease)


def load_study(
    study_name: str | None = None,
    storage: str | Storage | None = None,
    *,
    space: Space | None = None,
    tuner: str | Tuner[Space] | None = None,
    pruner: Pruner[Space] | None = None,
    lease: float = 60.0,
    corpus: Corpus | str | None = None,
    holdout: ReusableHoldout | None = None,
) -> Study:
    """Open a study that is there.

    Arguments:
        study_name: its name; may be left out where the storage holds a single study.
        storage: a URL or a storage.
        space: the declared space again, needed to go on where it has predicates, which live in code.
        tuner: by default the one that the study was made with.
        pruner: as in `create_study`.
        lease: as in `create_study`.
        corpus: as in `create_study`; without one the tuner goes on alone, and learns from every trial.
        holdout: the holdout as it is now, to be compared with the one that the study was created with, which
            goes on to answer either way.

    Raises:
        UnknownName: no study of that name, or several where none is named.
        SpaceMismatch: the stored study has another space.
        StorageError: the storage is not there, which is left so, or cannot be opened.
        InvalidArgument: the stored study has another holdout, or other examples, labels or order in it.
    """
    opened = _storage(storage, make=False)
    name = _only_study(opened) if study_name is None else study_name
    if holdout is not None:
        _check_holdout(opened.snapshot(name).study, holdout)
    if space is not None:
        record = opened.snapshot(name).study
        space = _same_study(record, record.objectives, space)
    if corpus is not None:
        tuner = _warmed(make_tuner(opened.snapshot(name).study.tuner if tuner is None else tuner), corpus, name)
    return Study(name, opened, _WIRING, space=space, tuner=tuner, pruner=pruner, lease=lease)


def tune(
    objective: ObjectiveFunction, space: Space | None = None, n_trials: int = 50, *, n_jobs: int = 1, **options: Any
) -> Study:
    """Make a study and run it: the shortest way from an objective to a study.

    Arguments:
        objective: function of a trial.
        space: as in `create_study`.
        n_trials: how many trials to run.
        n_jobs: trials at once.
        options: any other argument of `create_study`.

    Returns:
        The study, with its trials.
    """
    study = create_study(space=space, **options)
    study.optimize(objective, n_trials=n_trials, n_jobs=n_jobs)
    return study


def _objectives(direction: Direction | None, directions: Directions | None) -> tuple[Objective, ...]:
    """The objectives that the two arguments declare."""
    if direction is not None and directions is not None:
        raise InvalidArgument(message("give direction or directions, not both", got=(direction, directions)))
    if directions is None:
        return (Objective(DEFAULT_OBJECTIVE, "minimize" if direction is None else direction),)
    if isinstance(directions, str) or not directions:
        raise InvalidArgument(
            message(
                "directions must name at least one objective",
                got=directions,
                allowed="a dict such as {'error': 'minimize', 'speed': 'maximize'}, or a list of directions",
                do="use direction= for a single objective",
            )
        )
    if isinstance(directions, Mapping):
        return tuple(Objective(name, way) for name, way in directions.items())
    return tuple(Objective(f"value{place}", way) for place, way in enumerate(directions))


def _same_study(record: StudyRecord, objectives: tuple[Objective, ...], space: Space | None) -> Space | None:
    """The space to go on with: the stored one, its predicates taken from the code.

    Raises:
        InvalidArgument: the study has other objectives.
        SpaceMismatch: it has another space.
    """
    if record.objectives != objectives:
        raise InvalidArgument(
            message(
                f"study {record.name!r} has other objectives",
                got={o.name: o.direction for o in objectives},
                allowed=str({o.name: o.direction for o in record.objectives}),
                do="use another study_name",
            )
        )
    if space is None:
        return None
    return check_same(None if record.space is None else Space.from_json(record.space), space)


def _asked(holdout: ReusableHoldout, objectives: tuple[Objective, ...], storage: Storage, name: str) -> HoldoutInUse:
    """A new study's holdout, with the names of the other studies that ask the same examples.

    Raises:
        InvalidArgument: not a holdout, several objectives, or one that is maximised.
    """
    from trimtab.base.holdout import HoldoutState
    from trimtab.trust.holdout import HoldoutInUse, ReusableHoldout

    if not isinstance(holdout, ReusableHoldout):
        raise InvalidArgument(
            message(
                "holdout must be a trimtab.ReusableHoldout",
                got=holdout,
                do="write trimtab.ReusableHoldout.of(training_ids, holdout_ids)",
            )
        )
    if len(objectives) != 1 or objectives[0].direction != "minimize":
        raise InvalidArgument(
            message(
                "a holdout answers with the mean loss of a trial, so it needs one objective, to be minimised",
                got={objective.name: objective.direction for objective in objectives},
                allowed="a single objective, direction='minimize'",
                do="leave out direction and directions, and tell losses, such as errors in place of hits",
            )
        )
    same = holdout.holdout.members
    others = [
        record.name
        for record in storage.studies()
        if record.name != name and (other := HoldoutInUse.of(record)) and other.rules.holdout.members == same
    ]
    return HoldoutInUse(holdout, HoldoutState(), tuple(others))


def _check_holdout(record: StudyRecord, holdout: ReusableHoldout | None) -> None:
    """Refuse to go on with another holdout than that of the study.

    Raises:
        InvalidArgument: it has none, or another.
    """
    from trimtab.trust.holdout import HoldoutInUse

    if holdout is None:
        return
    known = HoldoutInUse.of(record)
    if known is None:
        raise InvalidArgument(
            message(
                f"study {record.name!r} was created without a holdout, so its trials were judged in another way",
                do="create a new study with holdout=",
            )
        )
    known.rules.check(holdout)


def _shared(holdout: HoldoutInUse, name: str) -> str:
    """The warning for a holdout that other studies ask, too."""
    return message(
        f"study {name!r} has a budget of its own on a holdout that others in the same storage ask",
        got=list(holdout.others),
        allowed="one study for each holdout: what is claimed does not hold for a choice made over several",
        do="go on with that study (load_if_exists=True), or use fresh examples",
    )


def _warmed(tuner: Tuner[Space], corpus: Corpus | str | None, name: str) -> Tuner[Space]:
    """The tuner, warm-started where there is a corpus; a study is no part of its own."""
    if corpus is None:
        return tuner
    from trimtab.tuners.tasks.transfer import Corpus, WarmStart

    if isinstance(corpus, str):
        with closing(_storage(corpus, make=False)) as past:
            others = [record.name for record in past.studies() if record.name != name]
            if not others:
                raise InvalidArgument(message(f"the corpus {corpus} holds no past study", do="check the URL"))
            corpus = Corpus.from_storage(past, others)
    return WarmStart(tuner, corpus)


def _only_study(storage: Storage) -> str:
    """The name of the only study in a storage."""
    return _pick([record.name for record in storage.studies()])


def _pick(names: Sequence[str]) -> str:
    """The only name there is.

    Raises:
        UnknownName: there are none, or several.
    """
    if len(names) == 1:
        return names[0]
    raise UnknownName(
        message(
            f"the storage holds {len(names)} studies",
            got=list(names) or None,
            do="say which one with study_name" if names else "make one with create_study",
        )
    )


def _frame(history: History[Space]) -> Any:
    from trimtab.report import trials_dataframe

    return trials_dataframe(history)


def _report(
    history: History[Space],
    selection: Selection | None,
    references: Sequence[Reference],
    path: str | os.PathLike[str] | None,
) -> str:
    from trimtab.report import report_html, write_report

    given = any(column.parameter.default is not None for column in history.space.columns)
    default = history.space.default_params() if given else None
    page = report_html(history, selection, references, default_params=default)
    if path is not None:
        write_report(path, page)
    return page


def _executor(executor: str | Executor, slots: int) -> Executor:
    from trimtab.executors import make_executor

    return make_executor(executor, slots)


def _storage(storage: str | Storage | None, make: bool = True) -> Storage:
    from trimtab.storage import open_storage

    return open_storage(storage, make=make)


_WIRING = Wiring(tuner=make_tuner, executor=_executor, references=references_of, frame=_frame, report=_report)
