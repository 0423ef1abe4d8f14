"""Runs the code of a Markdown page as a reader would, so that no page can promise what does not work.

    python dev/run_page.py README.md

Fenced blocks are taken in order, in one namespace and one temporary working directory that holds a
copy of `examples/`. The words after the opening fence say what is done with a block:

    python              run
    python no-run       compiled only: needs something that a test does not have
    python file=NAME    compiled, and written to a file of that name, for the commands that follow
    any file=NAME       written likewise, whatever its language
    console             every `$ trimtab` and `$ pytest` line is run and must succeed; with `no-run`, none is
    text output         must be what the block before it printed; `...` stands for anything

Other blocks are left alone. Commands run with at most `TRIALS` trials, whatever the page says.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
TRIALS = 4


class PageError(Exception):
    """A block of a page does not do what the page says."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the words after it, its text, and the line on which the text begins."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """Name of the file that the block is to be written to."""
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), None)


def blocks(markdown: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for token in MarkdownIt().parse(markdown):
        if token.type == "fence" and token.info.strip():
            language, *words = token.info.split()
            found.append(Block(language, tuple(words), token.content, (token.map or [0])[0] + 2))
    return found


def commands(text: str) -> list[str]:
    """The commands of a console block that are to be run, continued lines joined, their trials limited."""
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    found = [line.removeprefix("$ ") for line in lines if re.match(r"\$ (trimtab|pytest)\b", line)]
    return [re.sub(r"(--n-trials[ =])(\d+)", lambda m: f"{m[1]}{min(int(m[2]), TRIALS)}", line) for line in found]


def run_page(page: Path, directory: Path) -> int:
    """Run a page's blocks in a working directory; the number of blocks that were run.

    Raises:
        PageError: one of them failed; names the page and the line.
    """
    module = types.ModuleType("__main__")
    printed = ""
    count = 0
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page}:{block.line}"
        if block.language == "text" and "output" in block.words:
            _compare(block.text, printed, where)
        elif block.language == "python":
            printed = _python(block, module, where, directory)
            count += 1
        elif block.file is not None:
            (directory / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "console" and "no-run" not in block.words:
            printed = "".join(_command(line, where) for line in commands(block.text))
            count += 1
    return count


def _python(block: Block, module: types.ModuleType, where: str, directory: Path) -> str:
    """Do with a Python block what its words ask; what it printed."""
    # Empty lines before the text make tracebacks show the page's own line numbers.
    try:
        code = compile("\n" * (block.line - 1) + block.text, where.rpartition(":")[0], "exec")
    except SyntaxError as error:
        raise PageError(f"{where}: {error}") from error
    if block.file is not None:
        (directory / block.file).write_text(block.text, encoding="utf-8")
        return ""
    if "no-run" in block.words:
        return ""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(code, module.__dict__)
    except (Exception, SystemExit) as error:
        raise PageError(f"{where}: the block raised\n{traceback.format_exc()}{out.getvalue()}") from error
    return out.getvalue()


def _command(line: str, where: str) -> str:
    """Run one command through a shell; what it printed."""
    done = subprocess.run(line, shell=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise PageError(f"{where}: `{line}` ended with status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _compare(want: str, got: str, where: str) -> None:
    """Check printed output against the page."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if not doctest.OutputChecker().check_output(want, got, options):
        raise PageError(f"{where}: the page says\n{want}\nbut the block before printed\n{got}")


@contextlib.contextmanager
def page_folder() -> Iterator[Path]:
    """A temporary working directory with the examples in it, and this Python's commands on the path."""
    before, path = Path.cwd(), os.environ["PATH"]
    with tempfile.TemporaryDirectory() as name:
        if (ROOT / "examples").is_dir():
            shutil.copytree(ROOT / "examples", Path(name) / "examples")
        os.chdir(name)
        sys.path.insert(0, name)
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{path}"
        try:
            yield Path(name)
        finally:
            os.chdir(before)
            sys.path.remove(name)
            os.environ["PATH"] = path


def main(page: str) -> None:
    """Run one page; end with its error where a block fails."""
    source = Path(page).resolve()
    with page_folder() as directory:
        try:
            count = run_page(source, directory)
        except PageError as error:
            sys.exit(str(error))
    print(f"{page}: {count} blocks ran")


if __name__ == "__main__":
    main(sys.argv[1])
