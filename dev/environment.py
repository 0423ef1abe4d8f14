"""Makes `.venv` and keeps it as the project's files ask. Run by make before it uses the tools.

    python3 dev/environment.py run    the package with what the demo needs, newest versions
    python3 dev/environment.py dev    the package with the development requirements, locked versions

Where `.venv` is as asked already, which a note inside it tells, this takes a moment. Two runs at
once wait for each other. The syntax is plain so that an old Python, too, can say that it is too old.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
NOTE = VENV / "made-for.json"
LOCK = "requirements-dev.lock"
TORCH = "requirements-torch.txt"
MODEL = "requirements-model.txt"

# The lock holds the build backend as well, so that building the package fetches nothing unlocked. PyTorch stands
# beside it: its files carry other hashes on each platform and index, and a lock of all would want those for CUDA too.
# The sentence model stands apart because it must come without what it declares to need.
INSTALLS = {
    "run": [["--editable", ".[sklearn]"]],
    "dev": [
        ["--requirement", LOCK],
        ["--requirement", TORCH],
        ["--no-deps", "--requirement", MODEL],
        ["--no-deps", "--no-build-isolation", "--editable", "."],
    ],
}
SOURCES = {"run": ["pyproject.toml"], "dev": ["pyproject.toml", LOCK, TORCH, MODEL]}


def main(wanted):
    """Bring `.venv` to what `wanted`, "run" or "dev", asks for."""
    with open(ROOT / ".venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        note = read_note()
        if must_be_made(note):
            create()
            note = {"python": list(sys.version_info[:2])}
        elif note.get(wanted) == digest(wanted):
            return
        install(wanted)
        # What the development environment holds serves the demo as well.
        note.update({name: digest(name) for name in {"run", wanted}}, root=str(ROOT))
        NOTE.write_text(json.dumps(note))


def read_note():
    """What `.venv` was made for; empty where nothing tells."""
    try:
        return dict(json.loads(NOTE.read_text()))
    except (OSError, ValueError):
        return {}


def must_be_made(note):
    """Whether there is no `.venv` that works here under the Python that was asked for by name, if one was."""
    if note.get("root", str(ROOT)) != str(ROOT):
        return True
    if "PYTHON" in os.environ and note.get("python", list(sys.version_info[:2])) != list(sys.version_info[:2]):
        return True
    return not os.access(PYTHON, os.X_OK) or not any(VENV.glob("lib/python*/site-packages/pip"))


def digest(wanted):
    """Fingerprint of the files that say what is to be installed."""
    content = b"\0".join((ROOT / name).read_bytes() for name in SOURCES[wanted])
    return hashlib.sha256(content).hexdigest()


def create():
    """A new `.venv`, in the place of whatever was there."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST:
        sys.exit(
            f"trimtab needs Python 3.11 or newer; got {found} ({sys.executable}).\n"
            "Next: name a newer one, for instance: make demo PYTHON=python3.12"
        )
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(
            f"this Python {found} comes without what makes virtual environments.\n"
            "Next: install it, on Debian and Ubuntu with: apt-get install python3-venv"
        )
    say(f"making .venv with Python {found}")
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(VENV)])


def install(wanted):
    """Install what `wanted` asks for into `.venv`."""
    say(f"installing into .venv ({wanted}); the first time this takes a minute or two")
    for arguments in INSTALLS[wanted]:
        run([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])


def run(command):
    """Run a command in the checkout; end with its status where it fails, as it has told why."""
    status = subprocess.call(command, cwd=ROOT)
    if status:
        sys.exit(f"failed with status {status}: {' '.join(command)}")


def say(text):
    """One line of progress."""
    print(text, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
