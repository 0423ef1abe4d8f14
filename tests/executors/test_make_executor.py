from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from trimtab.base.errors import InvalidArgument, UnknownName
from trimtab.executors import InlineExecutor, executor_names, make_executor


@pytest.mark.parametrize("name", executor_names())
def test_every_name_makes_an_executor(name: str) -> None:
    executor = make_executor(name, 1)
    assert executor.slots == 1
    executor.close()


def test_processes_have_the_slots_asked_for() -> None:
    executor = make_executor("processes", 3)
    assert executor.slots == 3
    executor.close()


def test_an_executor_is_given_back_as_it_is() -> None:
    executor = InlineExecutor()
    assert make_executor(executor, 5) is executor


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UnknownName) as caught:
        make_executor("ray")
    assert str(caught.value) == (
        "there is no executor of this name; got 'ray'; allowed: 'inline' or 'processes', "
        "or an object that fits trimtab.base.ports.Executor. "
        'Next: use executor="processes" to run several trials at once on this machine.'
    )


@pytest.mark.parametrize("slots", [0, -1, 1.5])
def test_an_impossible_number_of_slots_is_refused(slots: Any) -> None:
    with pytest.raises(InvalidArgument, match=f"n_jobs must be a whole number .* got {slots}; allowed: >= 1"):
        make_executor("processes", slots)


def test_inline_refuses_several_slots() -> None:
    with pytest.raises(InvalidArgument, match=r'got .n_jobs=2.; allowed: n_jobs=1. Next: use executor="processes"'):
        make_executor("inline", 2)


def test_an_object_that_does_not_fit_is_told_what_it_lacks() -> None:
    executor: Any = object()
    with pytest.raises(InvalidArgument, match="an executor needs slots, submit, events, cancel, close; got <object"):
        make_executor(executor)


def test_the_room_is_light() -> None:
    code = "import sys, trimtab.executors; print({'cloudpickle', 'multiprocessing', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
