"""`trimtab demo`, with a budget that a test can afford."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimtab.api import create_study, load_study
from trimtab.workloads.images import digits

URL = "sqlite:///trimtab.db"
Command = Callable[..., Any]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of two epochs. Only what runs in this process is shortened, so tests run with one job."""
    monkeypatch.setattr(digits, "EPOCHS", 2)


@pytest.mark.usefixtures("short")
def test_from_the_first_run_to_the_report(trimtab: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("demo", "--n-trials", 3, "--n-jobs", 1)
    ran = trimtab(*words)
    assert (ran.status, ran.err) == (0, "")
    assert "tuning 12 settings of a neural network" in ran.out
    assert "3 of 3: " in ran.out
    verdict = re.search(r"^(No evidence that t|T)uning (helped|did harm).*$", ran.out, re.MULTILINE)
    assert verdict is not None
    page = (here / "trimtab-demo.html").read_text(encoding="utf-8")
    assert "On 500 test images that tuning never saw" in page
    assert verdict[0] in page
    assert ran.out.count((here / "trimtab-demo.html").as_uri()) == 1
    study = load_study("digits-demo", URL)
    assert study.directions == {"error": "minimize"}
    assert study.trials[0].params == digits.SPACE.default_params(), "the default is the first trial"
    selection = study.select()
    kept = study.user_attrs["test_split"]
    assert kept["trial"] == selection.trial
    assert kept["tuned_wrong"] == np.flatnonzero(digits.held_out_losses(selection.params)).tolist()

    # Run again, it shows the same at once, without another training.
    monkeypatch.setattr(digits, "held_out_losses", None)
    again = trimtab(*words)
    assert again.status == 0
    assert again.out.startswith("study 'digits-demo' in sqlite:///trimtab.db is complete: it holds 3 finished trials\n")
    assert verdict[0] in again.out


@pytest.mark.usefixtures("short")
def test_a_larger_count_goes_on_and_fresh_begins_anew(trimtab: Command, here: Path) -> None:
    words = ("--n-jobs", 1, "--report", "mine.html")
    trimtab("demo", "--n-trials", 1, *words)
    more = trimtab("demo", "--n-trials", 2, *words)
    assert "goes on from 1 finished trial;" in more.out
    assert "2 of 2: trial 1 " in more.out
    assert trimtab("demo", "--n-trials", 1, "--fresh", *words).status == 0
    assert [len(load_study(name, URL).trials) for name in ("digits-demo", "digits-demo-2")] == [2, 1]
    assert "study 'digits-demo-2' in" in trimtab("demo", "--n-trials", 1, *words).out
    assert [path.name for path in here.glob("*.html")] == ["mine.html"]


def test_a_missing_library_names_the_extra(trimtab: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    ran = trimtab("demo")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("trimtab demo needs the package 'sklearn', which could not be imported")
    assert ran.err.endswith("Next: pip install 'trimtab[sklearn]'.\n")
    assert list(here.iterdir()) == []


def test_another_study_of_that_name_is_refused(trimtab: Command) -> None:
    create_study("digits-demo", URL)
    ran = trimtab("demo", "--n-trials", 1)
    assert ran.status == 2
    assert "study 'digits-demo' has other objectives" in ran.err


@pytest.mark.usefixtures("short")
def test_an_interruption_at_the_very_end_goes_on_too(
    trimtab: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(digits, "held_out_losses", interrupted)
    ran = trimtab("demo", "--n-trials", 1, "--n-jobs", 1, "--fresh")
    assert ran.status == 130
    assert ran.out.endswith(
        "\ninterrupted; stored in study 'digits-demo': 1 finished trial; nothing told is lost\n"
        "go on: trimtab demo --n-trials 1 --n-jobs 1\n"
    )
