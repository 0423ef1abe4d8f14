"""The conformance kit for storages: a storage is done when these tests pass.

from trimtab.testing.storage_kit import StorageKit

class TestMine(StorageKit):
    persistent = True

    def open_storage(self, folder):
        return MyStorage(folder / "studies.mine")
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from trimtab.base.errors import Conflict, InvalidArgument, StudyExists, UnknownName
from trimtab.base.events import (
    NEXT,
    Event,
    LeaseRenewed,
    Reported,
    SpaceChanged,
    SplitOpened,
    SplitSealed,
    StudyAttribute,
    StudyCreated,
    TrialAdded,
    TrialAsked,
    TrialAttribute,
    TrialClaimed,
    TrialEnqueued,
    TrialReaped,
    TrialTold,
    TrialToldLate,
)
from trimtab.base.holdout import HoldoutAnswer, HoldoutState, StaleAnswer
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.ports import Claim, Storage
from trimtab.base.records import FrozenTrial, Json, Objective, Observation
from trimtab.testing.storage_machine import StorageMachine, curves, plain, study_record, trials

__all__ = ["StorageKit"]

CREATED = StudyCreated((Objective(),), seed=7)
CREATED_WITH_HOLDOUT = StudyCreated((Objective(),), seed=7, holdout={"size": 60, "mechanism": {"budget": 3}})
STUDY = "digits"

NAMES = [
    "a",
    "x" * 10_000,
    "π ≠ 3.14 – ğ 漢字 🎛️",
    """it's "quoted"; DROP TABLE studies; --""",
    "line\nbreak\ttab\\",
    "nul \x00 and escape \x10 and \x7f",
    "a lone surrogate \ud800",
    " ",
]
NUMBERS = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -math.inf, math.inf, math.nan, 1e22, -2.5]


def told(claim: Claim, value: float = 0.5, **parts: Any) -> TrialTold:
    """A complete result under a lease."""
    observation = Observation(value)
    return TrialTold(claim.trial.number, claim.seq, TrialState.COMPLETE, EndReason.COMPLETED, observation, **parts)


def asked(claim: Claim, params: Mapping[str, Any] | None = None) -> TrialAsked:
    """A proposal under a lease."""
    return TrialAsked(claim.trial.number, claim.seq, params or {"lr": 0.1}, seen=claim.seq, tuner="random")


def claimed(storage: Storage, worker: str = "worker", study: str = STUDY, limit: int | None = None) -> Claim:
    """A claim that must be given."""
    claim = storage.claim(study, worker, 60.0, limit)
    assert claim is not None
    return claim


def trial(storage: Storage, number: int, study: str = STUDY) -> FrozenTrial:
    """One trial as the storage's rows tell it."""
    return FrozenTrial.from_row(storage.snapshot(study).rows[number])


def assert_fold(storage: Storage, study: str = STUDY) -> None:
    """What the storage derived is the fold of its log, and the log is dense."""
    log = storage.read(study)
    snapshot = storage.snapshot(study)
    assert [stored.seq for stored in log] == list(range(1, len(log) + 1))
    assert snapshot.seq == len(log)
    assert snapshot.study == study_record(study, log)
    assert list(snapshot.rows) == [trial.to_row() for _, trial in sorted(trials(log).items())]
    assert storage.reports(study) == {number: tuple(points) for number, points in curves(log).items()}


