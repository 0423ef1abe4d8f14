"""The pure loop, run without processes, clocks or databases."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import Observation, Outcome
from trimtab.study.loop import (
    Began,
    Cancel,
    Ended,
    Finish,
    Interrupted,
    LoopState,
    NothingToStart,
    Reap,
    Reaped,
    Start,
    Started,
    StopAsked,
    Tell,
    Ticked,
    Wait,
    step,
)

DONE = Outcome(TrialState.COMPLETE, EndReason.COMPLETED, Observation(0.0))
KILLED = Outcome(TrialState.FAIL, EndReason.KILLED)
DIVERGED = Outcome(TrialState.FAIL, EndReason.DIVERGED)
CANCELLED = Outcome(TrialState.FAIL, EndReason.CANCELLED)


def failed(error: Exception) -> Outcome:
    return Outcome(TrialState.FAIL, EndReason.ERROR, error=error)


@dataclass
class World:
    """A made-up world that answers the loop's commands at random, and keeps count."""

    rng: random.Random
    outcomes: list[Outcome]
    supply: int | None = None  # how many trials the storage gives out, retries apart
    stop_at: int | None = None
    now: float = 0.0
    made: int = 0
    running: dict[int, int] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)  # losses of the trials that wait to be run again
    started: list[int] = field(default_factory=list)
    told: Counter[int] = field(default_factory=Counter)
    cancelled: set[int] = field(default_factory=set)
    most_running: int = 0

    def answer(self, command: object) -> list[object]:
        if isinstance(command, Start):
            if self.waiting:
                losses = self.waiting.pop()
            elif self.supply == 0:
                return [NothingToStart("nothing left", final=self.rng.random() < 0.5)]
            else:
                losses = 0
                if self.supply is not None:
                    self.supply -= 1
            number = self.made
            self.made += 1
            self.running[number] = losses
            self.started.append(number)
            self.most_running = max(self.most_running, len(self.running))
            return [Started(number, losses)]
        if isinstance(command, Tell):
            self.told[command.number] += 1
            if command.retry:
                lost = command.outcome.reason is EndReason.KILLED
                self.waiting.append(self.losses.pop(command.number) + lost)
            return []
        if isinstance(command, Cancel):
            self.cancelled.add(command.number)
            return []
        if isinstance(command, Reap):
            return [Reaped(0)]
        assert isinstance(command, Wait)
        self.now += 1.0
        if self.stop_at is not None and self.now >= self.stop_at:
            self.stop_at = None
            return [StopAsked("somebody asked")]
        ended = self.rng.sample(sorted(self.running), k=self.rng.randint(0, len(self.running)))
        signals: list[object] = []
        for number in ended:
            self.losses[number] = self.running.pop(number)
            outcome = CANCELLED if number in self.cancelled else self.rng.choice(self.outcomes)
            signals.append(Ended(number, outcome))
        return [*signals, Ticked(self.now)]

    losses: dict[int, int] = field(default_factory=dict)


def run(world: World, state: LoopState) -> tuple[Finish, LoopState]:
    queue: list[object] = [Began(), Ticked(0.0)]
    for _ in range(20_000):
        signal = queue.pop(0) if queue else Ticked(world.now)
        state, commands = step(state, signal)
        for command in commands:
            if isinstance(command, Finish):
                return command, state
            if queue and not isinstance(command, Tell | Cancel):
                continue
            queue.extend(world.answer(command))
    raise AssertionError("the loop did not finish")


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    slots=st.integers(1, 5),
    quota=st.integers(1, 20),
    outcomes=st.lists(st.sampled_from([DONE, KILLED, DIVERGED]), min_size=1, max_size=4),
    supply=st.none() | st.integers(0, 12),
    stop_at=st.none() | st.integers(1, 10),
)
def test_whatever_happens_every_trial_is_told_once_and_limits_hold(
    seed: int, slots: int, quota: int, outcomes: list[Outcome], supply: int | None, stop_at: int | None
) -> None:
    world = World(random.Random(seed), outcomes, supply, stop_at)
    finish, state = run(world, LoopState(slots=slots, quota=quota))

    assert world.most_running <= slots
    assert not world.running
    assert not state.running
    assert sorted(world.told) == sorted(world.started)
    assert set(world.told.values()) <= {1}
    retried = world.made - quota if supply is None and stop_at is None else 0
    if supply is None and stop_at is None:
        # Every configuration asked for was run to a result or lost as often as is allowed.
        assert retried >= 0
        assert not world.waiting
        assert finish.why == "the trials asked for are done"


