"""How sure a result is, as it is told: intervals, second trials, hazards and conditions, in the terminal and in the report."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

import runs
from kernelsearch.cli import progress, tables
from kernelsearch.cli.progress import Progress
from kernelsearch.measure import statistics
from kernelsearch.model import (
    CaseTiming,
    Confirmation,
    Environment,
    Evaluation,
    Finding,
    Hazard,
    Interval,
    Measurement,
    Node,
    TimeKind,
    Verdict,
)
from kernelsearch.report import evidence, html, strip, timing, words
from kernelsearch.report.view import Record, best_of, bests, build
from kernelsearch.search import NodeDone, Result, Started

GPU = Environment(
    device="NVIDIA H100", time_kind="measured", sandbox="bubblewrap (level 2 of 3)", facts={"system calls": "filtered, 47 refused"}
)
CONDITIONS = {
    "throttled": "no",
    "sm clock MHz while timed": "1965..1980",
    "pairs repeated as clocks were held down": "3",
}


def timed(us: float, rival: float, pairs: int = 40) -> Measurement:
    """Pairs that differ by the same small steps on both sides, so that the ratio wobbles by half a per cent."""
    ours = tuple(us * (1 + 0.002 * (place % 3)) for place in range(pairs))
    theirs = tuple(rival * (1 + 0.002 * (place % 2)) for place in range(pairs))
    speedup, interval = statistics.combined([statistics.ratio(ours, theirs)])
    case = CaseTiming(case="large", samples_us=ours, rival_us=theirs, unexplained_us=0.4, doubt_us=0.2)
    return Measurement(kind=TimeKind.MEASURED, timings=(case,), speedup=speedup, interval=interval, conditions=CONDITIONS)


def judged(us: float, name: str, trial: Confirmation | None = None, **more) -> Evaluation:
    return replace(runs.passed(us, 4.0), candidate=name, measurement=timed(us, 400.0), environment=GPU, confirmation=trial, **more)


def trial(against: str, us: float, rival: float, *, held: bool) -> Confirmation:
    return Confirmation(against=against, measurement=timed(us, rival), held=held, detail="in words")


def nodes() -> tuple[Node, ...]:
    """A baseline, a kernel that was shown to be faster, and one with a shorter time that was not."""
    first, second, third = (runs.nodes()[number] for number in (0, 1, 2))
    evaluations = (
        judged(400.0, "a"),
        judged(100.0, "b", trial("a", 100.0, 400.0, held=True)),
        judged(99.0, "c", trial("b", 100.0, 100.2, held=False), findings=(Finding(rule="reads a clock", message="reads a clock", line=4),)),
    )
    return tuple(
        replace(node, attempt=replace(node.attempt, evaluation=evaluation))
        for node, evaluation in zip((first, second, third), evaluations, strict=True)
    )


def record() -> Record:
    return Record(
        task=runs.task(),
        spec=runs.SPEC,
        environment=GPU,
        nodes=nodes(),
        totals=progress.Totals(candidates=2),
        started="2026-11-24T12:00:00+00:00",
        version="0.2.0",
        folder="r",
    )


@pytest.fixture
def told() -> list[str]:
    """The last lines of a search."""
    found = nodes()
    state = Progress(Started(task=runs.task(), environment=GPU, spec=runs.SPEC, folder=Path("r")))
    for node in found:
        state.add(NodeDone(node=node, best=bests(found[: node.number + 1])[-1], totals=progress.Totals(), pending=0))
    result = Result(folder=Path("r"), baseline=found[0], best=found[1], totals=progress.Totals(candidates=2), ended="done")
    return progress.tail(result, state, report="r/report.html", kept=None)


def line(lines: list[str], name: str) -> str:
    return next(text[progress.NAME :] for text in lines if text[: progress.NAME].strip() == name)


def test_the_best_is_what_was_shown_to_be_it_and_not_the_shortest_time():
    assert best_of(nodes()).number == 1
    assert [node.number for node in bests(nodes())] == [0, 1]
    unconfirmed = replace(nodes()[1], attempt=replace(nodes()[1].attempt, evaluation=judged(100.0, "b")))
    assert best_of((nodes()[0], unconfirmed)).number == 0


def test_the_end_tells_interval_checks_and_conditions(told):
    assert re.match(r"#1  100\.\d µs ± 0\.\d %, 4\.00x \[3\.99, 4\.00\], \d+ % of speed of light; 2 inputs verified$", line(told, "best"))
    assert line(told, "checked").startswith("sanitizer clean; re-timed in a fresh process, 4.00x [")
    assert line(told, "timed") == "40 pairs, SM at 1965 to 1980 MHz, 3 taken again as clocks were held down"
    assert line(told, "not shown") == "#2 at 99.20 µs: not faster by the 1 % that count as an effect"


def test_the_table_says_of_a_shorter_time_that_it_did_not_hold():
    found = nodes()
    assert re.match(r"did not hold: 1\.002x \[1\.000, 1\.002\] the incumbent$", words.why(found[2], found[0]))
    assert "did not hold" not in words.why(found[1], found[0])


def test_the_baseline_has_no_interval_over_itself():
    found = nodes()
    assert evidence.speedup(found[0], found[0]) == "1.00x"
    assert evidence.speedup(found[1], found[0]).startswith("4.00x [3.99")


def test_an_interval_of_less_confidence_says_so():
    measurement = replace(timed(100.0, 400.0), interval=Interval(low=3.9, high=4.1, confidence=0.75))
    assert evidence.interval(measurement) == "[3.90, 4.10] at 75 %"
    assert evidence.interval(runs.passed(1.0, 4.0).measurement) == ""


def test_nothing_is_called_clean_that_was_not_looked_at():
    doubtful = Hazard(tool="racecheck", kind="race", message="a race", doubt="it knows no such barrier")
    held = trial("a", 100.0, 400.0, held=True)
    assert evidence.sanitised(judged(100.0, "b")) == ""
    assert evidence.sanitised(judged(100.0, "b", held)) == "sanitizer clean"
    assert evidence.sanitised(judged(100.0, "b", held, unsanitised="not installed")) == "not sanitised: not installed"
    assert evidence.sanitised(judged(100.0, "b", held, hazards=(doubtful,))) == "sanitizer: 1 doubtful report"
    assert evidence.sanitised(runs.confirmed(runs.passed(1.0, 4.0))) == "every access checked"


def test_a_suspicion_is_told_with_what_came_of_it():
    assert evidence.trust(nodes()[2].evaluation).endswith("; 1 suspicious finding, so checked more strictly")
    assert "suspicious" not in evidence.trust(nodes()[1].evaluation)


def test_a_device_that_tells_nothing_is_said_and_a_limit_is_named():
    measurement = replace(timed(100.0, 400.0), conditions={"state": "not recorded: NVML is not there", "throttled": "power cap"})
    said = evidence.conditions(measurement)
    assert "clocks limited by: power cap" in said and said.endswith("state of the device not recorded: NVML is not there")
    assert evidence.conditions(runs.passed(1.0, 4.0).measurement) == ""


def test_times_of_two_kinds_are_not_compared():
    modelled = runs.nodes()[0]
    assert words.speedup(nodes()[1], modelled) is None


def test_the_report_shows_it_all():
    page = html.page(build(record()))
    for said in (
        "4.00x <small>[3.99, 4.00]",
        "sanitizer clean; re-timed in a fresh process",
        "over the baseline",
        "#2 at 99.20 µs: not faster by the 1 % that count as an effect",
        "Second trial, against #1",
        "0.4 ± 0.2 µs",
        "1965..1980",
        "suspicious: checked more strictly",
    ):
        assert said in page, said


def test_what_was_never_the_best_is_below_the_line_of_the_curve():
    view = build(record())
    assert [node.number for node in view.nodes if node.was_best] == [0, 1]
    steps = re.search(r'class="best" d="([^"]*)"', html.page(view))[1]
    assert steps.count("V") == 1


def test_hazards_are_told_with_kernel_line_and_doubt():
    found = Hazard(tool="racecheck", kind="race in shared memory", message="two threads, one word", kernel="softmax", line=9)
    evaluation = runs.failed(Verdict.HAZARD, "racecheck: two threads, one word", hazards=(found, replace(found, doubt="perhaps not")))
    rows = timing.hazards(evaluation)
    assert rows[0].cells == ("race in shared memory", "softmax", "line 9", "two threads, one word") and rows[0].note == ""
    assert rows[1].note == "doubtful: perhaps not"
    hazardous = replace(nodes()[2], attempt=replace(nodes()[2].attempt, evaluation=evaluation))
    assert words.kind(hazardous) == "wrong"
    assert "race in shared memory" in html.page(build(replace(record(), nodes=(*nodes()[:2], hazardous))))


def test_evaluate_shows_pairs_interval_findings_and_walls(capsys):
    tables.show_evaluation(nodes()[2].evaluation, runs.task())
    said = capsys.readouterr().out
    for text in (
        "walls: system calls filtered, 47 refused",
        "line 4: reads a clock [reads a clock; checked more strictly]",
        "the task's own kernel, at 99 %",
        "unexplained",
        "did not hold when run again",
    ):
        assert text in said, text


@pytest.mark.parametrize("ratios", [[1.0], [2.0] * 50, [1.0 + 0.001 * (n % 7) for n in range(200)], [3.0] * 99 + [900.0]])
def test_pairs_are_drawn_inside_the_picture(ratios):
    drawn = strip.pairs(ratios)
    assert ElementTree.fromstring(drawn).tag == "svg"
    places = re.findall(r"M([\d.]+) ([\d.]+)h0", drawn)
    assert len(places) == len(ratios)
    assert all(0 <= float(x) <= 460 and 0 <= float(y) <= 92 for x, y in places)


def test_one_late_answer_does_not_flatten_the_others():
    drawn = strip.pairs([1.0 + 0.01 * (n % 5) for n in range(99)] + [500.0])
    heights = {float(y) for _, y in re.findall(r"M([\d.]+) ([\d.]+)h0", drawn)}
    assert max(heights) - min(heights) > 40