class StorageKit(ABC):
    """What every storage must do. Inherit, name the class Test..., and say how to open one.

    Attributes:
        persistent: whether what was written is there when the same folder is opened again.
        examples: how many sequences of events the property test draws.
    """

    persistent: ClassVar[bool] = False
    examples: ClassVar[int] = 12

    @abstractmethod
    def open_storage(self, folder: Path) -> Storage:
        """The storage that is kept in a folder; a new one where the folder holds none."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[Storage]:
        """An empty storage."""
        storage = self.open_storage(tmp_path)
        yield storage
        storage.close()

    @pytest.fixture
    def study(self, storage: Storage) -> Storage:
        """A storage with one empty study, `STUDY`."""
        storage.append(STUDY, [CREATED])
        return storage

    # Studies

    def test_it_fits_the_port(self, storage: Storage) -> None:
        """All verbs are there."""
        assert isinstance(storage, Storage)
        assert storage.studies() == []

    def test_a_created_study_is_told_back(self, storage: Storage) -> None:
        """The record holds everything that the event said, and the time."""
        before = time.time()
        created = StudyCreated((Objective("loss"), Objective("speed", "maximize")), -(2**70), {"a": [1, None]}, "gp")
        (stored,) = storage.append(STUDY, [created])
        assert (stored.seq, stored.event) == (1, created)
        assert before <= stored.time <= time.time()
        (record,) = storage.studies()
        assert (record.name, record.objectives, record.seed) == (STUDY, created.objectives, created.seed)
        assert (record.space, record.tuner, record.created) == (created.space, "gp", stored.time)
        assert_fold(storage)

    def test_a_taken_name_is_refused(self, study: Storage) -> None:
        """A second creation says that the study exists, and changes nothing."""
        study.append(STUDY, [StudyAttribute("owner", "me")])
        with pytest.raises(StudyExists, match=f"study '{STUDY}' exists already.*Next: "):
            study.append(STUDY, [CREATED])
        assert study.studies()[0].attributes == {"owner": "me"}

    @pytest.mark.parametrize(
        "verb",
        [
            lambda storage: storage.append("nobody", [TrialEnqueued(NEXT, {})]),
            lambda storage: storage.append("nobody", []),
            lambda storage: storage.read("nobody"),
            lambda storage: storage.claim("nobody", "worker", 60.0),
            lambda storage: storage.snapshot("nobody"),
            lambda storage: storage.reports("nobody"),
        ],
        ids=["append", "append nothing", "read", "claim", "snapshot", "reports"],
    )
    def test_a_missing_study_is_an_unknown_name(self, study: Storage, verb: Callable[[Storage], object]) -> None:
        """Every verb says which name it did not find."""
        with pytest.raises(UnknownName, match=r"no study of that name.*got 'nobody'.*Next: "):
            verb(study)

    @pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
    def test_any_name_is_data(self, storage: Storage, name: str) -> None:
        """Names of any length and of any characters come back as they were."""
        storage.append(name, [CREATED])
        storage.append(STUDY, [CREATED])
        claimed(storage, study=name)
        assert [record.name for record in storage.studies()] == [name, STUDY]
        assert storage.snapshot(name).study.name == name
        assert (len(storage.snapshot(name).rows), len(storage.snapshot(STUDY).rows)) == (1, 0)

    @pytest.mark.parametrize("name", ["", "x" * 100_001])
    def test_a_name_that_is_none_is_refused(self, storage: Storage, name: str) -> None:
        """An empty name and an endless one."""
        with pytest.raises(InvalidArgument, match=r"a study's name must be a text.*allowed: 1 to 100000"):
            storage.append(name, [CREATED])
        assert storage.studies() == []

    def test_names_are_compared_exactly(self, storage: Storage) -> None:
        """Case, spaces and the composition of accents make a difference."""
        names = ["Digits", "digits", "digits ", "\u00e9", "e\u0301", "digits\x00"]
        for name in names:
            storage.append(name, [CREATED])
        assert [record.name for record in storage.studies()] == names

    # Batches

    def test_numbers_are_given_densely(self, study: Storage) -> None:
        """Enqueued, added and claimed trials share one sequence."""
        batch: list[Event] = [
            TrialEnqueued(NEXT, {"lr": 0.5}),
            TrialAdded(NEXT, {"lr": 0.7}, TrialState.COMPLETE, EndReason.COMPLETED, Observation(1.0)),
        ]
        assert [stored.event for stored in study.append(STUDY, batch)] == [
            TrialEnqueued(0, {"lr": 0.5}),
            TrialAdded(1, {"lr": 0.7}, TrialState.COMPLETE, EndReason.COMPLETED, Observation(1.0)),
        ]
        assert [claimed(study).trial.number, claimed(study).trial.number] == [0, 2]
        assert_fold(study)

    @pytest.mark.parametrize("number", [0, 1, 3, -2])
    def test_a_number_that_is_not_the_next_is_refused(self, study: Storage, number: int) -> None:
        """Nobody can make a hole, or a trial twice."""
        study.append(STUDY, [TrialEnqueued(NEXT, {}), TrialEnqueued(1, {})])
        with pytest.raises(Conflict, match=r"exists already|dense"):
            study.append(STUDY, [TrialEnqueued(number, {})])
        assert len(study.snapshot(STUDY).rows) == 2

    def test_a_batch_with_one_refused_event_writes_nothing(self, study: Storage) -> None:
        """Neither the log, nor trials, nor the study, nor the next number."""
        first = claimed(study)
        before = plain(study.read(STUDY))
        with pytest.raises(Conflict, match="there is no trial 99"):
            study.append(
                STUDY,
                [
                    TrialEnqueued(NEXT, {}),
                    StudyAttribute("owner", "me"),
                    Reported(0, first.seq, 1.0, {"loss": 1.0}),
                    told(first),
                    TrialAttribute(99, "a", 1),
                ],
            )
        assert plain(study.read(STUDY)) == before
        assert_fold(study)
        assert trial(study, 0).state is TrialState.RUNNING
        assert claimed(study).trial.number == 1

    def test_a_study_is_created_with_its_first_trials_or_not_at_all(self, storage: Storage) -> None:
        """Creation is an event like any other."""
        with pytest.raises(Conflict, match="there is no trial 0"):
            storage.append(STUDY, [CREATED, TrialAttribute(0, "a", 1)])
        assert storage.studies() == []
        storage.append(STUDY, [CREATED, TrialEnqueued(NEXT, {"lr": 1.0}), TrialAttribute(0, "a", 1)])
        assert trial(storage, 0).attributes == {"a": 1}
        assert_fold(storage)

    def test_an_empty_batch_changes_nothing(self, study: Storage) -> None:
        """No event, no place in the log."""
        assert study.append(STUDY, []) == ()
        assert len(study.read(STUDY)) == 1

    @pytest.mark.parametrize(
        ("event", "part"),
        [
            (TrialEnqueued(NEXT, {"lr": math.nan}), "'lr' in 'params' of trial 0"),
            (TrialAttribute(0, "shape", {1, 2}), "'value' of trial 0"),
            (StudyAttribute("x", [object()]), "'value' of the study"),
            (SpaceChanged({"a": b"bytes"}, ""), "'a' in 'space' of the study"),
        ],
    )
    def test_what_json_cannot_carry_is_refused(self, study: Storage, event: Event, part: str) -> None:
        """The message names the part, whatever the storage keeps inside."""
        if not isinstance(event, TrialEnqueued):
            study.append(STUDY, [TrialEnqueued(NEXT, {})])
        before = plain(study.read(STUDY))
        with pytest.raises(InvalidArgument, match=f"{part} .* cannot be written as JSON.*allowed: .*Next: "):
            study.append(STUDY, [event])
        assert plain(study.read(STUDY)) == before
        assert_fold(study)

    def test_an_attribute_may_be_empty(self, study: Storage) -> None:
        """None, an empty dict and an empty list are values."""
        study.append(STUDY, [StudyAttribute("none", None), StudyAttribute("dict", {}), StudyAttribute("list", [])])
        assert study.snapshot(STUDY).study.attributes == {"none": None, "dict": {}, "list": []}
        assert_fold(study)

    def test_a_record_cannot_be_changed_after_it_was_written(self, study: Storage) -> None:
        """A storage keeps what it was given at the time."""
        inner: dict[str, Json] = {"layers": [1, 2]}
        params = {"lr": 0.5}
        study.append(STUDY, [TrialEnqueued(NEXT, params, {"net": inner}), StudyAttribute("net", inner)])
        inner["layers"].append(3)
        params["lr"] = 99.0
        assert study.snapshot(STUDY).study.attributes == {"net": {"layers": [1, 2]}}
        assert trial(study, 0).params == {"lr": 0.5}
        assert_fold(study)

    # Reading

    def test_reading_goes_on_where_it_stopped(self, study: Storage) -> None:
        """`after` leaves out what was seen; reports lie among the other events in order."""
        first, second = claimed(study), claimed(study)
        study.append(STUDY, [asked(first), Reported(0, first.seq, 1.0, {"loss": 2.0}), asked(second)])
        study.append(STUDY, [Reported(1, second.seq, 1.0, {"loss": 3.0, "accuracy": 0.5}), told(first)])
        log = study.read(STUDY)
        assert [s.event.kind for s in log] == [
            "study_created",
            "trial_claimed",
            "trial_claimed",
            "trial_asked",
            "reported",
            "trial_asked",
            "reported",
            "trial_told",
        ]
        for after in range(len(log) + 2):
            assert study.read(STUDY, after) == log[after:]
            assert study.read(STUDY, after, trial=1) == [
                s for s in log[after:] if getattr(s.event, "number", None) == 1
            ]
        assert study.read(STUDY, trial=5) == []

    def test_studies_do_not_mix(self, study: Storage) -> None:
        """Places and numbers are each study's own."""
        study.append("other", [CREATED])
        for name in (STUDY, "other", STUDY, "other"):
            claim = claimed(study, study=name)
            study.append(name, [Reported(claim.trial.number, claim.seq, 0.0, {name: 1.0}), told(claim)])
        for name in (STUDY, "other"):
            assert_fold(study, name)
            assert {metric for curve in study.reports(name).values() for metric in curve[0].metrics} == {name}

    @pytest.mark.parametrize("text", NAMES, ids=range(len(NAMES)))
    def test_any_text_is_data(self, study: Storage, text: str) -> None:
        """In every field that holds a text."""
        study.append(STUDY, [TrialEnqueued(NEXT, {text: text}, {text: [text]})])
        claim = claimed(study, worker=text)
        study.append(
            STUDY,
            [
                TrialAsked(0, claim.seq, {text: text}, claim.seq, tuner=text, why=text),
                Reported(0, claim.seq, 1.0, {text: 1.0, text + "!": 2.0}),
                TrialAttribute(0, text, text),
                TrialTold(
                    0,
                    claim.seq,
                    TrialState.FAIL,
                    EndReason.ERROR,
                    Observation({text: 1.0}, task=text),
                    text=text,
                    output=text,
                ),
            ],
        )
        assert_fold(study)
        found = trial(study, 0)
        assert (found.params, found.worker, found.tuner, found.why) == ({text: text}, text, text, text)
        assert (found.text, found.attributes, found.values) == (text, {text: text}, {text: 1.0})
        assert study.reports(STUDY)[0][0].metrics == {text: 1.0, text + "!": 2.0}

    @pytest.mark.parametrize("number", NUMBERS)
    def test_every_float_survives(self, study: Storage, number: float) -> None:
        """In reports, values, losses and constraints; bit for bit."""
        claim = claimed(study)
        observation = Observation(number, losses=[number, 1.0], constraints={"c": number})
        study.append(STUDY, [Reported(0, claim.seq, 1.0, {"loss": number})])
        study.append(STUDY, [TrialTold(0, claim.seq, TrialState.FAIL, EndReason.DIVERGED, observation)])
        reported = study.reports(STUDY)[0][0].metrics["loss"]
        found = trial(study, 0).observation
        assert found is not None
        assert found.losses is not None
        assert found.constraints is not None
        for value in (reported, found.values["value"], found.losses[0], found.constraints["c"]):
            assert np.float64(value).tobytes() == np.float64(number).tobytes() or (value != value and number != number)

    # Claims

    def test_a_waiting_trial_comes_before_a_new_one(self, study: Storage) -> None:
        """The lowest number first, with its params."""
        study.append(STUDY, [TrialEnqueued(NEXT, {"lr": 1.0}), TrialEnqueued(NEXT, {"lr": 2.0})])
        found = [claimed(study).trial for _ in range(3)]
        assert [(t.number, t.params) for t in found] == [(0, {"lr": 1.0}), (1, {"lr": 2.0}), (2, None)]

    def test_a_claim_is_a_lease(self, study: Storage) -> None:
        """The trial runs, held by the worker, until the lease's end; its place in the log is the token."""
        before = time.time()
        claim = study.claim(STUDY, "me", 30.0)
        assert claim is not None
        found = claim.trial
        assert (found.state, found.worker, found.token) == (TrialState.RUNNING, "me", claim.seq)
        assert before + 30.0 <= found.expires <= time.time() + 30.0
        assert study.read(STUDY)[-1].event == TrialClaimed(0, claim.seq, "me", found.expires)
        assert study.read(STUDY)[-1].seq == claim.seq
        assert trial(study, 0) == found

    def test_the_limit_counts_a_lost_trial_and_its_retry_once(self, study: Storage) -> None:
        """New trials end at the limit; what waits is leased all the same."""
        first = claimed(study, limit=2)
        claimed(study, limit=2)
        assert study.claim(STUDY, "worker", 60.0, 2) is None
        study.append(STUDY, [TrialReaped(0, first.seq, "gone"), TrialEnqueued(NEXT, {}, retry_of=0)])
        assert claimed(study, limit=2).trial.number == 2
        assert study.claim(STUDY, "worker", 60.0, 2) is None
        assert claimed(study, limit=3).trial.number == 3
        assert study.claim(STUDY, "worker", 60.0, 0) is None
        study.append(STUDY, [TrialEnqueued(NEXT, {})])
        assert claimed(study, limit=0).trial.number == 4
        assert_fold(study)

    def test_a_claim_cannot_be_appended(self, study: Storage) -> None:
        """It would bypass the lock."""
        with pytest.raises(InvalidArgument, match=r"claimed through the storage's claim.*Next: call claim"):
            study.append(STUDY, [TrialClaimed(0, 2, "me", 0.0)])

    @pytest.mark.parametrize("lease", [math.inf, math.nan])
    def test_a_lease_must_end(self, study: Storage, lease: float) -> None:
        """Otherwise a dead worker would hold its trial for ever."""
        with pytest.raises(InvalidArgument, match=r"a lease must end; got .*allowed: a finite number"):
            study.claim(STUDY, "me", lease)

    # Leases

    @pytest.mark.parametrize(
        "event",
        [
            lambda token: TrialAsked(0, token, {}, 0, "random"),
            lambda token: LeaseRenewed(0, token, 2e9),
            lambda token: Reported(0, token, 1.0, {"loss": 1.0}),
            lambda token: TrialReaped(0, token, "gone"),
        ],
        ids=["asked", "renewed", "reported", "reaped"],
    )
    def test_a_stale_lease_is_fenced_off(self, study: Storage, event: Callable[[int], Event]) -> None:
        """Only the present lease may speak for a trial."""
        claim = claimed(study)
        for token in (0, claim.seq - 1, claim.seq + 1):
            with pytest.raises(Conflict, match="trial 0 is not held under this lease"):
                study.append(STUDY, [event(token)])
        study.append(STUDY, [event(claim.seq)])
        assert_fold(study)

    def test_a_late_result_is_kept_and_changes_nothing(self, study: Storage) -> None:
        """The lost trial stays lost; the result is a second attempt."""
        claim = claimed(study)
        study.append(STUDY, [TrialReaped(0, claim.seq, "silent")])
        (stored,) = study.append(STUDY, [told(claim, 0.25)])
        assert stored.event == TrialToldLate(0, claim.seq, Observation(0.25))
        found = trial(study, 0)
        assert (found.state, found.reason, found.text) == (TrialState.FAIL, EndReason.LEASE_LOST, "silent")
        assert found.attempts == (Observation(0.25),)
        assert_fold(study)

    def test_telling_twice_is_refused(self, study: Storage) -> None:
        """A result never changes."""
        claim = claimed(study)
        study.append(STUDY, [told(claim, 0.25)])
        with pytest.raises(Conflict, match="trial 0 was already told: it is COMPLETE"):
            study.append(STUDY, [told(claim, 0.5)])
        assert trial(study, 0).value == 0.25

    def test_define_by_run_declarations_reach_the_study(self, study: Storage) -> None:
        """The first declaration of a name stands."""
        first, second = claimed(study), claimed(study)
        study.append(STUDY, [told(first, params={"lr": 1.0}, parameters={"lr": {"low": 0}})])
        study.append(STUDY, [told(second, parameters={"lr": {"low": 1}, "width": {"low": 2}})])
        assert study.snapshot(STUDY).study.parameters == {"lr": {"low": 0}, "width": {"low": 2}}
        assert_fold(study)

    # Holdouts and sealed splits

    def test_a_holdouts_state_is_the_fold_of_its_answers(self, storage: Storage) -> None:
        """Of told and of added trials, the losses of a leader included."""
        storage.append(STUDY, [CREATED_WITH_HOLDOUT])
        assert storage.snapshot(STUDY).study.holdout == CREATED_WITH_HOLDOUT.holdout
        first, second = HoldoutAnswer(0, 0.3, spent=False), HoldoutAnswer(1, 0.1, True, np.array([0.1, 1.0]))
        claim = claimed(storage)
        (stored,) = storage.append(STUDY, [told(claim, 0.3, answer=first)])
        assert stored.event == told(claim, 0.3, answer=first)
        added = TrialAdded(NEXT, {}, TrialState.COMPLETE, EndReason.COMPLETED, Observation(0.1), answer=second)
        storage.append(STUDY, [added])
        state = storage.snapshot(STUDY).study.holdout_state
        assert state == HoldoutState(2, 1, 0.1, np.array([0.1, 1.0]), spoke_for=1)
        assert_fold(storage)

    @pytest.mark.parametrize("place", [0, 2])
    def test_a_stale_answer_is_refused_and_nothing_is_written(self, storage: Storage, place: int) -> None:
        """Only the answer that follows on the last one enters the log; so every worker is asked in one order."""
        storage.append(STUDY, [CREATED_WITH_HOLDOUT])
        one, two = claimed(storage), claimed(storage)
        storage.append(STUDY, [told(one, answer=HoldoutAnswer(0, 0.3, spent=True))])
        before = plain(storage.read(STUDY))
        with pytest.raises(StaleAnswer, match=r"other answers since.*allowed: answer 1, the next.*Next: "):
            storage.append(STUDY, [told(two, answer=HoldoutAnswer(place, 0.3, spent=True))])
        assert plain(storage.read(STUDY)) == before
        assert trial(storage, 1).state is TrialState.RUNNING
        storage.append(STUDY, [told(two, answer=HoldoutAnswer(1, 0.3, spent=True))])
        assert storage.snapshot(STUDY).study.holdout_state.spent == 2
        assert_fold(storage)

    def test_threads_give_every_answer_once(self, storage: Storage) -> None:
        """Many threads answer at once; who was too late looks again."""
        storage.append(STUDY, [CREATED_WITH_HOLDOUT])

        def work(worker: int) -> None:
            for _ in range(4):
                claim = claimed(storage, f"worker {worker}")
                while True:
                    place = storage.snapshot(STUDY).study.holdout_state.queries
                    try:
                        storage.append(STUDY, [told(claim, answer=HoldoutAnswer(place, 0.3, spent=True))])
                        break
                    except StaleAnswer:
                        continue

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        state = storage.snapshot(STUDY).study.holdout_state
        assert (state.queries, state.spent) == (16, 16)
        assert_fold(storage)

    def test_an_answer_needs_a_holdout(self, study: Storage) -> None:
        """A study that was made without one has none that could answer."""
        claim = claimed(study)
        with pytest.raises(Conflict, match=f"study '{STUDY}' has no holdout that could have answered"):
            study.append(STUDY, [told(claim, answer=HoldoutAnswer(0, 0.3, spent=False))])
        assert trial(study, 0).state is TrialState.RUNNING

    def test_a_late_result_takes_no_answer(self, storage: Storage) -> None:
        """What the holdout said is taken out of a result that came too late."""
        storage.append(STUDY, [CREATED_WITH_HOLDOUT])
        claim = claimed(storage)
        storage.append(STUDY, [TrialReaped(0, claim.seq, "silent")])
        seen = Observation(0.9, losses=[0.25, 0.75])
        late = TrialTold(
            0, claim.seq, TrialState.COMPLETE, EndReason.COMPLETED, seen, answer=HoldoutAnswer(0, 0.9, True)
        )
        (stored,) = storage.append(STUDY, [late])
        assert stored.event == TrialToldLate(0, claim.seq, Observation(0.5, losses=[0.25, 0.75]))
        assert storage.snapshot(STUDY).study.holdout_state == HoldoutState()
        assert_fold(storage)

    def test_a_split_is_sealed_once_and_opened_once(self, study: Storage) -> None:
        """For ever, whoever asks."""
        opening = SplitOpened(3, 0.25, 0.2, 0.3, 0.95)
        with pytest.raises(Conflict, match="has no sealed split"):
            study.append(STUDY, [opening])
        study.append(STUDY, [SplitSealed({"size": 2})])
        with pytest.raises(Conflict, match="has a sealed split already"):
            study.append(STUDY, [SplitSealed({"size": 3})])
        study.append(STUDY, [opening])
        with pytest.raises(Conflict, match="was opened once, for trial 3; a second look"):
            study.append(STUDY, [SplitOpened(4, 0.1, 0.0, 0.2, 0.95)])
        assert study.snapshot(STUDY).study.sealed == {"examples": {"size": 2}, "opening": [3, 0.25, 0.2, 0.3, 0.95]}
        assert_fold(study)

    # Reports

    def test_a_report_is_one_event_with_all_its_metrics(self, study: Storage) -> None:
        """In the order of arrival, also where steps go back."""
        claim = claimed(study)
        points = [(3.0, {"b": 1.0, "a": 2.0}), (1.5, {"a": 0.0}), (1.5, {"a": -1.0})]
        stored = study.append(STUDY, [Reported(0, claim.seq, step, metrics) for step, metrics in points])
        assert [s.seq for s in stored] == [claim.seq + 1, claim.seq + 2, claim.seq + 3]
        found = study.reports(STUDY)[0]
        assert [(point.step, list(point.metrics.items())) for point in found] == [
            (step, list(metrics.items())) for step, metrics in points
        ]
        assert [point.time for point in found] == [s.time for s in stored]
        assert study.read(STUDY, claim.seq) == list(stored)

    def test_numbers_of_any_kind_are_reported_as_floats(self, study: Storage) -> None:
        """Integers and NumPy's scalars."""
        claim = claimed(study)
        metrics = {"a": np.float32(0.5), "b": 3, "c": np.int64(4)}
        study.append(STUDY, [Reported(0, claim.seq, 1, metrics)])  # type: ignore[arg-type]  # what users pass
        assert study.reports(STUDY)[0][0].metrics == {"a": 0.5, "b": 3.0, "c": 4.0}

    @pytest.mark.parametrize("metrics", [{}, {"loss": "low"}, {"loss": None}, {"": 1.0}, {"loss": 10**400}])
    def test_a_report_that_is_none_is_refused(self, study: Storage, metrics: dict[str, Any]) -> None:
        """Nothing, a text, or what no float can hold."""
        claim = claimed(study)
        with pytest.raises(InvalidArgument, match=r"trial 0: a report needs a step and one metric at least.*Next: "):
            study.append(STUDY, [Reported(0, claim.seq, 1.0, metrics)])
        assert study.reports(STUDY) == {}

    # Many at once

    def test_threads_get_every_number_once(self, study: Storage) -> None:
        """Claims and enqueued trials of many threads: dense numbers, each leased once."""
        study.append(STUDY, [TrialEnqueued(NEXT, {"n": n}) for n in range(10)])

        def work(worker: int) -> list[int]:
            mine = []
            for step in range(6):
                claim = claimed(study, f"worker {worker}")
                mine.append(claim.trial.number)
                study.append(STUDY, [asked(claim), Reported(claim.trial.number, claim.seq, 0.0, {"loss": 1.0})])
                study.append(STUDY, [told(claim, float(step)), TrialEnqueued(NEXT, {})])
            return mine

        with ThreadPoolExecutor(8) as pool:
            numbers = sorted(itertools.chain.from_iterable(pool.map(work, range(8))))
        rows = study.snapshot(STUDY).rows
        assert numbers == list(range(48))
        assert [row.number for row in rows] == list(range(len(rows)))
        assert [row.number for row in rows if row.state == TrialState.COMPLETE] == numbers
        assert_fold(study)

    def test_readers_see_one_moment_while_writers_write(self, study: Storage) -> None:
        """Every reading is a prefix of the final log, and a snapshot is the fold of its prefix."""
        done = threading.Event()

        def write() -> None:
            for _ in range(25):
                claim = claimed(study)
                study.append(STUDY, [asked(claim), told(claim)])

        def look() -> list[tuple[list[str], Any]]:
            seen = []
            while not done.is_set():
                seen.append((plain(study.read(STUDY)), study.snapshot(STUDY)))
            return seen

        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(look) for _ in range(2)]
            for writer in [pool.submit(write) for _ in range(2)]:
                writer.result()
            done.set()
            seen = list(itertools.chain.from_iterable(reader.result() for reader in readers))
        log = study.read(STUDY)
        texts = plain(log)
        for found, snapshot in seen:
            assert found == texts[: len(found)]
            assert snapshot.study.name == STUDY
        for _, snapshot in seen[:: max(1, len(seen) // 20)]:
            expected = trials(log[: snapshot.seq])
            assert list(snapshot.rows) == [t.to_row() for _, t in sorted(expected.items())]

    # Any sequence

    def test_any_sequence_of_events_agrees_with_the_fold(self, tmp_path: Path) -> None:
        """Property: see `trimtab.testing.storage_machine`."""
        counter = itertools.count()
        folders: dict[int, Path] = {}

        def opened() -> Storage:
            folder = tmp_path / str(next(counter))
            folder.mkdir()
            storage = self.open_storage(folder)
            folders[id(storage)] = folder
            return storage

        def again(storage: Storage) -> Storage:
            folder = folders.pop(id(storage))
            storage.close()
            new = self.open_storage(folder)
            folders[id(new)] = folder
            return new

        run_state_machine_as_test(
            # Any callable that makes a machine will do, although the signature asks for a class.
            cast(Any, lambda: StorageMachine(opened, again if self.persistent else None)),
            settings=settings(
                max_examples=self.examples,
                stateful_step_count=15,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

    # Opening and closing

    def test_it_may_be_closed_twice(self, tmp_path: Path) -> None:
        """The second time does nothing."""
        storage = self.open_storage(tmp_path)
        storage.append(STUDY, [CREATED])
        storage.close()
        storage.close()

    def test_what_was_written_is_there_when_it_is_opened_again(self, tmp_path: Path) -> None:
        """For a persistent storage: the log, the trials, the curves, and the next number."""
        if not self.persistent:
            pytest.skip("this storage keeps nothing")
        before = self.open_storage(tmp_path)
        before.append(STUDY, [CREATED, TrialEnqueued(NEXT, {"lr": 0.5})])
        claim = claimed(before)
        before.append(STUDY, [Reported(0, claim.seq, 1.0, {"loss": 1.0}), told(claim)])
        log, snapshot, reports = before.read(STUDY), before.snapshot(STUDY), before.reports(STUDY)
        before.close()
        after = self.open_storage(tmp_path)
        assert (after.read(STUDY), after.snapshot(STUDY), after.reports(STUDY)) == (log, snapshot, reports)
        assert claimed(after).trial.number == 1
        after.close()

    def test_two_that_are_open_share_their_studies(self, tmp_path: Path) -> None:
        """For a persistent storage: what one writes, the other reads at once."""
        if not self.persistent:
            pytest.skip("this storage keeps nothing")
        one, two = self.open_storage(tmp_path), self.open_storage(tmp_path)
        one.append(STUDY, [CREATED])
        numbers = [claimed(storage).trial.number for storage in (one, two, two, one)]
        assert numbers == [0, 1, 2, 3]
        assert one.snapshot(STUDY) == two.snapshot(STUDY)
        one.close()
        assert claimed(two).trial.number == 4
        two.close()
