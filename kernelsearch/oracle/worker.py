"""The trusted process: answers requests about PyTorch problems until its input ends.

    python -m kernelsearch.oracle.worker DEVICE

Requests and answers are messages of `wire` on what were standard input and output; whatever a problem prints goes to standard error.
An answer has `error` (words for the user) or the result.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import torch

from kernelsearch.oracle import programs
from kernelsearch.oracle.introspect import describe
from kernelsearch.oracle.problem import FILE, Exact, Fault, arrays, flat, namespace, shaped
from kernelsearch.oracle.program import Trusted
from kernelsearch.oracle.serving import USERS_ERRORS, Answering, place, serve
from kernelsearch.oracle.wire import Array

_KEPT = 4  # problems whose modules stay in memory


class Worker:
    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._kept: dict[str, Exact] = {}
        self._programs: dict[str, Trusted] = {}

    def answer(self, request: Mapping[str, Any], given: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
        """The result of one request, or an error in words."""
        try:
            if request["op"] == "describe":
                return {"result": describe(request["source"], self._device)}, {}
            if request["op"] == "compute":
                return {}, self._compute(request, given)
            program = self._program(request["source"])
            if request["op"] == "program":
                return {"result": program.describe()}, {}
            if request["op"] == "inputs":
                return {}, program.inputs(request["seed"], request["values"])
            return {}, program.reference(given, request["values"])
        except Fault as fault:
            return {"error": str(fault)}, {}
        except USERS_ERRORS as error:
            return {"error": f"{_place(error)}{type(error).__name__}: {error}"}, {}

    def _compute(self, request: Mapping[str, Any], given: Mapping[str, Array]) -> dict[str, Array]:
        call = request["call"]
        key = json.dumps([request["source"], call], sort_keys=True)
        if key not in self._kept:
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = Exact(
                namespace(request["source"]), json.loads(call["init"]), json.loads(call["inputs"]), call["parameters"], self._device
            )
        contents = shaped(given, call["shapes"], torch.from_numpy)
        return arrays(dict(flat(self._kept[key](contents), json.loads(call["outputs"]))))

    def _program(self, source: str) -> Trusted:
        if source not in self._programs:
            while len(self._programs) >= _KEPT:
                self._programs.pop(next(iter(self._programs)))
            self._programs[source] = Trusted(programs.loaded(json.loads(source)))
        return self._programs[source]


def _place(error: BaseException) -> str:
    """`line 7: ` of the problem, or `reference.py, line 7: ` of a program's files, where the error passed through it."""
    if isinstance(error, SyntaxError) and error.filename == FILE:
        return f"line {error.lineno}: "
    return programs.place(error) or place(error, FILE)


def _open() -> Answering:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return Worker(torch.device(sys.argv[1])).answer


if __name__ == "__main__":
    serve(_open)
