from __future__ import annotations

import functools
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import trimtab.base.records
from trimtab.base.errors import InvalidArgument
from trimtab.base.ports import Context
from trimtab.base.records import Observation, Params
from trimtab.base.seeds import Key
from trimtab.executors.transport import dump_task, importable, load_task
from trimtab.testing.tasks import FunctionTask

lock = threading.Lock()
HERE = sys.modules[__name__]


@pytest.fixture
def file_module(tmp_path: Path) -> Iterator[ModuleType]:
    """A module loaded from a path and known by a name that no other process can import."""
    file = tmp_path / "settings_of_mine.py"
    file.write_text(
        "from trimtab import base\n"
        "from trimtab.base.records import Observation\n"
        "OFFSET = 10.0\n"
        "class Scale:\n"
        "    def times(self, x): return 3.0 * x\n"
        "def helper(x): return Scale().times(x) + OFFSET\n"
        "def objective(params, context): return Observation(helper(params['x']))\n"
    )
    spec = importlib.util.spec_from_file_location("settings_of_mine", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("settings_of_mine", None)


def blame(function: Any) -> str:
    with pytest.raises(InvalidArgument) as caught:
        dump_task(FunctionTask(function))
    return str(caught.value)


def uses_a_global_lock(params: Params, context: Context) -> Observation:
    with lock:
        return Observation(0.0)


def uses_it_in_a_nested_function(params: Params, context: Context) -> Observation:
    return Observation(float(len([lock for _ in range(3)])))


class Holder:
    def __init__(self) -> None:
        self.parts = {"ok": 1, "bad": [1, threading.Lock()]}

    def objective(self, params: Params, context: Context) -> Observation:
        return Observation(0.0)


class Slotted:
    __slots__ = ("bad", "unset")

    def __call__(self, params: Params, context: Context) -> Observation:
        return Observation(0.0)


def test_the_message_says_what_is_to_blame_and_what_to_do() -> None:
    assert blame(uses_a_global_lock) == (
        "the objective cannot be sent to a worker process: global 'lock' of attribute 'function' of the task "
        "cannot be pickled (cannot pickle '_thread.lock' object); "
        f"got {lock!r}; "
        "allowed: objects that pickle, and functions and classes of any kind. "
        "Next: make it inside the objective, or move it into a module that the objective imports, "
        "or stay in this process with n_jobs=1 and executor='inline'."
    )


def test_blame_goes_through_every_kind_of_holder() -> None:
    mine = threading.Lock()

    def closure(params: Params, context: Context) -> Observation:
        return Observation(float(mine.locked()))

    def default(params: Params, context: Context, held: Any = mine) -> Observation:
        return Observation(0.0)

    def takes(held: Any, params: Params, context: Context, more: Any = None) -> Observation:
        return Observation(0.0)

    slotted = Slotted()
    slotted.bad = mine
    where = "attribute 'function' of the task cannot be pickled"
    assert f"variable 'mine' of {where}" in blame(closure)
    assert f"a default argument of {where}" in blame(default)
    assert f"argument 0 of {where}" in blame(functools.partial(takes, mine))
    assert f"argument 'more' of {where}" in blame(functools.partial(takes, 1, more=mine))
    assert f"attribute 'bad' of {where}" in blame(slotted)
    assert f"item 1 of item 'bad' of attribute 'parts' of the object of {where}" in blame(Holder().objective)
    assert f"global 'lock' of {where}" in blame(uses_it_in_a_nested_function)


def test_a_cycle_does_not_catch_the_search() -> None:
    circle: list[Any] = [threading.Lock()]
    circle.append(circle)
    assert "item 0 of variable 'circle'" in blame(lambda params, context: circle)


def test_a_task_comes_back_as_it_was() -> None:
    weights = np.arange(3.0)
    seen = Observation(2.0, losses=[1.0, 2.0])
    task = load_task(dump_task(FunctionTask(lambda params, context: (weights, seen))))
    got_weights, got_seen = task.run({}, None)  # type: ignore[arg-type, misc]
    assert got_weights.tolist() == [0.0, 1.0, 2.0]
    assert got_seen == seen


def test_modules_that_can_be_imported() -> None:
    assert importable(json)
    assert importable(sys)
    assert importable(os)
    assert importable(os.path)
    assert importable(np.linalg)
    assert importable(trimtab.base.records)


def test_a_module_from_a_file_path_cannot_be_imported(file_module: ModuleType) -> None:
    assert not importable(file_module)


def test_a_module_under_a_taken_name_cannot_be_imported(tmp_path: Path) -> None:
    impostor = ModuleType("json")
    impostor.__file__ = str(tmp_path / "json.py")
    assert not importable(impostor)


def test_a_module_from_a_file_path_travels_by_value(file_module: ModuleType) -> None:
    data = dump_task(FunctionTask(file_module.objective))
    sys.modules.pop("settings_of_mine")
    assert load_task(data).run({"x": 2.0}, None).values["value"] == 16.0  # type: ignore[arg-type]


def test_a_module_used_as_a_global_travels_by_value(file_module: ModuleType) -> None:
    data = dump_task(FunctionTask(lambda params, context: Observation(file_module.helper(params["x"]))))
    sys.modules.pop("settings_of_mine")
    assert load_task(data).run({"x": 2.0}, None).values["value"] == 16.0  # type: ignore[arg-type]


def test_what_can_be_imported_travels_by_name() -> None:
    assert len(dump_task(FunctionTask(np.linalg.norm))) < 300
    assert load_task(dump_task(FunctionTask(Key))).function is Key  # type: ignore[attr-defined]


def test_nothing_stays_registered(file_module: ModuleType) -> None:
    import cloudpickle

    before = cloudpickle.list_registry_pickle_by_value()
    dump_task(FunctionTask(file_module.objective))
    blame(lambda params, context: (file_module, lock))
    assert cloudpickle.list_registry_pickle_by_value() == before
