"""Tuning by derivatives of the score: `penalties` for linear models, without PyTorch; `bilevel` with it."""
