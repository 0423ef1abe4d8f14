"""Who is compared: a peer is a library's method, run by a script in that library's own environment."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import final

from trimtab.base.errors import InvalidArgument, UnknownName, message

__all__ = ["LIBRARIES", "PEERS", "Peer", "make_peer", "requirements"]

LIBRARIES = ("optuna", "botorch", "nevergrad", "smac", "hebo", "jaxopt", "sparho", "sparse_ho", "syne_tune")
"""Libraries that need an environment of their own; each has a file of pinned requirements. The methods of syne_tune
want past trials of other tasks and stand in no list of peers; the study of transfer in `dev/studies` starts them."""

PEERS = {
    "optuna:random": "independent uniform draws",
    "optuna:tpe": "Tree-structured Parzen Estimator, multivariate",
    "optuna:gp": "Gaussian process",
    "optuna:cmaes": "CMA-ES",
    "botorch:qlogei": "Gaussian process, Monte-Carlo LogEI",
    "botorch:logei": "Gaussian process, analytic LogEI",
    "hebo:hebo": "HEBO",
    "smac:hpo": "SMAC3, random forest",
    "nevergrad:ngopt": "NGOpt",
    "trimtab_descent:penalties": "descent along gradients: trimtab's own, for penalties, without a study",
    "scipy:l-bfgs-b": "descent along the problem's gradients, from many starts",
    "jaxopt:l-bfgs-b": "descent along gradients: JAXopt's L-BFGS-B with a zoom line search",
    "jaxopt:projected-gradient": "descent along gradients: JAXopt's, accelerated",
    "sparse_ho:linesearch": "descent along gradients: sparse-ho's, the outer loop of HOAG",
    "sparse_ho:gradient-descent": "descent along gradients: sparse-ho's, in steps of length one first",
    "sparho:hoag": "descent along gradients: sparho's outer loop of HOAG, in short steps",
}
"""The peers by name, "library:method". "trimtab:TUNER" stands beside them for every tuner, and
"trimtab:TUNER+values" for one that is told no gradients."""

OWN = ("trimtab", "trimtab_descent", "scipy")
"""Libraries that are there wherever trimtab is."""


@final
@dataclass(frozen=True, slots=True)
class Peer:
    """One peer, ready to be started.

    Arguments:
        name: such as "optuna:tpe".
        command: the program and its arguments; see `trimtab.benchmarks.conversation` for what it must say.
    """

    name: str
    command: tuple[str, ...]


def make_peer(name: str, environments: Path | None = None) -> Peer:
    """A peer by its name.

    Arguments:
        name: one of `PEERS`, or "trimtab:" and the name of a tuner.
        environments: the folder in which the libraries' virtual environments are, each named as its library.

    Raises:
        UnknownName: there is no such peer.
        InvalidArgument: the library's environment is not there.
    """
    library, _, method = name.partition(":")
    if not (name in PEERS or (library == "trimtab" and method)):
        allowed = ", ".join([*PEERS, "trimtab:TUNER"])
        raise UnknownName(message("there is no peer of this name", got=name, allowed=allowed))
    python = sys.executable if library in OWN else _python(library, environments)
    script = str(files("trimtab.benchmarks") / "peers" / "peer_loop.py")
    module = f"trimtab.benchmarks.peers.{library}_peer" if library in OWN else f"{library}_peer"
    return Peer(name, (python, script, module, method))


def requirements(library: str) -> Path:
    """The file of a library's pinned requirements.

    Raises:
        UnknownName: there is no such library.
    """
    if library not in LIBRARIES:
        raise UnknownName(message("there is no peer library of this name", got=library, allowed=", ".join(LIBRARIES)))
    return Path(str(files("trimtab.benchmarks") / "peers" / f"{library}.txt"))


def _python(library: str, environments: Path | None) -> str:
    """The interpreter of a library's environment."""
    if environments is None:
        raise InvalidArgument(
            message(f"{library} runs in an environment of its own", do="say where it is with --environments DIR")
        )
    python = environments.absolute() / library / "bin" / "python"
    if not python.exists():
        do = f"make it with: trimtab bench prepare {library} --environments {environments}"
        raise InvalidArgument(message(f"the environment of {library} is missing", got=str(python), do=do))
    return str(python)
