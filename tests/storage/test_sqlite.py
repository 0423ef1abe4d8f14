"""The storage in an SQLite file."""

from pathlib import Path

from trimtab.storage.sqlite import open_sqlite
from trimtab.testing.storage_kit import StorageKit


class TestSQLiteStorage(StorageKit):
    persistent = True

    def open_storage(self, folder: Path):
        return open_sqlite(folder / "trimtab.db")
