"""A crew in virtual time: seats that are slow, die, are preempted, come back and answer twice, by the dice of a seed.

The clock stands still while the controller is at work (`settled`), as if that were infinitely fast; what it costs is measured in CPU time.
"""

import heapq
import itertools
import random
import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from kernelsearch.workers.crew.base import Answered, Lost, Ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """`gone`: seats that are lost for good, and when. Rates are of requests: the seat is preempted, or crashes, while it has it in hand,
    takes fifty times as long, or answers twice."""

    median_s: float = 2.7
    sigma: float = 0.5  # of the logarithm
    gone: tuple[tuple[int, float], ...] = ()
    preempted: float = 0.0
    crashed: float = 0.0
    slow: float = 0.0
    twice: float = 0.0
    restart_s: float = 30.0
    tick_s: float = 0.0  # what happens within so long is told together, as by a controller that is woken so often


class SimulatedCrew:
    """`judge` gives the packed answer to a packed request, `served` what a seat says of itself."""

    def __init__(self, seats, judge, served, weather=None, *, seed=0, settled=lambda: True) -> None:
        self.seats, self._judge, self._served, self._settled = seats, judge, served, settled
        self.weather = weather or Weather()
        self._dice = random.Random(seed)
        self._gone = dict(self.weather.gone)
        self._lives = dict.fromkeys(range(seats), 0)
        self._coming: list = []  # (time, order, life or None, event)
        self._order = itertools.count()
        self._nudges: SimpleQueue = SimpleQueue()
        self._time = 0.0
        self.own_cpu_s = 0.0  # of the simulation, within the foreman's thread
        self.worked_s = 0.0  # of all seats, at what they brought to an end
        self.begun = 0
        self.closed = threading.Event()

    def now(self) -> float:
        return self._time

    def start(self) -> None:
        for seat in range(self.seats):
            self._at(self._dice.random(), seat, Ready(seat=seat, served=self._served))
            if seat in self._gone:
                self._at(self._gone[seat], None, Lost(seat=seat, why=f"node {seat} is gone", blamed=False))

    def begin(self, seat, turn, number, data) -> None:
        since, weather = time.thread_time(), self.weather
        self.begun += 1
        takes = weather.median_s * self._dice.lognormvariate(0.0, weather.sigma)
        fate = self._dice.random()
        crash, preempt, slow = (sum((weather.crashed, weather.preempted, weather.slow)[:n]) for n in (1, 2, 3))
        answer = Answered(turn=turn, number=number, data=self._judge(data))
        if fate < preempt:
            self._at(takes * self._dice.random(), seat, Lost(seat=seat, why=f"node {seat} was lost", blamed=fate < crash))
        elif fate < slow:
            self._at(50 * takes, None, answer)  # and it comes, whatever became of the seat meanwhile
        else:
            self._at(takes, seat, answer)
            self.worked_s += takes
            if self._dice.random() < weather.twice:
                self._at(takes * (1 + self._dice.random()), None, answer)
        self.own_cpu_s += time.thread_time() - since

    def renew(self, seat) -> None:
        self._lives[seat] += 1
        if self._gone.get(seat, float("inf")) > self._time:
            self._at(self.weather.restart_s, seat, Ready(seat=seat, served=self._served))

    def retire(self, seat) -> None:
        self._lives[seat] += 1

    def wait(self, timeout_s):
        while not self._settled() and not self.closed.is_set():
            self._nudges.get()
            if self._nudges.empty():
                return []  # the foreman is to take in what is new
        try:
            while True:
                self._nudges.get_nowait()
                if self._nudges.empty():
                    return []
        except Empty:
            pass
        since = time.thread_time()
        found = self._next(timeout_s)
        self.own_cpu_s += time.thread_time() - since
        return found

    def nudge(self) -> None:
        self._nudges.put(None)

    def close(self) -> None:
        self.closed.set()

    def _next(self, timeout_s):
        """What happens next, and within a tick of it."""
        found, until = [], None if timeout_s is None else self._time + timeout_s
        while self._coming and (until is None or self._coming[0][0] <= until):
            at, _, life, event = heapq.heappop(self._coming)
            if life is None or self._lives[life[0]] == life[1]:  # else it is of a seat that is gone
                until = until if found else at + self.weather.tick_s
                self._time = max(self._time, at)
                found.append(event)
        if found:
            return found
        if timeout_s is not None:
            self._time += timeout_s
            return []
        self._nudges.get()
        return []

    def _at(self, in_s, seat, event) -> None:
        life = None if seat is None else (seat, self._lives[seat])
        heapq.heappush(self._coming, (self._time + in_s, next(self._order), life, event))
