"""Where studies are kept: a log of events and the rows derived from it, in memory or in a database.

`open_storage` turns what a user wrote into a storage. A database's driver is imported only when a
database is opened.
"""

from trimtab.storage.memory import MemoryStorage
from trimtab.storage.urls import open_storage

__all__ = ["MemoryStorage", "open_storage"]
