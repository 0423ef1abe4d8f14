"""Tasks that are tuned side by side and learn one representation of configurations together."""

from trimtab.tuners.tasks.representation.concurrent import ConcurrentTasks
from trimtab.tuners.tasks.representation.gfucb import GFUCB

__all__ = ["GFUCB", "ConcurrentTasks"]
