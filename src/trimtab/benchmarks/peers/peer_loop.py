"""The program of every peer: reads requests as JSON lines, answers each with one JSON line.

    python peer_loop.py optuna_peer tpe

Written for any Python from 3.10, with the standard library only. The neighbouring module that is named
first has a class `Peer(setup, method)` with the methods `ask(number)`, which gives coordinates by name or
None where there is nothing left to try, `tell(number, value)`, where None means that the trial failed (and which
also gets the gradient by name, or None, where the class says `takes_gradients = True`),
`add(coordinates, value)` for a result that was not asked for, and the text `library`. Where the library names another
configuration as its best than that of the lowest value, the class has `best()`, which gives its coordinates.

Times are taken here, around the method alone, so that neither the talking nor the start counts.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
import traceback
from typing import Any

__all__ = ["answer", "main", "peak_memory"]

Message = dict[str, Any]


def main() -> int:
    """Talk until the other side says "end" or closes the line."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    peer: Any = None
    for line in sys.stdin:
        request: Message = json.loads(line)
        try:
            if "setup" in request:
                module = importlib.import_module(sys.argv[1])
                peer = module.Peer(request["setup"], sys.argv[2])
                reply: Message = {"library": peer.library}
            else:
                reply = answer(peer, request)
        except Exception as error:  # noqa: BLE001  # the other side decides what a peer's failure means
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()
        if "end" in request:
            return 0
    return 0


def answer(peer: Any, request: Message) -> Message:
    """The reply to one request, with the time that the peer took for it."""
    if "end" in request:
        return {"peak": peak_memory()}
    if "best" in request:
        return {"params": peer.best() if hasattr(peer, "best") else None}
    wall, cpu = time.perf_counter(), time.process_time()
    reply: Message = {}
    if "ask" in request:
        reply["params"] = peer.ask(request["ask"])
    elif "tell" in request:
        if getattr(peer, "takes_gradients", False):
            peer.tell(request["tell"], request["value"], request.get("gradient"))
        else:
            peer.tell(request["tell"], request["value"])
    else:
        for coordinates, value in request["add"]:
            peer.add(coordinates, value)
    reply["cpu"], reply["wall"] = time.process_time() - cpu, time.perf_counter() - wall
    return reply


def peak_memory() -> float:
    """The largest resident size of this process so far, MB.

    Linux counts in `ru_maxrss` what the process was before it became this program; the status file does not.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(float(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024 / 1e6
    except OSError:
        unit = 1.0 if sys.platform == "darwin" else 1024.0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    sys.exit(main())
