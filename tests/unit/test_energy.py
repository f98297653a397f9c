"""Power of a candidate's own calls: which readings count, what is asked of the box, and what is said where nothing can be known."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from players import PLAIN, Player
from spooled import TASK, work

from kernelsearch import search, wire
from kernelsearch.device import energy, nvml, race
from kernelsearch.device.base import TimingPlan
from kernelsearch.device.energy import Window, chosen, conditions
from kernelsearch.model import RunSpec
from kernelsearch.model.measurement import OWN_POWER
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.spool import letters
from kernelsearch.workers.spool.folder import Folder
from kernelsearch.workers.spool.site import Pace, SpoolSite


def window(*readings: tuple[float, int | None]) -> Window:
    """One that was looked at so often, with a time and a count each."""
    counts = iter([count for _, count in readings])
    moments = {"now": 0.0}
    found = Window(lambda: next(counts), lambda: moments["now"])
    for at, _ in readings:
        moments["now"] = at
        found.look()
    return found


def test_readings_count_where_the_number_changes_and_the_first_does_not() -> None:
    found = window((0.0, 1000), (0.05, 1000), (0.1, 61_000), (0.15, 61_000), (0.2, 121_000), (0.35, 181_000), (0.36, None), (0.38, 181_000))
    assert found.found() == (120_000, pytest.approx(0.25))


@pytest.mark.parametrize(
    "readings",
    [(), ((0.0, 5),), ((0.0, 5), (9.0, 6)), ((0.0, 5), (0.1, 6), (0.29, 7)), ((0.0, 5), (0.1, 9), (0.5, 7)), ((0.0, None), (1.0, None))],
    ids=["none", "one", "one change", "too near", "a count that goes back", "not reported"],
)
def test_too_little_is_nothing(readings) -> None:
    assert window(*readings).found() is None


def test_the_longest_call_is_taken_of_those_that_can_be_made_again() -> None:
    records = [{"pairs": [(us, 1.0)]} for us in (10.0, 90.0, 500.0)]
    assert chosen([{"again": True}, {"again": True}, {"again": False}], records) == 1
    assert chosen([{"again": False}] * 3, records) is None


def told(call_us: float = 100.0, **found: float) -> dict[str, str]:
    record = {"mj": 240_000.0, "s": 0.6, "calls": 6000, "lasted_s": 0.65} | found
    return conditions(["other", "big"], [{"pairs": []}, {"pairs": [(call_us, 1.0)], "energy": record}])


def test_power_is_told_with_what_it_is_of() -> None:
    found = told()
    assert found[OWN_POWER] == "400.0"
    assert found["power of its own calls"] == "of the whole board, over 0.60 s of big again and again with a warm L2, 92 % of it calls"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (told(call_us=2.0), "a call of 2.0 µs is over before the next is launched"),
        (told(s=0.0, mj=0.0), "stood still for 0.7 s"),
        (conditions(["c"], [{"pairs": [(1.0, 1.0)], "energy": None}]), "cannot be read"),
        (conditions(["c"], [{"pairs": [(1.0, 1.0)]}]), "works on what it left"),
    ],
)
def test_what_cannot_be_known_is_not_told(found: dict[str, str], why: str) -> None:
    assert OWN_POWER not in found and why in found["power of its own calls"]


class Board:
    """A GPU that draws so many W by a clock of its own, and counts every `tick_s`. `read` moves the clock on."""

    def __init__(self, watts: float = 300.0, tick_s: float = 0.05) -> None:
        self.watts, self.tick_s, self.now = watts, tick_s, 0.0

    def energy_mj(self) -> int | None:
        self.now += 0.011
        return int(self.watts * 1000 * self.tick_s * (self.now // self.tick_s))

    def held_down(self) -> bool:
        return False

    def clocks(self) -> list[int]:
        return []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Board:
    """A race whose windows go by the board's clock."""
    board = Board()
    monkeypatch.setattr(race, "_watch", lambda gpu: board)
    monkeypatch.setattr(energy, "taken", functools.partial(energy.taken, clock=lambda: board.now))
    return board


