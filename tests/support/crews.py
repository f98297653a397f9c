"""Seats that judge nothing: what an evaluation is follows from the candidate, and what befalls the seat from words in its source.

Run as a program, with the number of a socket, it is a seat of `crew.here`.
"""

import os
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

from nodes import ENVIRONMENT, passing
from spooled import TASK, time_of

from kernelsearch import catalog, digest
from kernelsearch.errors import DeviceLost, ToolMissing, UsageError
from kernelsearch.model import Candidate, Origin
from kernelsearch.workers.base import Work
from kernelsearch.workers.crew.seat import Opening, serve
from kernelsearch.workers.spool.letters import Answer, Served, Wanted, pack, unpack

HARDWARE = catalog.hardware("h100")
PROGRAM = ("-W", "ignore", __file__)


def ask(words: str) -> Work:
    return Work(task=TASK, candidate=Candidate(task=digest.task(TASK), source=words, origin=Origin(proposer="rules")))


def served(worker: str = "simulated") -> Served:
    return Served(worker=worker, environment=ENVIRONMENT, hardware=HARDWARE, lease_s=0.0, beat_s=0.0)


def answer_to(data: bytes, worker: str = "simulated") -> bytes:
    candidate = unpack(Wanted, data).candidate
    evaluation = passing(time_of(candidate), digest.candidate(candidate))
    there = replace(ENVIRONMENT, facts={"worker": worker})
    return pack(Answer(request="", worker=worker, evaluation=replace(evaluation, environment=there), hardware=HARDWARE))


class FakeSeat:
    """`once FILE`: what follows is done where FILE is not there yet. Then: kill, hang, raise, refuse."""

    def __init__(self, opening: Opening) -> None:
        self._name = opening.name
        if opening.hardware == "none":
            raise ToolMissing("there is no GPU in this test")

    def served(self) -> Served:
        return served(self._name)

    def answer(self, data: bytes) -> bytes:
        words = unpack(Wanted, data).candidate.source.split()
        if words[0] == "once":
            sign = Path(words[1])
            words = words[2:] if not sign.exists() else ["//"]
            sign.touch()
        match words[0]:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(600)
            case "lose":
                raise DeviceLost("the GPU fell off the bus")
            case "raise":
                raise KeyError("a mistake of ours")
            case "refuse":
                raise UsageError("the reference of t has no function solve")
            case "slowly":
                time.sleep(0.05)
        return answer_to(data, self._name)

    def close(self) -> None:
        pass


if __name__ == "__main__":
    os._exit(serve(socket.socket(fileno=int(sys.argv[1])), FakeSeat))
