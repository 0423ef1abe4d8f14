"""What `import trimtab` offers. Users rely on it: a change here goes with a line in CHANGELOG.md."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

import trimtab

ROOT = Path(__file__).parents[1]
PUBLIC = {
    "Bool",
    "Categorical",
    "Choice",
    "Constant",
    "Float",
    "Int",
    "Ordinal",
    "Space",
    "Study",
    "Trial",
    "ReusableHoldout",
    "Thresholdout",
    "Ladder",
    "create_study",
    "load_study",
    "tune",
    "Objective",
    "Observation",
    "FrozenTrial",
    "Selection",
    "Interval",
    "TrialState",
    "EndReason",
    "Decision",
    "Verdict",
    "TrialPruned",
    "TrimtabError",
    "Conflict",
    "ExecutorError",
    "Exhausted",
    "InvalidArgument",
    "InvalidObservation",
    "InvalidParams",
    "InvalidSpace",
    "MissingExtra",
    "SpaceMismatch",
    "StorageError",
    "StudyExists",
    "TrialError",
    "UnknownName",
}
STUDY = {
    "optimize",
    "ask",
    "tell",
    "stop",
    "enqueue_trial",
    "add_trial",
    "trials",
    "trials_dataframe",
    "best_trial",
    "best_params",
    "best_value",
    "select",
    "report",
    "citations",
    "holdout",
    "seal",
    "open_sealed",
    "sealed",
    "migrate",
    "replay",
}
TRIAL = {
    "number",
    "params",
    "report",
    "should_prune",
    "set_user_attr",
    "suggest_float",
    "suggest_int",
    "suggest_categorical",
}


def test_the_package_offers_these_names_and_no_others() -> None:
    assert set(trimtab.__all__) == PUBLIC | {"__version__"}
    assert len(trimtab.__all__) == len(set(trimtab.__all__))
    assert set(dir(trimtab)) == set(trimtab.__all__)
    assert all(hasattr(trimtab, name) for name in PUBLIC)
    with pytest.raises(AttributeError, match="module 'trimtab' has no attribute 'magic'"):
        _ = trimtab.magic


def test_the_verbs_that_users_know_are_there() -> None:
    assert {name for name in STUDY if hasattr(trimtab.Study, name)} == STUDY
    assert {name for name in TRIAL if hasattr(trimtab.Trial, name)} == TRIAL


def test_each_name_has_a_docstring_and_an_entry_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "trimtab.md").read_text(encoding="utf-8")
    docs = {name: vars(getattr(trimtab, name)).get("__doc__") or getattr(trimtab, name).__doc__ for name in PUBLIC}
    # A dataclass without a docstring gets its signature for one.
    assert [name for name, text in docs.items() if not text or text.startswith(f"{name}(")] == []
    assert [name for name in PUBLIC if f"\n## `{name}`\n" not in page] == []


def test_the_version_is_that_of_the_installed_package() -> None:
    assert trimtab.__version__ == importlib.metadata.version("trimtab")


def test_the_package_tells_type_checkers_that_it_is_typed() -> None:
    assert (Path(trimtab.__file__).parent / "py.typed").exists()
