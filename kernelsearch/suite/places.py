"""Devices that searches are given to: one search or several on each."""

from __future__ import annotations

from typing import Protocol

from kernelsearch.suite.plan import Job


class Places(Protocol):
    """Asked by the thread of the suite alone, a few times a second."""

    def acquire(self, job: Job) -> str | None:
        """The device for one more search, as `RunSpec.device` names it, or "" for the one that the specification names; None for now."""
        ...

    def release(self, device: str, *, lost: bool) -> None:
        """Give back what `acquire` gave. `lost`: the device is not fit any more, so nothing else may be given to it."""
        ...

    @property
    def left(self) -> int:
        """Devices that are fit, whether taken or free. With none the suite ends, and what is missing can be resumed."""
        ...


class OnePlace:
    """A single device, the specification's own, for as many searches at once as are asked for."""

    def __init__(self, at_once: int = 1) -> None:
        self._free = at_once
        self._fit = True

    def acquire(self, job: Job) -> str | None:
        if not self._fit or not self._free:
            return None
        self._free -= 1
        return ""

    def release(self, device: str, *, lost: bool) -> None:
        self._free += 1
        self._fit = self._fit and not lost

    @property
    def left(self) -> int:
        return int(self._fit)
