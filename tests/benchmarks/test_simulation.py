"""The simulated clock against a twin that looks at every worker by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trimtab.benchmarks.simulation import simulate


def twin(times: list[float], workers: int) -> list[tuple[str, int, float]]:
    """What happens, found by asking at each step which worker is free first."""
    happened: list[tuple[str, int, float]] = []
    busy: dict[int, tuple[float, int]] = {}
    clock, asked = 0.0, 0
    while True:
        for worker in range(workers):
            if worker not in busy and asked < len(times):
                busy[worker] = (clock + times[asked], asked)
                happened.append(("ask", asked, clock))
                asked += 1
        if not busy:
            return happened
        first = min(busy, key=lambda worker: busy[worker])
        clock, number = busy.pop(first)
        happened.append(("tell", number, clock))


@given(st.lists(st.floats(0.0, 10.0), max_size=30), st.integers(1, 9))
def test_it_is_what_the_twin_does(times: list[float], workers: int) -> None:
    happened: list[tuple[str, int, float]] = []
    clock = [0.0]

    def ask(number: int) -> int:
        happened.append(("ask", number, clock[0]))
        return number

    def tell(number: int, at: float) -> None:
        clock[0] = at
        happened.append(("tell", number, at))

    assert simulate(len(times), workers, ask, lambda number: times[number], tell) == len(times)
    assert happened == twin(times, workers)


def test_what_runs_is_told_though_nothing_is_left_to_ask() -> None:
    told: list[int] = []
    asked: list[int] = []

    def ask(number: int) -> int | None:
        asked.append(number)
        return number if number < 3 else None

    assert simulate(10, 2, ask, lambda number: 1.0, lambda number, at: told.append(number)) == 3
    assert told == [0, 1, 2]
    assert asked == [0, 1, 2, 3]


def test_a_long_trial_holds_up_its_own_worker_only() -> None:
    order: list[int] = []
    simulate(4, 2, lambda number: number, [9.0, 1.0, 1.0, 1.0].__getitem__, lambda number, at: order.append(number))
    assert order == [1, 2, 3, 0]
