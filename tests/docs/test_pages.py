"""The code on the documentation's pages runs, and what runs it notices when a page is wrong."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
RUNNER = ROOT / "dev" / "run_page.py"


def load_runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_page", RUNNER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["run_page"] = module
    spec.loader.exec_module(module)
    return module


run_page = load_runner()
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("speed/*.md"), *ROOT.glob("examples/*.md")])
GENERATED = "<!-- Written by `make docs`"


def has_code_to_run(page: Path) -> bool:
    """Generated pages are left out: their examples are doctests of the source."""
    text = page.read_text(encoding="utf-8")
    languages = {block.language for block in run_page.blocks(text)}
    return not text.startswith(GENERATED) and bool(languages & {"python", "console"})


WITH_CODE = [page for page in PAGES if has_code_to_run(page)]


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in WITH_CODE])
def test_every_block_of_the_page_runs(page: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(RUNNER), str(page)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Runs a page given as text, in a directory of its own."""
    monkeypatch.chdir(tmp_path)

    def run_text(text: str) -> int:
        page = tmp_path / "page.md"
        page.write_text(text, encoding="utf-8")
        count: int = run_page.run_page(page, tmp_path)
        return count

    return run_text


SHARED = """\
```python file=two.py
TWO = 2
```

- an item

  ```python
  from pathlib import Path

  text = Path("two.py").read_text()
  ```

```python
print("shared", text)
```

```text output
shared ... 2
```
"""


def test_blocks_share_a_namespace_and_files(run: Callable[[str], int]) -> None:
    assert run(SHARED) == 3


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("# Title\n\n```python\nx = 1\n1 / 0\n```\n", r'page.md", line 5'),
        ("```python no-run\nx = = 1\n```\n", r"page.md:2: invalid syntax"),
        ("```python\nprint(1)\n```\n\n```text output\n2\n```\n", "the page says\n2\n\nbut the block before printed\n1"),
        ("```console\n$ trimtab no-such-command\n```\n", "`trimtab no-such-command` ended with status"),
        ("```python\nraise SystemExit(0)\n```\n", "SystemExit"),
    ],
    ids=["exception", "syntax", "output", "command", "exit"],
)
def test_a_page_that_is_wrong_is_named(run: Callable[[str], int], page: str, told: str) -> None:
    with pytest.raises(run_page.PageError, match=told):
        run(page)


def test_blocks_that_are_not_to_run_do_not(run: Callable[[str], int]) -> None:
    run("```python no-run\n1 / 0\n```\n\n```console no-run\n$ trimtab no-such-command\n```\n\n```yaml\n- x\n```\n")


def test_commands_are_joined_and_their_trials_limited() -> None:
    text = (
        "$ trimtab run a.py --n-trials 500 \\\n    --n-jobs 2\nsome output\n$ make demo\n$ trimtab show --n-trials=2\n"
    )
    assert run_page.commands(text) == ["trimtab run a.py --n-trials 4 --n-jobs 2", "trimtab show --n-trials=2"]
