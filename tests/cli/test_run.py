"""`trimtab run`, and what its study looks like through the other commands."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trimtab.api import create_study, load_study

URL = "sqlite:///trimtab.db"
Command = Callable[..., Any]
File = Callable[..., Path]


def test_from_a_run_to_its_report(trimtab: Command, file: File, here: Path) -> None:
    file()
    ran = trimtab("run", "mine.py", "--n-trials", 5, "--seed", 1)
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "study 'mine' in sqlite:///trimtab.db, minimize"
    assert [line.split(":")[0] for line in lines[1:6]] == [f"{n} of 5" for n in range(1, 6)]
    assert "the study holds the 5 trials asked for" in lines
    assert "stored in sqlite:///trimtab.db as 'mine'" in lines
    assert lines[-1] == "next: trimtab report mine"
    study = load_study("mine", URL)
    selection = study.select()
    assert f"trial {selection.trial}" in ran.out
    assert all(caveat in ran.out for caveat in selection.caveats)

    listed = json.loads(trimtab("studies", "-f", "json").out)
    assert [(row["study_name"], row["n_trials"], row["seed"]) for row in listed] == [("mine", 5, 1)]
    assert re.search(r"^mine +minimize value +5 +5 ", trimtab("studies").out, re.MULTILINE)

    shown = json.loads(trimtab("show", "mine", "-f", "json").out)
    assert [row["number"] for row in shown["trials"]] == [0, 1, 2, 3, 4]
    one = json.loads(trimtab("show", "mine", 3, "-f", "json").out)
    assert one["params"] == dict(study.trials[3].params or {})
    assert one["reports"][0]["metrics"] == {"value": 1.0}
    for words in (("show", "mine", 3), ("show", 3)):
        text = trimtab(*words).out
        assert "trial 3" in text
        assert study.trials[3].why in text
        assert "reports" in text

    best = json.loads(trimtab("best", "-f", "json").out)
    assert (best["trial"], best["params"]) == (selection.trial, dict(selection.params))
    assert best["observed_best"] == {"trial": study.best_trial.number, "value": study.best_value}
    assert f"trial {selection.trial}" in trimtab("best", "mine").out

    note = study.select(certify=True).caveats[-1]
    assert json.loads(trimtab("best", "--certify", "-f", "json").out)["caveats"] == [*selection.caveats, note]
    assert "is certified: x=" in note
    table = " ".join(trimtab("best", "mine", "--certify").out.split())
    assert " ".join(note.split()) in table

    exported = json.loads(trimtab("export").out)
    assert len(exported["trials"]) == 5
    rows = list(csv.DictReader(io.StringIO(trimtab("export", "-f", "csv").out)))
    assert [float(row["value"]) for row in rows] == [trial.value for trial in study.trials]
    assert trimtab("export", "-o", "out.json").out.startswith(f"written: {here / 'out.json'}\n")
    assert json.loads((here / "out.json").read_text()) == exported

    reported = trimtab("report")
    assert reported.out == f"written: {here / 'mine.html'}\n         {(here / 'mine.html').as_uri()}\n"
    assert "mine" in (here / "mine.html").read_text(encoding="utf-8")


def test_the_same_command_again_finishes_the_count(trimtab: Command, file: File) -> None:
    file()
    trimtab("run", "mine.py", "--n-trials", 2, "--tuner", "random")
    again = trimtab("run", "mine.py", "--n-trials", 5)
    assert again.out.splitlines()[1].startswith("3 of 5: trial 2 ")
    study = load_study("mine", URL)
    assert len(study.trials) == 5
    assert {trial.tuner for trial in study.trials} == {"random"}, "the study's own tuner goes on"
    full = trimtab("run", "mine.py", "--n-trials", 5)
    assert full.status == 0
    assert "the study holds the 5 trials asked for" in full.out
    assert len(load_study("mine", URL).trials) == 5


def test_what_the_file_declares(trimtab: Command, file: File) -> None:
    text = "direction = 'maximize'\ndefault = {'x': 0.5, 'kind': 'b'}\n"
    path = file(file().read_text() + text, "other.py")
    ran = trimtab("run", f"{path}:objective", "--n-trials", 2, "--study-name", "it")
    assert ran.out.startswith("study 'it' in sqlite:///trimtab.db, maximize\n")
    study = load_study("it", URL)
    assert study.direction == "maximize"
    assert study.trials[0].params == {"x": 0.5, "kind": "b"}
    assert len(study.trials) == 2, "the default is one of them"
    trimtab("run", path, "--n-trials", 3, "--study-name", "it")
    assert len(load_study("it", URL).trials) == 3, "and is not tried again"


def test_several_objectives(trimtab: Command, file: File) -> None:
    text = (
        "directions = {'error': 'minimize', 'speed': 'maximize'}\n"
        "def objective(trial):\n    x = trial.suggest_float('x', 0, 1)\n    return {'error': x, 'speed': x}\n"
    )
    ran = trimtab("run", file(text), "--n-trials", 3)
    assert ran.status == 0
    assert "minimize 'error', maximize 'speed'" in ran.out
    assert "the 3 trials that no other trial beats in every objective:" in ran.out
    assert len(json.loads(trimtab("best", "-f", "json").out)) == 3
    best = json.loads(trimtab("best", "--objective", "speed", "-f", "json").out)
    assert (best["objective"], best["direction"]) == ("speed", "maximize")
    assert "speed" in trimtab("best", "--objective", "speed").out
    assert "has no such objective" in trimtab("best", "--objective", "size").err
    assert "is certified: x=" in trimtab("best", "--objective", "speed", "--certify").out.replace("\n", " ")
    assert "Next: name one with --objective" in trimtab("best", "--certify").err


def test_a_study_of_another_space_is_refused(trimtab: Command, file: File) -> None:
    trimtab("run", file(), "--n-trials", 1)
    file(file().read_text().replace("1.0)", "2.0)"))
    ran = trimtab("run", "mine.py", "--n-trials", 2)
    assert ran.status == 2
    assert "Next:" in ran.err
    assert len(load_study("mine", URL).trials) == 1


def test_another_direction_than_the_stored_one_is_refused(trimtab: Command, file: File) -> None:
    trimtab("run", file(), "--n-trials", 1)
    ran = trimtab("run", "mine.py", "--n-trials", 2, "--direction", "maximize")
    assert ran.status == 2
    assert "study 'mine' has other objectives" in ran.err


FAILING = """\
def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    print("about to fail")
    if trial.number % {every} == 0:
        raise ValueError("no good")
    return x
