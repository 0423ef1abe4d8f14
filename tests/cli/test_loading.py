"""Loading the file that `trimtab run` is given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trimtab.base.errors import InvalidArgument, TrimtabError, UnknownName
from trimtab.base.records import Objective
from trimtab.cli.loading import load_file
from trimtab.executors.transport import dump_task
from trimtab.space import Float, Space
from trimtab.study.task import FunctionTask

SPACE = "import trimtab.space as ts\nspace = ts.Space(x=ts.Float(0.0, 1.0))\n"
Write = Callable[..., str]


@pytest.fixture
def write(file: Callable[..., Path]) -> Write:
    """Writes a file and gives its path as a text."""
    return lambda text, name="mine.py": str(file(text, name))


def test_everything_that_a_file_may_declare(write: Write) -> None:
    loaded = load_file(
        write(SPACE + "direction = 'maximize'\ndefault = {'x': 0.5}\ndef objective(trial): return 1.0\n")
    )
    assert loaded.path.name == "mine.py"
    assert loaded.objective(None) == 1.0
    assert loaded.space == Space(x=Float(0.0, 1.0))
    assert (loaded.direction, loaded.directions, loaded.default) == ("maximize", None, {"x": 0.5})


def test_an_objective_is_all_that_is_needed(write: Write) -> None:
    loaded = load_file(write("def objective(trial): return 2.0\n"))
    assert (loaded.space, loaded.direction, loaded.directions, loaded.default) == (None, None, None, None)


def test_the_objective_may_have_another_name_and_be_any_callable(write: Write) -> None:
    path = write("class Model:\n    def __call__(self, trial): return 3.0\nmodel = Model()\n")
    assert load_file(f"{path}:model").objective(None) == 3.0


def test_a_colon_in_a_path_is_part_of_it(write: Write) -> None:
    assert load_file(write("def objective(trial): return 4.0\n", "a:b.py")).objective(None) == 4.0


def test_the_part_for_scripts_does_not_run(write: Write) -> None:
    load_file(write("def objective(trial): return 1.0\nif __name__ == '__main__': raise SystemExit(3)\n"))


def test_dataclasses_with_postponed_annotations_work(write: Write) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Net:\n    width: int = 3\n"
        "def objective(trial): return Net().width\n"
    )
    assert load_file(write(text)).objective(None) == 3


def test_a_file_may_have_the_name_of_a_library(write: Write) -> None:
    import random

    load_file(write("def objective(trial): return 1.0\n", "random.py"))
    assert sys.modules["random"] is random


def test_neighbours_can_be_imported(write: Write) -> None:
    write("TWO = 2.0\n", "my_neighbour.py")
    assert load_file(write("from my_neighbour import TWO\ndef objective(trial): return TWO\n")).objective(None) == 2.0


def test_an_objective_travels_to_a_process_that_never_saw_the_file(write: Write, tmp_path: Path) -> None:
    path = write("STEP = 5.0\ndef helper(): return STEP\ndef objective(trial): return helper()\n")
    parcel = tmp_path / "parcel"
    parcel.write_bytes(dump_task(FunctionTask(load_file(path).objective, (Objective(),), None)))
    Path(path).unlink()
    code = (
        "from pathlib import Path; from trimtab.executors.transport import load_task;"
        f"print(load_task(Path({str(parcel)!r}).read_bytes()).objective(None))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/")
    assert done.stdout == "5.0\n", done.stderr


def message_of(target: str) -> str:
    with pytest.raises(TrimtabError) as error:
        load_file(target)
    return str(error.value)


def test_a_missing_file(here: Path) -> None:
    told = message_of("nowhere.py")
    assert told.startswith("the file nowhere.py does not exist; allowed: a Python file, or FILE.py:OBJECT")
    assert told.endswith(f"Next: check the path; the present folder is {here}.")
    assert "the file nowhere.py does not exist" in message_of("nowhere.py:tune")
    assert "is a folder" in message_of(str(here))


def test_a_missing_objective_names_those_that_could_be_meant(write: Write) -> None:
    path = write("import math\nfrom os import getcwd\ndef train(trial): return 1\ndef two(a, b): return 2\n")
    with pytest.raises(UnknownName) as error:
        load_file(path)
    assert str(error.value) == (
        "mine.py has no function 'objective'; allowed: functions of one argument in it: train. "
        "Next: trimtab run mine.py:train."
    )
    assert message_of(write("x = 1\n")) == (
        "mine.py has no function 'objective'; allowed: a function of one trial. "
        "Next: define `def objective(trial):` in it."
    )


@pytest.mark.parametrize("value", ["3", "dict"])
def test_an_objective_that_is_no_function(write: Write, value: str) -> None:
    assert "'objective' in mine.py is not a function; got" in message_of(write(f"objective = {value}\n"))


def test_a_file_that_raises_names_its_own_line(write: Write) -> None:
    told = message_of(write("import json\n\njson.loads('{')\n"))
    assert told.startswith("the file mine.py could not be loaded: JSONDecodeError at line 3: ")
    assert told.endswith("Next: correct it; `trimtab --debug run ...` shows the whole traceback.")
    assert "SyntaxError at line 2" in message_of(write("x = 1\ndef broken(:\n"))
    assert "SystemExit at line 1: 7" in message_of(write("raise SystemExit(7)\n"))
    assert not [name for name in sys.modules if name.startswith("trimtab_file_")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("space = {'x': 1}", "`space` in mine.py must be a trimtab.Space; got {'x': 1}"),
        ("default = [1]", "`default` in mine.py must be a dict of params; got [1]"),
    ],
)
def test_declarations_of_the_wrong_kind(write: Write, line: str, told: str) -> None:
    path = write(f"{line}\ndef objective(trial): return 1.0\n")
    with pytest.raises(InvalidArgument) as error:
        load_file(path)
    assert str(error.value).startswith(told)
