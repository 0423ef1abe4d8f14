"""Logged answers, their lengths, and whether each was right: what a reasoning model's length says of its errors.

Wrong answers of a reasoning model tend to be long ones: among 100 questions of medical examinations, of which one model
answered 93 rightly, the seven wrong answers were clearly longer (B. Moell, F. Sand Aronsson and S. Akbar, "Medical
reasoning in LLMs: an in-depth analysis of DeepSeek R1", Frontiers in Artificial Intelligence 8, 2025, arXiv 2504.00016;
abstract read). So few errors show little, a threshold found on one model says nothing of another, and hard
questions make for long answers whether or not one stops. Hence here:

- `accuracy_by_length`, `isotonic_accuracy` and `error_table`: what was seen, with intervals that hold together, and if
  asked for at every look.
- `length_association`: whether long answers are more often wrong, within categories where these are told.
- `fit_stop_rule`: a length beyond which not to take an answer, chosen on one half of the log and judged once on the
  other.

The same serves any procedure whose answers have a length, such as an iterative solver.
"""

from trimtab.trust.answer_length.accuracy import (
    ErrorRow,
    LengthBin,
    accuracy_by_length,
    anytime_rate,
    error_table,
    isotonic_accuracy,
)
from trimtab.trust.answer_length.association import Association, length_association
from trimtab.trust.answer_length.log import AnswerLog
from trimtab.trust.answer_length.stop_rule import Side, StopRule, fit_stop_rule

__all__ = [
    "AnswerLog",
    "Association",
    "ErrorRow",
    "LengthBin",
    "Side",
    "StopRule",
    "accuracy_by_length",
    "anytime_rate",
    "error_table",
    "fit_stop_rule",
    "isotonic_accuracy",
    "length_association",
]
