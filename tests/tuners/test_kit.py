"""Every tuner of the catalogue passes the conformance kit."""

from __future__ import annotations

from trimtab.base.ports import Tuner
from trimtab.space import Space
from trimtab.testing.tuner_kit import TunerKit
from trimtab.tuners import CATALOGUE, make_tuner


class TestRandom(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return make_tuner("random")


class TestSobol(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return make_tuner("sobol")


class TestGrid(TunerKit):
    endless = seeded = False

    def make_tuner(self) -> Tuner[Space]:
        return make_tuner("grid")


class TestGaussianProcess(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return make_tuner("gp")


class TestTPE(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return make_tuner("tpe")


class TestCMAES(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return make_tuner("cma-es")


class TestEvolution(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return make_tuner("evolution")


class TestPortfolio(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return make_tuner("portfolio")


class TestAuto(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return make_tuner("auto")


class TestQuasiNewton(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return make_tuner("quasi-newton")


class TestTrustRegion(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return make_tuner("trust-region")


def test_no_tuner_is_left_out() -> None:
    here = [kit for kit in TunerKit.__subclasses__() if kit.__module__ == __name__]
    tested = {kit().make_tuner().name for kit in here}
    assert tested == set(CATALOGUE)
