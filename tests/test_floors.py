"""The import contracts of pyproject.toml catch what they are there to catch.

`make test` runs them on the source itself; here wrong imports are planted into a copy of it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


PLANTED = [
    ("base/refs.py", "trimtab.space", "trimtab.base"),
    ("base/refs.py", "scipy", "trimtab.base"),
    ("storage/__init__.py", "trimtab.executors", "trimtab.storage"),
    ("study/__init__.py", "trimtab.testing", "trimtab.study"),
    ("tuners/values/__init__.py", "trimtab.study", "trimtab.tuners"),
    ("tuners/values/__init__.py", "trimtab.tuners.curves", "trimtab.tuners.values"),
    ("tuners/values/__init__.py", "trimtab.tuners.auto", "trimtab.tuners.values"),
]
"""File, what it is made to import, and the room that the contract then names."""


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What the contracts say of a copy of the source with wrong imports planted into it."""
    source = tmp_path_factory.mktemp("planted") / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    for room in ("utils", "tuners/curves"):
        (source / "trimtab" / room).mkdir(exist_ok=True)
        (source / "trimtab" / room / "__init__.py").touch()
    for file, imported, _ in PLANTED:
        with (source / "trimtab" / file).open("a", encoding="utf-8") as text:
            text.write(f"\n\ndef late():\n    import {imported}\n")  # an import inside a function counts as well
    code = (
        f"import sys; sys.path.insert(0, {str(source)!r}); from importlinter import cli;"
        f"sys.exit(cli.lint_imports(config_filename={str(ROOT / 'pyproject.toml')!r}, no_cache=True))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=source, check=False)


@pytest.mark.parametrize(("file", "imported", "room"), PLANTED)
def test_a_wrong_import_is_caught(
    verdict: subprocess.CompletedProcess[str], file: str, imported: str, room: str
) -> None:
    assert verdict.returncode == 1, verdict.stdout + verdict.stderr
    assert f"{room} is not allowed to import {imported}" in verdict.stdout, file


def test_a_room_without_a_floor_is_caught(verdict: subprocess.CompletedProcess[str]) -> None:
    assert "- trimtab.utils" in verdict.stdout


def test_no_contract_has_exceptions() -> None:
    assert all(not contract.get(key) for contract in CONTRACTS for key in ("ignore_imports", "exhaustive_ignores"))
