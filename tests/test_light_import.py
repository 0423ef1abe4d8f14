"""`import trimtab` is light: it loads NumPy at most, and the heavy libraries only where they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"cloudpickle", "matplotlib", "pandas", "rich", "scipy", "sklearn", "sqlalchemy", "torch", "typer"}


def loaded(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after it ran some code."""
    show = "import sys; print('modules:', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("modules:")[2].split())


def test_what_a_heavy_library_loads_would_be_seen() -> None:
    assert "scipy" in loaded("import scipy.special")


def test_importing_the_package_loads_numpy_at_most() -> None:
    third_party = loaded("import trimtab") - loaded("") - set(sys.stdlib_module_names)
    assert {name for name in third_party if not name.startswith("_")} <= {"trimtab", "numpy"}


@pytest.mark.parametrize(
    "code",
    [
        "tt.Space(lr=tt.Float(1e-5, 1e-1, log=True), act=tt.Categorical(['relu', 'gelu']), n=tt.Choice({'a': None}))",
        "tt.create_study(space=tt.Space(x=tt.Float(0, 1)), storage=None, tuner='random')",
        "[getattr(tt, name) for name in tt.__all__]",
    ],
    ids=["space", "study", "every public name"],
)
def test_using_the_public_names_loads_nothing_heavy(code: str) -> None:
    assert loaded(f"import trimtab as tt\n{code}") & HEAVY == set()
