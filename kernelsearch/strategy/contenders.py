"""The kernels at the top, and which of them deserves another trial.

Times are noisy, so the best of many is partly luck. Where intervals overlap with that of the best, a share of the attempts is spent on
trying those kernels again, as POLCA (arXiv 2603.14769) does with every candidate that it takes up; means over trials then decide what is
edited next. A second trial of the same outcome teaches nothing where times are modelled, so there none is asked for. Only the first
`room` kernels are kept: whatever lies behind them has no claim to be the best.
"""

from __future__ import annotations

from bisect import insort

from kernelsearch.strategy.kernels import Kernel


class Contenders:
    """`share`: of all attempts, how many may be repeats. `most`: trials of one kernel."""

    def __init__(self, *, share: float, most: int = 4, room: int = 16) -> None:
        self._share, self._most, self._room = share, most, room
        self._top: list[tuple[float, int, Kernel]] = []  # (-mean reward, number, kernel), the best first
        self._repeats = 0

    @property
    def best(self) -> Kernel | None:
        """By mean reward, the older of equals."""
        return self._top[0][2] if self._top else None

    def put(self, kernel: Kernel, *, repeated: bool = False) -> None:
        """Place `kernel`, which is new or had another trial."""
        self._repeats += repeated
        self._top = [entry for entry in self._top if entry[2] is not kernel]
        insort(self._top, (-kernel.value, kernel.number, kernel))
        del self._top[self._room :]

    def next_repeat(self, attempts: int) -> Kernel | None:
        """Which kernel to try again now, when `attempts` were told or are under way; None when no repeat is due or none is in doubt."""
        under_way = sum(kernel.repeating for _, _, kernel in self._top)
        if self._repeats + under_way + 1 > self._share * (attempts + 1) or not self._top:
            return None
        best = self._top[0][2]
        floor = best.value - best.margin
        near = [kernel for _, _, kernel in self._top if kernel.value + kernel.margin >= floor]
        doubtful = [kernel for kernel in near if kernel.doubt > 0.0 and kernel.trials + kernel.repeating < self._most]
        if len(near) < 2 or not doubtful:
            return None
        return min(doubtful, key=lambda kernel: (kernel.trials + kernel.repeating, -kernel.value, kernel.number))
