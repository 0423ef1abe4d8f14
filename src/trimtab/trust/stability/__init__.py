"""How far a configuration may be changed, and how often its gain survives; see `stable_gain`."""

from trimtab.trust.stability.records import ParameterStability, Stability, StableChange
from trimtab.trust.stability.stable_gain import STABILITY_REFS, smallest_stable_change, stability

__all__ = [
    "STABILITY_REFS",
    "ParameterStability",
    "Stability",
    "StableChange",
    "smallest_stable_change",
    "stability",
]
