from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from trimtab.base.errors import StorageError
from trimtab.report.html import write_report


def test_a_report_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = write_report(tmp_path / "a.html", "<p>é\ud800</p>")
    assert path.read_text("utf-8") == "<p>é?</p>"
    assert path.is_absolute()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.html"]
    write_report(path, "new")
    assert path.read_text("utf-8") == "new"


def test_a_report_can_be_read_by_whom_the_mask_allows(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        path = write_report(tmp_path / "a.html", "x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError,
        match=r"the report could not be written \(No such file or directory\); got .*a\.html.*Next: choose",
    ):
        write_report(tmp_path / "missing" / "a.html", "x")


def test_a_folder_in_place_of_the_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.html").mkdir()
    with pytest.raises(StorageError, match=r"the report could not be written"):
        write_report(tmp_path / "a.html", "x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.html"]


def test_a_full_disk_leaves_the_old_report_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_report(tmp_path / "a.html", "old")

    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match=r"No space left on device"):
        write_report(path, "new")
    assert path.read_text("utf-8") == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.html"]
