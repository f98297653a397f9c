"""Which CPUs our children stay off: those that a device keeps for its timed calls."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator


def _nothing() -> Collection[int]:
    return ()


_kept_free: Callable[[], Collection[int]] = _nothing


def keep_free(kept: Callable[[], Collection[int]]) -> None:
    """Children started from now on stay off the CPUs that `kept` names at that moment, unless they choose otherwise themselves."""
    global _kept_free
    _kept_free = kept


def stay_off() -> None:
    """The same for this thread, and for threads that it starts."""
    own = os.sched_getaffinity(0)
    if (rest := own - set(_kept_free())) and rest != own:
        os.sched_setaffinity(0, rest)


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    """A child may run where the thread that starts it may."""
    own = os.sched_getaffinity(0)
    rest = own - set(_kept_free())
    if not rest or rest == own:
        yield
        return
    os.sched_setaffinity(0, rest)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)
