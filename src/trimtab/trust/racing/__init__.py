"""Racing: many configurations, evaluated block by block (a fold, a seed, both), and dropped once they cannot win.

The blocks come in random order and each is run for every configuration that is still in the race, so all comparisons
are paired. What a drop means depends on the test:

- `Predictive` (`trimtab.trust.racing.predictive`): the choice that running everything would make, at a stated error.
- `NormalMixture` (`trimtab.trust.racing.normal_mixture`) and `Betting` (`trimtab.trust.racing.betting`): the best true
  mean, with tests that hold at every look; normal differences, or bounded losses.
- `EmpiricalBernstein` and `Hoeffding` (`trimtab.trust.racing.bernstein`): the same for bounded losses, by union bounds.
- `Friedman` (`trimtab.trust.racing.friedman`): F-race, whose error is not controlled over repeated looks.

`trimtab.trust.racing.catalogue` has them by name. `Study.race` runs a race within a study (`trimtab.trust.study_race`).
"""

from trimtab.trust.racing.bernstein import EmpiricalBernstein, Hoeffding
from trimtab.trust.racing.betting import Betting
from trimtab.trust.racing.catalogue import RACING_TESTS, racing_test, racing_test_from_json, racing_test_to_json
from trimtab.trust.racing.friedman import Friedman
from trimtab.trust.racing.normal_mixture import NormalMixture
from trimtab.trust.racing.predictive import Predictive
from trimtab.trust.racing.race import Race, RacingTest, Told, race

__all__ = [
    "RACING_TESTS",
    "Betting",
    "EmpiricalBernstein",
    "Friedman",
    "Hoeffding",
    "NormalMixture",
    "Predictive",
    "Race",
    "RacingTest",
    "Told",
    "race",
    "racing_test",
    "racing_test_from_json",
    "racing_test_to_json",
]
