"""Makes the virtual environments in which peers run: one for each library, from its pinned requirements."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from trimtab.base.errors import ExecutorError, message
from trimtab.benchmarks.peer import requirements

__all__ = ["prepare"]


def prepare(library: str, folder: Path) -> Path:
    """Make a library's environment, or bring one that is there up to its requirements.

    Arguments:
        library: one of `trimtab.benchmarks.peer.LIBRARIES`.
        folder: of all environments; made where it is missing.

    Returns:
        The environment's folder.

    Raises:
        UnknownName: there is no such library.
        ExecutorError: the environment cannot be made, or a package cannot be installed; the text ends in
            what pip said.
    """
    pinned, made = requirements(library), folder.absolute() / library
    python = made / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(made)], f"the environment of {library} cannot be made")
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(pinned)]
    _run(install, f"the packages of {library} cannot be installed")
    return made


def _run(command: list[str], failure: str) -> None:
    """Run a program to its end."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = " | ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise ExecutorError(message(failure, got=last[-500:], do="look at the command's own messages"))
