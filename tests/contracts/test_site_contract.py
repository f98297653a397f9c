"""What every site must do, whoever judges there: each request is answered once, with its own answer, and what is lost is judged again."""

import importlib.util
import os
import threading
from concurrent.futures import wait
from contextlib import closing

import pytest
from crews import PROGRAM, FakeSeat, answer_to, ask, served
from simulated import SimulatedCrew, Weather
from spooled import TASK, FakeStation, time_of

from kernelsearch import digest
from kernelsearch.errors import DeviceLost, ToolMissing, UsageError
from kernelsearch.evaluate import none_known
from kernelsearch.workers.crew.dispatch import Terms
from kernelsearch.workers.crew.here import Processes
from kernelsearch.workers.crew.seat import Opening
from kernelsearch.workers.crew.site import CrewSite
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.spool.letters import Wanted

TERMS = Terms(room=2, failures=2, patience_s=30.0)
WITH_RAY = pytest.param(
    "ray", marks=pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'kernelsearch[ray]'")
)


class HereSite(FakeStation):
    """One lab, in this process."""

    places = 1

    def begin(self, task, idle) -> None:
        pass

    def judge(self, work, known=none_known):
        return super().judge(Wanted(task=work.task, candidate=work.candidate, incumbent=None, trial=None, metrics=None, secret=""))

    def close(self) -> None:
        pass


def openings(count: int = 2, **fields) -> list[Opening]:
    return [Opening(name=f"seat {number}", **fields) for number in range(count)]


def site_of(crew, said, terms=TERMS) -> CrewSite:
    return CrewSite(crew, terms, secret="s", metrics=None, say=said.append)


def opened(kind: str, said: list[str]):
    match kind:
        case "local":
            return HereSite()
        case "simulated":
            weather = Weather(preempted=0.05, crashed=0.02, slow=0.05, twice=0.2, gone=((1, 5.0),))
            return site_of(SimulatedCrew(4, answer_to, served(), weather, seed=1), said)
        case "gpus":
            return site_of(Processes(openings(), PROGRAM), said)
    from kernelsearch.workers.crew.on_ray import RayCrew

    lab = Opening(name="ray", device="emulated")
    return site_of(RayCrew("", lab, room=TERMS.room, local={"num_cpus": 4}, open_seat=FakeSeat, compiles=None), said)


@pytest.fixture(scope="module")
def said():
    return []


@pytest.fixture(scope="module", params=["local", "simulated", "gpus", WITH_RAY])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def site(kind, said):
    with closing(opened(kind, said)) as site:
        site.begin(TASK, lambda: False)
        yield site


@pytest.fixture
def real(site, kind):
    """A site whose seats are processes."""
    if kind in ("local", "simulated"):
        pytest.skip("no process judges there")
    return site


def judged(site, words: list[str]):
    futures = [in_thread(site.judge, ask(each)) for each in words]
    assert not wait(futures, timeout=100).not_done
    return futures


def assert_own(futures, words: list[str]) -> None:
    for future, each in zip(futures, words, strict=True):
        candidate = ask(each).candidate
        assert future.result().candidate == digest.candidate(candidate)
        assert future.result().time_us == pytest.approx(time_of(candidate))


def test_many_at_once_have_one_answer_each_and_their_own(site):
    words = [f"// candidate {number}" for number in range(40)]
    assert_own(judged(site, words), words)
    assert site.environment.device == "fake" and site.hardware.arch == "sm_90" and site.places >= 1


def test_all_seats_take_part(real):
    workers = {future.result().environment.facts["worker"] for future in judged(real, [f"slowly {number}" for number in range(20)])}
    assert len(workers) == real.places == 2


def test_what_a_dying_seat_had_in_hand_is_judged_elsewhere(real, said, tmp_path):
    words = [f"slowly a{number}" for number in range(6)]
    words.insert(3, f"once {tmp_path / 'killed'} kill")
    assert_own(judged(real, words), words)
    assert (tmp_path / "killed").exists() and len([text for text in said if "started again" in text]) >= 1


def test_what_kills_every_seat_is_given_up_and_takes_no_other_along(real):
    words = [f"slowly b{number}" for number in range(6)]
    futures = judged(real, [*words, "kill"])
    assert_own(futures[:-1], words)
    with pytest.raises(DeviceLost, match="2 times what judged a kernel was lost over it"):
        futures[-1].result()


def test_an_exception_of_ours_is_tried_elsewhere_and_then_told(real):
    (future,) = judged(real, ["raise"])
    with pytest.raises(DeviceLost, match="a mistake of ours"):
        future.result()


def test_what_is_the_requests_fault_is_told_at_once_and_costs_no_seat(real):
    lost = real.foreman.dispatcher.count.lost
    (future,) = judged(real, ["refuse"])
    with pytest.raises(UsageError, match="has no function solve"):
        future.result()
    assert real.foreman.dispatcher.count.lost == lost


def test_nothing_is_left_open(site, kind):
    if kind == "local":
        pytest.skip("nothing is handed out there")
    assert site.foreman.dispatcher.open_requests() == []
    assert site.foreman.dispatcher.count.handed >= site.foreman.dispatcher.count.answered >= 40


def test_a_seat_that_hangs_is_ended_and_its_request_judged_by_another(tmp_path):
    said: list[str] = []
    terms = Terms(patience_s=1.0)
    with closing(site_of(Processes(openings(), PROGRAM), said, terms)) as site:
        site.begin(TASK, lambda: False)
        words = [f"once {tmp_path / 'hung'} hang", "// other"]
        assert_own(judged(site, words), words)
    assert any("no answer for" in text for text in said)


def test_closing_ends_what_is_under_way_and_every_process(tmp_path):
    crew = Processes(openings(1), PROGRAM)
    site = site_of(crew, [])
    site.begin(TASK, lambda: False)
    pid = crew._lives[0].popen.pid
    futures = [in_thread(site.judge, ask(f"once {tmp_path / name} hang")) for name in "abc"]
    while not (tmp_path / "a").exists() and not (tmp_path / "b").exists():
        threading.Event().wait(0.01)
    site.close()
    for future in futures:
        with pytest.raises(UsageError, match="ended before"):
            future.result(timeout=30)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(UsageError, match="ended before"):
        site.judge(ask("// too late"))


def test_where_no_seat_opens_it_is_said_why():
    with closing(site_of(Processes(openings(1, hardware="none"), PROGRAM), [])) as site:
        with pytest.raises(ToolMissing, match="seat 0: there is no GPU in this test"):
            site.begin(TASK, lambda: False)
        with pytest.raises(ToolMissing):
            site.judge(ask("// anything"))


def test_waiting_for_a_seat_can_be_given_up():
    crew = SimulatedCrew(1, answer_to, served(), Weather(gone=((0, 0.0),)))
    with closing(site_of(crew, [])) as site, pytest.raises(UsageError, match="stopped before"):
        site.begin(TASK, lambda: True)