@pytest.fixture
def players() -> Iterator[list[Player]]:
    made: list[Player] = []
    yield made
    for one in made:
        one.close()


SCHEDULE = {
    "calls": [{"distribution": 0, "decoys": [], "samples": [], "sets": 1, "again": True}],
    "plan": asdict(TimingPlan(warmup_ms=0.0, min_samples=20, max_samples=20, energy=True)),
    "timeout_s": 60.0,
    "call_s": 10.0,
    "linger_s": 0.0,
    "gpu": "",
    "in_a_row": False,
    "slack_us": 20.0,
    "slack_share": 0.1,
}


def raced(players: list[Player], **options) -> dict:
    players += [Player(**options), Player()]
    return race.Race(SCHEDULE, players[0].ours, players[1].ours).run()


def test_after_a_race_the_candidate_alone_is_called_again_and_again(quick: Board, players: list[Player]) -> None:
    record = raced(players, took_s=0.003)
    asked = [order for order in players[0].orders if order.op is wire.Op.AGAIN]
    assert asked and {order.calls for order in asked} == {500}  # of 100 µs each, so many take 50 ms
    assert players[0].orders[-len(asked) :] == asked and len({order.seal for order in asked}) == len(asked)
    assert not any(order.op is wire.Op.AGAIN for order in players[1].orders)
    found = record["calls"][0]["energy"]
    assert found["mj"] / found["s"] == pytest.approx(300_000, rel=0.1)  # by as much as a reading comes late
    assert found["calls"] % 500 == 0


def test_without_a_count_of_energy_nothing_more_is_asked(quick: Board, players: list[Player], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "energy_mj", lambda: None)
    assert raced(players)["calls"][0]["energy"] is None
    assert not any(order.op is wire.Op.AGAIN for order in players[0].orders)


@pytest.mark.parametrize(("answer", "why"), [("gone", "gone"), (b"nonsense", "garbled")])
def test_a_candidate_that_breaks_when_called_again_has_failed(quick: Board, players: list[Player], answer, why: str) -> None:
    record = raced(players, answer=lambda order: answer if order.op is wire.Op.AGAIN else PLAIN)
    assert record["ours"] == why and record["calls"][0]["energy"] is None


class Library:
    """As much of NVML as a watch reads."""

    class NVMLError(Exception):
        pass

    def __init__(self, energy: int | None) -> None:
        self.energy = energy

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: object) -> int:
        if self.energy is None:
            raise self.NVMLError
        return self.energy


@pytest.mark.parametrize("count", [123_456, None])
def test_energy_is_read_from_the_driver_where_the_board_counts_it(count: int | None) -> None:
    assert nvml.Watch(Library(count), object()).energy_mj() == count


@pytest.mark.parametrize(("reward", "wanted"), [("energy", True), ("default", False), ("runtime-only", False)])
def test_power_is_measured_where_a_run_scores_by_it(reward: str, wanted: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    class Opened(Exception):
        pass

    def opened(**options: object) -> None:
        asked.append(options["energy"])
        raise Opened

    monkeypatch.setattr("kernelsearch.workers.sites.open_lab", opened)
    with pytest.raises(Opened):
        search.optimize(TASK, RunSpec(task="", task_name="", reward=reward), tmp_path / "run", watch=print, stop=threading.Event())
    assert asked == [wanted]


def test_a_request_through_a_spool_asks_for_it_too(tmp_path: Path) -> None:
    for number, wanted in enumerate((True, False)):
        site = SpoolSite(tmp_path, secret="s", metrics=None, say=print, pace=Pace(poll_s=0.005), energy=wanted)
        try:
            in_thread(site.judge, work(number))
            folder = Folder(tmp_path)
            while not folder.names("requests"):
                time.sleep(0.002)
            (name,) = folder.names("requests")
            assert letters.wanted(name, folder.file("requests", name).read_bytes()).energy is wanted
        finally:
            site.close()
