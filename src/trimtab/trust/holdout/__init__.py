"""Holdouts that are asked many times, and test splits that are opened once.

    thresholdout    answers with the training part's mean unless it misleads; then the holdout speaks, on a budget
    ladder          a best-so-far that moves only when it is clearly beaten
    accounting      what answers cost and what is proven of them; theorem and practice told apart
    fingerprint     which examples a split consists of; whether it changed, and whether two overlap
    sealed          a test split that is opened once
    in_use          the holdout of a study, with what its log tells of it

All mechanisms are pure: (state, losses) -> (answer, state), and the state is the fold of the answers.
"""

from trimtab.base.holdout import HoldoutAnswer, HoldoutState, HoldoutUsedUp, StaleAnswer, fold_answers
from trimtab.trust.holdout.accounting import ladder_error, least_rows, practical_error, privacy
from trimtab.trust.holdout.fingerprint import Fingerprint, check_disjoint
from trimtab.trust.holdout.in_use import HoldoutInUse
from trimtab.trust.holdout.ladder import FreeLadder, Ladder
from trimtab.trust.holdout.reusable_holdout import ReusableHoldout
from trimtab.trust.holdout.sealed import Opening, SealedSplit
from trimtab.trust.holdout.thresholdout import PracticalThresholdout, Thresholdout

__all__ = [
    "Fingerprint",
    "FreeLadder",
    "HoldoutAnswer",
    "HoldoutInUse",
    "HoldoutState",
    "HoldoutUsedUp",
    "Ladder",
    "Opening",
    "PracticalThresholdout",
    "ReusableHoldout",
    "SealedSplit",
    "StaleAnswer",
    "Thresholdout",
    "check_disjoint",
    "fold_answers",
    "ladder_error",
    "least_rows",
    "practical_error",
    "privacy",
]
