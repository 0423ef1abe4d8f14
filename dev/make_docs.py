"""Writes the generated pages: `docs/reference/` from docstrings and `docs/cli.md` from the commands.

With `--check` it writes nothing: it fails and names the pages that are not up to date.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import griffe

import api_pages
from trimtab.base.info import Info
from trimtab.tuners import CATALOGUE, make_tuner

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- Written by `make docs` from the code; change it there. -->\n"


def pages() -> dict[Path, str]:
    """Every generated page: path -> its text."""
    package = api_pages.load(ROOT / "src")
    reference = ROOT / "docs" / "reference"
    texts = api_pages.api_pages(package)
    made = {reference / name: text for name, text in texts.items()}
    made[reference / "README.md"] = index(package, texts)
    made[reference / "methods.md"] = methods_page()
    made[ROOT / "docs" / "cli.md"] = cli_page()
    return {path: NOTE + text.rstrip() + "\n" for path, text in made.items()}


def cli_page() -> str:
    """The page of the commands, as Typer itself writes it."""
    command = [sys.executable, "-m", "typer", "trimtab.cli.main", "utils", "docs", "--name", "trimtab"]
    done = subprocess.run([*command, "--title", "The command line"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the commands could not be read:\n{done.stderr}")
    return done.stdout


def methods_page() -> str:
    """The page of the tuners: what each needs of a run, and where it comes from."""
    lines = [
        "# Methods and their sources\n",
        "Every tuner of the catalogue, by the name that `create_study(tuner=...)` takes. `study.citations()` gives the",
        "sources of exactly the methods that a study used.",
    ]
    for name in sorted(CATALOGUE):
        tuner = make_tuner(name)
        place = type(tuner)
        needs = ", ".join(f"`{kind.name}`" for kind in Info if kind in tuner.needs) or "nothing beyond the space"
        lines.append(f"\n## `{name}`\n\n`{place.__module__}.{place.__qualname__}`. Needs: {needs}.\n")
        lines += [f"- {reference.text}" for reference in tuner.refs]
    return "\n".join(lines)


def index(package: griffe.Module, texts: dict[str, str]) -> str:
    """The page that lists the pages of the reference."""
    rows = [f"- [`trimtab`](trimtab.md): {api_pages.summary(package)}"]
    for name in sorted(set(texts) - {"trimtab.md"}):
        room = package[name.removesuffix(".md")]
        rows.append(f"- [`{room.path}`]({name}): {api_pages.summary(room)}")
    rows.append("- [Methods and their sources](methods.md), [the command line](../cli.md).")
    return "# Reference\n\n" + "\n".join(rows)


def stale(made: dict[Path, str]) -> list[Path]:
    """Pages whose file is missing, differs, or is no longer generated."""
    kept = set((ROOT / "docs" / "reference").glob("*.md"))
    changed = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return sorted([*changed, *(kept - made.keys())])


def main(arguments: list[str]) -> None:
    """Write the pages, or check them."""
    findings = api_pages.listen()
    made = pages()
    if findings.texts:
        sys.exit("\n".join(["docstrings that do not fit what they describe:", *findings.texts]))
    old = stale(made)
    if "--check" in arguments:
        if old:
            names = "\n  ".join(str(path.relative_to(ROOT)) for path in old)
            sys.exit(f"not up to date:\n  {names}\nNext: make docs")
        return
    for path in old:
        if path in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], encoding="utf-8")
        else:
            path.unlink()
    print(f"{len(made)} pages, {len(old)} of them changed")


if __name__ == "__main__":
    main(sys.argv[1:])
