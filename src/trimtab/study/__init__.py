"""The loop: trials are asked for, run and told; everything that happens is in the log."""

from trimtab.study.study import Study, Wiring
from trimtab.study.trial import Trial

__all__ = ["Study", "Trial", "Wiring"]
