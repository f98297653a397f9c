"""How a trusted process serves: one question after the other, on what were its standard input and output, until its parent is gone.

What a library or a user's code prints goes to standard error. The end of the input is noticed between questions; a long one is broken off
as soon as the parent has ended, so that no reference of many gigabytes outlives a run that was killed.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from kernelsearch.oracle import wire
from kernelsearch.oracle.wire import Array

Answering = Callable[[Mapping[str, Any], Mapping[str, Array]], tuple[dict[str, Any], dict[str, Array]]]

# What a user's code may raise; errors of torch and cupy are RuntimeErrors.
USERS_ERRORS = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError, NameError, OSError),
    *(RuntimeError, SyntaxError, TypeError, ValueError),
)
_LOOK_S = 1.0


def place(error: BaseException, file: str) -> str:
    """`line 7: ` of the user's `file`, where the error passed through it."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"line {lines[-1]}: " if lines else ""


def serve(open_worker: Callable[[], Answering]) -> None:
    """`open_worker` is called once the streams are safe from what it prints."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    answer = open_worker()
    while True:
        try:
            request, given = wire.read(incoming)
        except EOFError:
            return
        wire.write(outgoing, *answer(request, given))


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)
