"""What the tests of the reader share: made-up papers, a catalogue of them, and a server on the loopback address."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.base.refs import Reference
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.reader import make_app
from trimtab.papers.records import Listing, Method, Page
from trimtab.papers.search.embeddings import MODEL

TOPICS = {
    "Bayesian optimisation": "surrogate acquisition kernel posterior evaluations noise budget regret",
    "graph learning": "nodes edges messages embeddings neighbours spectral communities links",
    "diffusion models": "denoising score sampling noise images steps guidance latent",
    "privacy": "noise budget sensitivity accountant clients mechanism leakage secure",
    "pruning": "layers weights sparsity channels budget distillation compact latency",
}


def listings(count: int) -> list[Listing]:
    """Made-up papers, each of one topic."""
    found = []
    for number in range(count):
        topic = list(TOPICS)[number % len(TOPICS)]
        words = TOPICS[topic].split()
        told = " ".join(words[(number + step) % len(words)] for step in range(6))
        found.append(
            Listing(
                f"On {topic}, part {number + 1}",
                f"We look at {topic} by its {told}. The error falls as $O(\\sqrt{{k}} / n^{{{number % 3 + 1}}})$ and "
                f"the cost stays low. Experiments on {number + 2} data sets show where it works and where not.",
                author_count=number % 9 + 1,
                published=date(2026, 1, 31) - timedelta(days=number // 4),
                comments=number % 4 or None,
            )
        )
    return found


def directions(count: int) -> NDArray[np.float16]:
    """Vectors of made-up papers: each near to that of its topic."""
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((len(TOPICS), 384))
    rows = topics[np.arange(count) % len(TOPICS)] + 0.7 * rng.standard_normal((count, 384))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


@pytest.fixture
def fill(tmp_path: Path) -> Callable[..., Path]:
    """fill(count, extra): the path of a catalogue of made-up papers, the first of which runs here."""

    def made(count: int, *extra: Listing, vectors: bool = True) -> Path:
        path = tmp_path / f"papers-{count}-{len(extra)}.db"
        with Catalogue(path) as catalogue:
            if count or extra:
                catalogue.add(Page("made-up.txt", "daily papers", (*listings(count), *extra)))
            method = Method(
                "bo", "tuners/values", "tuners/values/bo.py", "trimtab run train.py --tuner gp", "tests/x.py"
            )
            numbers = catalogue.numbers()
            if vectors and len(numbers):
                catalogue.store_vectors(MODEL, numbers, directions(len(numbers)))
            catalogue.link_methods([(Reference("Doe, J.", "On Bayesian optimisation, part 1", 2026), method)])
        return path

    return made


@pytest.fixture
def serve() -> Callable[[Any], AbstractContextManager[str]]:
    """serve(app): the address of an application that a real server runs, until the block ends."""

    @contextmanager
    def served(app: Any) -> Iterator[str]:
        import uvicorn

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()

    return served


@pytest.fixture
def reader(fill: Callable[..., Path]) -> Callable[..., Any]:
    """reader(count, *extra, token=...): the application over made-up papers."""
    return lambda count, *extra, token=None: make_app(fill(count, *extra), token=token)