@given(seed=st.integers(0, 10**6), retries=st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_a_configuration_that_always_kills_its_worker_is_run_once_and_retried_to_the_limit(
    seed: int, retries: int
) -> None:
    world = World(random.Random(seed), [KILLED])
    run(world, LoopState(slots=2, quota=3, retries=retries))
    assert world.made == 3 * (1 + retries)


def test_an_exception_nobody_catches_ends_the_run_and_cancels_the_others() -> None:
    error = failed(ValueError("bug"))
    state, _ = step(LoopState(slots=3), Started(0))
    state, _ = step(state, Started(1))
    state, commands = step(state, Ended(0, error))
    assert commands == (Tell(0, error, retry=False), Cancel(1), Wait())
    state, commands = step(state, Ended(1, CANCELLED))
    assert commands == (Tell(1, CANCELLED, retry=True), Finish("trial 0 raised", (0, error)))


@pytest.mark.parametrize(
    "outcome", [DIVERGED, KILLED, Outcome(TrialState.FAIL, EndReason.OUT_OF_MEMORY, error=MemoryError())]
)
def test_findings_about_a_configuration_never_end_the_run(outcome: Outcome) -> None:
    state, _ = step(LoopState(slots=1), Started(0))
    state, commands = step(state, Ended(0, outcome))
    assert commands[-1] == Start()
    assert state.error is None


def test_caught_exceptions_count_towards_the_limit_of_failures_in_a_row() -> None:
    state = LoopState(slots=1, catch=(ValueError,), most_failures=2)
    state, _ = step(state, Started(0))
    state, commands = step(state, Ended(0, failed(ValueError())))
    assert commands[-1] == Start()
    state, _ = step(state, Started(1))
    state, commands = step(state, Ended(1, DONE))
    state, _ = step(state, Started(2))
    state, _ = step(state, Ended(2, failed(ValueError())))
    state, _ = step(state, Started(3))
    state, commands = step(state, Ended(3, failed(ValueError())))
    assert commands[-1] == Finish("2 trials in a row failed")


def test_the_deadline_stops_new_trials_and_waits_for_running_ones() -> None:
    state, _ = step(LoopState(slots=2, deadline=10.0, reap_every=1e9), Started(0))
    state, commands = step(state, Ticked(9.0))
    assert commands == (Start(),)
    state, commands = step(state, Ticked(10.0))
    assert commands == (Wait(),)
    state, commands = step(state, Ended(0, DONE))
    assert commands[-1] == Finish("the time limit is reached")


def test_an_interruption_cancels_everything_and_the_cancelled_wait_to_be_run_again() -> None:
    state, _ = step(LoopState(slots=2), Started(4))
    state, _ = step(state, Started(7))
    state, commands = step(state, Interrupted())
    assert commands == (Cancel(4), Cancel(7), Wait())
    state, commands = step(state, Ended(4, CANCELLED))
    assert commands == (Tell(4, CANCELLED, retry=True), Wait())
    state, commands = step(state, Ended(7, DONE))
    assert commands == (Tell(7, DONE, retry=False), Finish("interrupted"))


def test_nothing_to_start_is_asked_again_once_lost_trials_were_requeued() -> None:
    state, _ = step(LoopState(slots=2, reap_every=5.0), Started(0))
    state, commands = step(state, NothingToStart("the study holds the 1 trials asked for"))
    assert commands == (Wait(),)
    state, commands = step(state, Ticked(5.0))
    assert commands == (Reap(),)
    state, commands = step(state, Reaped(0))
    assert commands == (Wait(),)
    state, commands = step(state, Reaped(1))
    assert commands == (Start(),)


def test_a_final_nothing_finishes_with_its_reason() -> None:
    _, commands = step(LoopState(slots=1), NothingToStart("every configuration was tried", final=True))
    assert commands == (Finish("every configuration was tried"),)
