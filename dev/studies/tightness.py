"""Measures of generalisation on data on which they err, with a hold-out beside them.

    .venv/bin/python dev/studies/tightness.py

Takes a minute on one core. First every measure at 20 examples in 200 dimensions (parities: 12 in 24), 100 pairs of
models; then how the effect goes as there are more examples.
"""

from __future__ import annotations

from trimtab.base.seeds import Key
from trimtab.trust.tightness import MEASURES, counterexample

HEAD = (
    "| measure | n, d | value, true error 0 | value, twin | true error, twin | best guess misses by | hold-out of 100 "
    "misses by | its interval covers |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    """Print the tables."""
    key = Key(0, purpose="study")
    print(HEAD)
    sizes = [(name, None, None, 0.0) for name in MEASURES]
    sizes += [("squared norm", None, None, 0.2)]
    sizes += [("PAC-Bayes bound", n, 200, 0.0) for n in (50, 100, 150, 190, 200)]
    sizes += [("parity weight", n, 24, 0.0) for n in (4, 8, 16, 20, 24, 28)]
    for name, n, d, shrink in sizes:
        found = counterexample(name, examples=n, dimensions=d, draws=100, shrink=shrink, key=key)
        label = f"{name}, twin shrunk by {shrink:g}" if shrink else name
        print(
            f"| {label} | {found.examples}, {found.dimensions} | {found.values[0]:.4g} | {found.values[1]:.4g} | "
            f"{found.errors[1]:.3f} | {found.best_guess:.3f} | {found.holdout_guess:.3f} | {found.covered:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