"""


def test_exceptions_are_shown_and_the_run_goes_on(trimtab: Command, file: File) -> None:
    ran = trimtab("run", file(FAILING.format(every=2)), "--n-trials", 4, "--executor", "processes")
    assert ran.status == 0
    told = ran.out[ran.out.index("trial 0 failed") : ran.out.index("2 of 4")]
    assert told.startswith("trial 0 failed: the objective raised an exception\n  Traceback (most recent call last):\n")
    assert 'raise ValueError("no good")\n' in told
    assert told.endswith("  ValueError: no good\n  its last output:\n    about to fail\n")
    assert "trial 2 failed as trial 0 did: ValueError: no good" in ran.out
    shown = trimtab("show", 2).out
    assert "ValueError: no good" in shown
    assert "\noutput\n  about to fail\n" in shown
    failed = json.loads(trimtab("show", "mine", "--state", "fail", "--last", 1, "-f", "json").out)
    assert [row["number"] for row in failed["trials"]] == [2]


def test_a_run_stops_where_everything_fails(trimtab: Command, file: File) -> None:
    ran = trimtab("run", file(FAILING.format(every=1)), "--n-trials", 50, "--max-failures", 3)
    assert ran.status == 1
    assert "3 trials in a row failed" in ran.out
    assert "no trial came to a result" in ran.out
    assert len(load_study("mine", URL).trials) == 3
    best = trimtab("best")
    assert best.status == 2
    assert best.err.startswith("study 'mine' has no")


def test_a_run_of_which_no_trial_succeeds_is_no_success(trimtab: Command, file: File) -> None:
    assert trimtab("run", file(FAILING.format(every=1)), "--n-trials", 2).status == 1


def test_a_time_limit(trimtab: Command, file: File) -> None:
    ran = trimtab("run", file(), "--timeout", "0.3s")
    assert ran.status == 0
    assert "the time limit is reached" in ran.out


def test_a_trial_that_takes_too_long(trimtab: Command, file: File) -> None:
    text = "import time\ndef objective(trial):\n    trial.suggest_float('x', 0, 1)\n    time.sleep(60)\n"
    ran = trimtab("run", file(text), "--n-trials", 1, "--trial-timeout", "0.2s")
    assert "fail (the trial took longer than its time limit)" in ran.out
    ran = trimtab("run", "mine.py", "--trial-timeout", "1s", "--executor", "inline")
    assert ran.err.startswith("--trial-timeout cannot be kept by the executor 'inline'")


def test_quiet_tells_the_result_alone(trimtab: Command, file: File) -> None:
    ran = trimtab("run", file(), "--n-trials", 2, "--quiet")
    assert "1 of 2" not in ran.out
    assert ran.out.startswith("\nthe study holds the 2 trials asked for\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.py"], "the file nowhere.py does not exist"),
        (["mine.py:train"], "mine.py has no function 'train'"),
        (["mine.py", "--tuner", "magic"], "'magic'"),
        (["mine.py", "--executor", "cloud"], "there is no executor of this name; got 'cloud'"),
        (["mine.py", "--storage", "redis://x"], "unknown storage scheme; got 'redis'"),
        (["mine.py", "--timeout", "soon"], "--timeout must be a length of time above 0; got 'soon'"),
        (["mine.py", "--direction", "up"], "unknown direction; got 'up'"),
        (["mine.py", "--n-jobs", "0"], "n_jobs must be a whole number; got 0"),
        (
            ["mine.py", "--storage", "sqlite:///no/such/folder.db"],
            "the folder of the database 'folder.db' does not exist",
        ),
    ],
)
def test_refusals(trimtab: Command, file: File, here: Path, words: list[str], told: str) -> None:
    file()
    ran = trimtab("run", *words, "--n-trials", 1)
    assert ran.status == 2
    assert ran.out.splitlines()[1:] == [], "nothing but the greeting"
    assert told in ran.err
    assert ran.err.count("\n") == 1, "one line, no traceback"


def test_debug_shows_the_traceback(program: Callable[..., subprocess.Popen[str]], file: File) -> None:
    file("raise OSError('broken')\n")
    for words, environ in ((["--debug", "run"], {}), (["run"], {"TRIMTAB_DEBUG": "1"})):
        out, err = program(*words, "mine.py", **environ).communicate()
        assert out == ""
        assert "Traceback" in err
        assert "OSError: broken" in err


def test_a_study_with_a_name_of_any_kind(trimtab: Command, here: Path) -> None:
    name = "日本 \x1b[31m ../../x"
    study = create_study(name, URL)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    for words in (["studies"], ["show", name], ["best", name], ["studies", "-f", "csv"]):
        ran = trimtab(*words)
        assert ran.status == 0
        assert "\x1b" not in ran.out or "csv" in words
    trimtab("report", name)
    assert [path.name for path in here.glob("*.html")] == ["日本-31m-..-..-x.html"]


def test_a_run_begins_from_past_studies(trimtab: Command, file: File, here: Path) -> None:
    path = file()
    past = "sqlite:///past.db"
    for name in ("one", "two"):
        assert trimtab("run", path, "--n-trials", 12, "--storage", past, "--study-name", name, "-q").status == 0
    told = trimtab("run", path, "--n-trials", 4, "--seed", 0, "--corpus", past)
    assert told.status == 0
    assert "begins from 2 past studies" in told.out
    trials = json.loads(trimtab("show", "-f", "json").out)
    assert any(trial["tuner"].startswith("warm-start/") for trial in trials["trials"])
    alone = trimtab("run", path, "--n-trials", 4, "--storage", past, "--corpus", past, "--study-name", "one")
    assert "begins from 1 past study" in alone.out  # its own trials are no past ones
    trimtab("run", path, "--n-trials", 1, "--storage", "sqlite:///only.db")
    empty = trimtab("run", path, "--n-trials", 2, "--storage", "sqlite:///only.db", "--corpus", "sqlite:///only.db")
    assert empty.status == 2
    assert "sqlite:///only.db holds no past study" in empty.err
    assert trimtab("run", path, "--corpus", "sqlite:///none.db").status == 2
    assert not (here / "none.db").exists()
