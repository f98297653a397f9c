"""The timekeeper's own process, between boxes that are threads of the test: pairs, keys, decoys, exports, and every way not to answer."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import asdict

import pytest
from players import PLAIN, Player

from kernelsearch import wire
from kernelsearch.device.base import TimingPlan
from kernelsearch.device.race import unexplained
from kernelsearch.device.timekeeper import Timekeeper


@pytest.fixture(scope="module")
def keeper():
    opened = Timekeeper()
    yield opened
    opened.close()


@pytest.fixture
def player():
    """Boxes that are closed with the test."""
    made = []

    def make(**options) -> Player:
        made.append(Player(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


EVERYTHING_FITS = 1e12


def schedule(
    *,
    samples=(),
    decoys=(),
    calls: int = 1,
    sets: int = 1,
    timeout_s: float = 60.0,
    call_s: float = 10.0,
    linger_s: float = 0.0,
    in_a_row: bool = True,
    slack_us: float = EVERYTHING_FITS,
    slack_share: float = 0.0,
    **plan,
):
    """One set of buffers leaves no room for calls in a row."""
    timing = {"warmup_ms": 0.0, "min_samples": 20, "max_samples": 40, "max_seconds": 30.0} | plan
    one = {"distribution": 0, "decoys": list(decoys), "samples": list(samples), "sets": sets, "again": True}
    return {
        "calls": [one] * calls,
        "plan": asdict(TimingPlan(**timing)),
        "timeout_s": timeout_s,
        "call_s": call_s,
        "linger_s": linger_s,
        "gpu": "",
        "in_a_row": in_a_row,
        "slack_us": slack_us,
        "slack_share": slack_share,
    }


def vary(count: int) -> float:
    """Claims with some spread, so that the median is not known at once."""
    return 100.0 + 10 * (count * 7 % 11)


def test_both_sides_get_the_same_orders_and_each_goes_first_at_times(keeper: Timekeeper, player) -> None:
    ours, theirs = player(claimed_us=vary), player(claimed_us=110.0)
    record = keeper.race(schedule(), ours.ours, theirs.ours)
    assert (record["ours"], record["theirs"], record["flag"]) == ("", "", None)
    (call,) = record["calls"]
    assert 20 <= len(call["pairs"]) <= 40
    assert ours.orders == theirs.orders
    assert len(ours.calls) == len(call["pairs"]) + 1  # and one to warm up
    first = [mine < other for mine, other in zip(ours.met, theirs.met, strict=True)]
    assert True in first and False in first
    assert all(pair[1] == 110.0 for pair in call["pairs"])
    assert [pair[0] for pair in call["pairs"]] == [vary(number + 2) for number in range(len(call["pairs"]))]


def test_every_call_has_keys_of_its_own_and_some_set_of_buffers_and_either_poison(keeper: Timekeeper, player) -> None:
    ours, theirs = player(claimed_us=vary), player()
    keeper.race(schedule(min_samples=40, max_samples=60, sets=3), ours.ours, theirs.ours)
    count = len(ours.calls)
    assert len({order.key for order in ours.calls}) == len({order.seal for order in ours.calls}) == count > 40
    assert {order.place for order in ours.calls} == {0, 1, 2}
    poison = Counter(order.poison for order in ours.calls)
    assert 0 < poison.pop(0) < count and set(poison.values()) == {1}


def test_samples_are_called_once_among_the_others_and_their_outputs_kept_under_their_digest(keeper: Timekeeper, player) -> None:
    samples = [(0, 1001, 0), (1, 1002, 3), (2, 1003, 0)]
    places = set()
    for _ in range(6):
        ours, theirs = player(claimed_us=vary), player()
        record = keeper.race(schedule(samples=samples), ours.ours, theirs.ours)
        assert sorted(order.key for order in ours.calls if 1001 <= order.key <= 1003) == [1001, 1002, 1003]
        assert [order.distribution for order in ours.calls if order.key == 1002] == [3]
        exports = {number: (digest, seal) for number, digest, seal in record["calls"][0]["exports"]}
        assert exports.keys() == {0, 1, 2}
        for before, order in zip(ours.orders, ours.orders[1:], strict=False):
            if order.op is wire.Op.EXPORT:
                assert before.key == 1001 + order.number
                assert exports[order.number] == (before.key, before.seal)
        assert not any(order.op is wire.Op.EXPORT for order in theirs.orders)
        assert [order.key for order in ours.calls] == [order.key for order in theirs.calls]
        # One that counts is looked at early, so that a slow candidate has been looked at when it is given up.
        turns = {order.key: turn for turn, order in enumerate(ours.calls[1:])}
        assert turns[1001] < TimingPlan().few and max(turns[key] for key in (1002, 1003)) < 20
        places.add(tuple(turns[key] for key in (1001, 1002, 1003)))
    assert len(places) > 1  # nobody knows which


def test_decoys_are_called_and_do_not_count(keeper: Timekeeper, player) -> None:
    ours, theirs = player(claimed_us=vary), player()
    record = keeper.race(schedule(decoys=(2, 5), min_samples=30), ours.ours, theirs.ours)
    kinds = Counter(order.distribution for order in ours.calls)
    assert kinds.keys() == {0, 2, 5}
    assert len(record["calls"][0]["pairs"]) == kinds[0] - 1  # but for the one to warm up


def test_a_sample_of_another_distribution_is_no_pair(keeper: Timekeeper, player) -> None:
    ours, theirs = player(claimed_us=vary), player()
    record = keeper.race(schedule(samples=[(0, 5, 0), (1, 6, 4)]), ours.ours, theirs.ours)
    assert len(record["calls"][0]["exports"]) == 2
    assert len(record["calls"][0]["pairs"]) == len(ours.calls) - 2


def test_a_ratio_that_is_known_ends_it_and_one_that_is_not_goes_on(keeper: Timekeeper, player) -> None:
    record = keeper.race(schedule(), player().ours, player(claimed_us=110.0).ours)
    assert len(record["calls"][0]["pairs"]) == 20
    record = keeper.race(schedule(), player(claimed_us=vary).ours, player().ours)
    assert len(record["calls"][0]["pairs"]) == 40


def test_one_that_is_certainly_slower_is_given_up_after_a_few_and_was_looked_at(keeper: Timekeeper, player) -> None:
    samples = [(0, 1001, 0), (1, 1002, 3), (2, 1003, 0)]
    ours, theirs = player(claimed_us=200.0), player(claimed_us=100.0)
    record = keeper.race(schedule(samples=samples), ours.ours, theirs.ours)
    assert len(record["calls"][0]["pairs"]) == TimingPlan().few
    assert 0 in [number for number, _, _ in record["calls"][0]["exports"]]


def test_time_that_is_up_ends_it_with_what_is_enough(keeper: Timekeeper, player) -> None:
    record = keeper.race(schedule(max_seconds=0.0, max_samples=4000), player(claimed_us=vary).ours, player().ours)
    assert len(record["calls"][0]["pairs"]) == TimingPlan().few


def test_without_a_rival_one_side_is_both(keeper: Timekeeper, player) -> None:
    ours = player(claimed_us=vary)
    record = keeper.race(schedule(samples=[(0, 5, 0)]), ours.ours, None)
    assert all(pair[0] == pair[1] for pair in record["calls"][0]["pairs"])
    assert len(record["calls"][0]["pairs"]) == 40  # the spread of its own times
    assert (record["theirs"], len(record["calls"][0]["exports"])) == ("", 1)


def test_each_call_of_a_job_is_timed_by_itself(keeper: Timekeeper, player) -> None:
    ours, theirs = player(), player()
    record = keeper.race(schedule(calls=3), ours.ours, theirs.ours)
    assert [len(call["pairs"]) for call in record["calls"]] == [20, 20, 20]
    assert [order.number for order in ours.calls] == [0] * 21 + [1] * 21 + [2] * 21


def after(count: int, said):
    """Plain answers to so many orders, then `said` of the order."""
    asked = []

    def answer(order: wire.Order):
        asked.append(order)
        return PLAIN if len(asked) <= count else said(order)

    return answer


def done(
    order: wire.Order, *, us: float = 100.0, ahead: int = 0, flags: int = 0, region: int = 0, op=wire.Op.DONE, seal: int | None = None
):
    return wire.Answer(op, order.number + ahead, flags, region, us, 0, order.seal if seal is None else seal).pack()


BAD = {
    "silent": (lambda order: None, "late"),
    "gone": (lambda order: "gone", "gone"),
    "garbage": (lambda order: b"PASSED 1.0 us", "garbled"),
    "short": (lambda order: done(order)[:-1], "garbled"),
    "long": (lambda order: done(order) + b"x", "garbled"),
    "another magic": (lambda order: b"KSW1" + done(order)[4:], "garbled"),
    "an order": (lambda order: order.pack(), "garbled"),
    "another call's": (lambda order: done(order, ahead=1), "garbled"),
    "another seal": (lambda order: done(order, seal=order.seal ^ 1), "garbled"),
    "no seal": (lambda order: done(order, seal=0), "garbled"),
    "another word": (lambda order: done(order, op=wire.Op.READY), "garbled"),
    "an order's word": (lambda order: done(order, op=wire.Op.END), "garbled"),
    "an unknown word": (lambda order: done(order)[:4] + b"\x63" + done(order)[5:], "garbled"),
    "negative": (lambda order: done(order, us=-1.0), "garbled"),
    "zero": (lambda order: done(order, us=0.0), "garbled"),
    "nan": (lambda order: done(order, us=math.nan), "garbled"),
    "next to nothing": (lambda order: done(order, us=1e-320), "garbled"),  # no quotient of it is finite
    "inf": (lambda order: done(order, us=math.inf), "garbled"),
    "huge": (lambda order: done(order, us=1e300), "garbled"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("count", [0, 7])
def test_a_box_that_does_not_answer_as_a_runner_ends_the_race_and_is_named(keeper: Timekeeper, player, kind: str, count: int) -> None:
    said, why = BAD[kind]
    ours, theirs = player(claimed_us=vary, answer=after(count, said)), player()
    record = keeper.race(schedule(call_s=0.3), ours.ours, theirs.ours)
    assert (record["ours"], record["theirs"], record["flag"]) == (why, "", None)
    assert len(ours.calls) == count + 1
    swapped, rival = player(claimed_us=vary), player(answer=after(count, said))
    record = keeper.race(schedule(call_s=0.3), swapped.ours, rival.ours)
    assert (record["ours"], record["theirs"]) == ("", why)


def test_an_answer_that_was_sent_ahead_is_not_taken_for_a_later_one(keeper: Timekeeper, player) -> None:
    """It would lie there when the next order is given, and make that call look like no time at all by either clock."""

    def twice(order: wire.Order) -> bytes:
        ours._theirs.sendall(done(order))
        return done(order)

    ours = player(answer=after(5, twice))
    record = keeper.race(schedule(), ours.ours, player().ours)
    assert record["ours"] == "garbled" and len(record["calls"][0]["pairs"]) == 5  # the sixth had its answer, the seventh not


def test_a_box_is_woken_before_every_call_and_must_answer_that(keeper: Timekeeper, player) -> None:
    ours, theirs = player(), player()
    keeper.race(schedule(samples=[(0, 5, 0)]), ours.ours, theirs.ours)
    for box in (ours, theirs):
        before = [before for before, op in zip(box.everything, box.everything[1:], strict=False) if op is wire.Op.CALL]
        assert set(before) == {wire.Op.WAKE} and len(before) == len(box.calls)
    for said, why in ((lambda order: None, "late"), (lambda order: done(order, op=wire.Op.AWAKE, seal=0), "garbled")):
        box = player(sleepy=True, answer=after(0, said))
        assert keeper.race(schedule(call_s=0.3), box.ours, player().ours)["ours"] == why
        assert box.calls == []


def test_an_export_that_is_not_made_ends_the_race(keeper: Timekeeper, player) -> None:
    def answer(order: wire.Order):
        return None if order.op is wire.Op.EXPORT else PLAIN

    record = keeper.race(schedule(samples=[(0, 5, 0)], call_s=0.3), player(answer=answer).ours, player().ours)
    assert record["ours"] == "late" and record["calls"][0]["exports"] == []


@pytest.mark.parametrize("flag", list(wire.Flag))
def test_a_flag_ends_the_race_and_is_told(keeper: Timekeeper, player, flag: wire.Flag) -> None:
    ours = player(answer=after(3, lambda order: done(order, flags=flag, region=2)))
    record = keeper.race(schedule(), ours.ours, player().ours)
    assert record["flag"] == [0, flag, 2] and record["ours"] == ""


def test_the_whole_has_an_end(keeper: Timekeeper, player) -> None:
    ours = player(claimed_us=vary, took_s=0.05)
    record = keeper.race(schedule(timeout_s=0.5, min_samples=2000, max_samples=4000), ours.ours, player().ours)
    assert record["ours"] == "late" or record["theirs"] == "late"
    assert 0 < len(ours.calls) < 100


def test_the_keeper_lives_on_after_every_kind_of_race(keeper: Timekeeper, player) -> None:
    keeper.race(schedule(), player(answer=lambda order: "gone").ours, player().ours)
    assert keeper.race(schedule(), player().ours, player().ours)["ours"] == ""


def test_a_keeper_that_is_gone_raises(player) -> None:
    other = Timekeeper()
    other.close()
    assert other._process.returncode == 0
    with pytest.raises(OSError):
        other.race(schedule(), player().ours, None)


def test_calls_in_a_row_and_one_alone_are_asked_of_both_sides(keeper: Timekeeper, player) -> None:
    ours, theirs = player(), player()
    record = keeper.race(schedule(sets=5), ours.ours, theirs.ours)
    (call,) = record["calls"]
    assert call["in_a_row"] == 5 and len(call["rows"]) == 8
    assert all(min(row) > 0 for row in call["rows"])
    for box in (ours, theirs):
        assert sorted(order.calls for order in box.rows) == [1] * 8 + [5] * 8
        assert len({order.key for order in box.rows}) == len({order.seal for order in box.rows}) == 16
    assert [order.calls for order in ours.rows] != sorted(order.calls for order in ours.rows)  # nor in an order that could be known


def test_calls_in_a_row_lie_on_sets_of_buffers_that_nobody_could_know(keeper: Timekeeper, player) -> None:
    begun = set()
    for _ in range(8):
        ours, theirs = player(), player(claimed_us=600.0)  # few in a row, so that they can lie in several places
        (call,) = keeper.race(schedule(sets=6), ours.ours, theirs.ours)["calls"]
        assert call["in_a_row"] == 3
        (first,) = {order.place for order in (*ours.rows, *theirs.rows)}
        begun.add(first)
    assert len(begun) > 1 and begun <= {0, 1, 2, 3}


def test_a_row_is_compared_with_pairs_on_the_same_sets_of_buffers(keeper: Timekeeper, player) -> None:
    """What a call takes may depend on where its buffers lie."""

    def by_place(order: wire.Order):
        if order.op is wire.Op.BATCH:
            for place in range(order.place, order.place + order.calls):
                ours._theirs.sendall(done(order, us=100.0 + 50 * place))
            return None
        return done(order, us=100.0 + 50 * order.place) if order.op is wire.Op.CALL else PLAIN

    ours = player(answer=by_place)
    (call,) = keeper.race(schedule(sets=6, min_samples=40), ours.ours, player(claimed_us=600.0).ours)["calls"]
    first = ours.rows[0].place
    assert {pair[0] for pair in call["same"]} == {100.0 + 50 * place for place in (first + 1, first + 2)}
    assert all(row[4] == 100.0 + 50 * (first + 1.5) for row in call["rows"])


@pytest.mark.parametrize(
    ("claimed_us", "slack_us", "slack_share", "rounds"),
    [
        (9e5, 3e5, 0.0, 8),  # a tenth of a second too little was claimed, and half of what is forgiven is more
        (9e5, 1e5, 0.0, 96),
        (9e5, 1.0, 0.3, 8),  # forgiven by the share of what the candidate claims
        (9e5, 1.0, 0.1, 96),
        (1.1e6, 3e5, 0.0, 8),  # and too much
        (1.1e6, 1e5, 0.0, 96),
    ],
)
def test_rounds_go_on_while_claims_do_not_fit_and_not_for_ever(keeper, player, claimed_us, slack_us, slack_share, rounds) -> None:
    """Neither side takes any time: what they claim to differ by is what does not fit."""
    ours, theirs = player(claimed_us=claimed_us), player(claimed_us=1e6)
    record = keeper.race(schedule(sets=3, slack_us=slack_us, slack_share=slack_share), ours.ours, theirs.ours)
    (call,) = record["calls"]
    assert (record["ours"], record["theirs"], len(call["rows"])) == ("", "", rounds)
    assert len(ours.rows) == len(theirs.rows) == 2 * rounds


def test_rounds_end_once_claims_fit(keeper: Timekeeper, player) -> None:
    rows = []

    def answer(order: wire.Order):
        if order.op is wire.Op.BATCH and order.calls > 1:
            rows.append(order)
            if len(rows) <= 8:
                time.sleep(0.1)
        return PLAIN

    record = keeper.race(schedule(sets=2, slack_us=9e4), player(answer=answer).ours, player().ours)
    assert len(record["calls"][0]["rows"]) == 16


def test_rows_come_after_the_pairs(keeper: Timekeeper, player) -> None:
    ours = player(claimed_us=vary)
    keeper.race(schedule(sets=3, samples=[(0, 5, 0), (1, 6, 0)], calls=2), ours.ours, player().ours)
    for number in range(2):
        kinds = [order.op for order in ours.orders if order.op is not wire.Op.EXPORT and order.number == number]
        assert kinds == [wire.Op.CALL] * 41 + [wire.Op.BATCH] * 16


@pytest.mark.parametrize("rival", [True, False])
def test_without_calls_in_a_row_every_sample_is_among_the_pairs(keeper: Timekeeper, player, rival: bool) -> None:
    """Where no code of the candidate makes claims they are not asked for, and without a rival they would say nothing."""
    ours = player(claimed_us=vary)
    record = keeper.race(schedule(sets=3, samples=[(0, 5, 0), (1, 6, 0)], in_a_row=not rival), ours.ours, player().ours if rival else None)
    (call,) = record["calls"]
    assert call["rows"] == ours.rows == []
    assert sorted(number for number, _, _ in call["exports"]) == [0, 1]
    assert {5, 6} <= {order.key for order in ours.calls}


@pytest.mark.parametrize(("sets", "count"), [(5, 3), (2, 2)])
def test_a_long_kernel_is_asked_for_few_in_a_row(keeper: Timekeeper, player, sets: int, count: int) -> None:
    record = keeper.race(schedule(sets=sets), player(claimed_us=1.0).ours, player(claimed_us=5000.0).ours)
    assert record["calls"][0]["in_a_row"] == count  # by what the rival claims


def test_one_of_the_samples_is_among_calls_in_a_row(keeper: Timekeeper, player) -> None:
    places = set()
    for _ in range(6):
        ours, theirs = player(), player()
        record = keeper.race(schedule(sets=4, samples=[(0, 1001, 0), (1, 2**64 - 1, 3)]), ours.ours, theirs.ours)
        exports = {number: (digest, seal) for number, digest, seal in record["calls"][0]["exports"]}
        assert exports.keys() == {0, 1} and exports[1][0] == 2**64 - 1  # a player's digest is the key of its call
        ((row, export),) = [pair for pair in zip(ours.orders, ours.orders[1:], strict=False) if pair[1][:2] == (wire.Op.EXPORT, 1)]
        assert (row.op, row.distribution, row.seal) == (wire.Op.BATCH, 3, exports[1][1])
        assert (row.key + export.place) % 2**64 == 2**64 - 1 and export.place < row.calls == 4
        assert [order.key for order in ours.calls].count(1001) == 1
        assert theirs.rows and not any(order.op is wire.Op.EXPORT for order in theirs.orders)
        places.add(export.place)
    assert len(places) > 1  # nobody knows which


def row(said):
    """Plain answers, but to the third row of several calls."""
    seen = []

    def answer(order: wire.Order):
        seen.append(order.op is wire.Op.BATCH and order.calls > 1)
        return said(order) if seen[-1] and sum(seen) == 3 else PLAIN

    return answer


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (lambda order: None, "late"),
        (lambda order: done(order), "late"),  # one where several are wanted
        (lambda order: "gone", "gone"),
        (lambda order: done(order, us=math.nan), "late"),
        (lambda order: b"PASSED", "garbled"),
    ],
)
def test_a_row_must_be_answered_whole(keeper: Timekeeper, player, said, why: str) -> None:
    record = keeper.race(schedule(sets=3, call_s=0.2), player(answer=row(said)).ours, player().ours)
    assert (record["ours"], record["theirs"]) == (why, "")
    record = keeper.race(schedule(sets=3, call_s=0.2), player().ours, player(answer=row(said)).ours)
    assert (record["ours"], record["theirs"]) == ("", why)


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize(
    ("changes", "flag", "why"), [({}, None, ""), ({"flags": 1, "region": 2}, [0, 1, 2], ""), ({"us": 0.0}, None, "garbled")]
)
def test_every_answer_of_a_row_is_looked_at(keeper: Timekeeper, player, which: int, changes, flag, why: str) -> None:
    def answer(order: wire.Order) -> None:
        for index in range(3):
            ours._theirs.sendall(done(order, **(changes if index == which else {})))

    ours = player(answer=row(answer))
    record = keeper.race(schedule(sets=3), ours.ours, player().ours)
    assert (record["flag"], record["ours"]) == (flag, why)


def test_answers_beyond_those_of_a_row_are_no_answers_to_what_comes_next(keeper: Timekeeper, player) -> None:
    def answer(order: wire.Order) -> bytes:
        for _ in range(3):
            ours._theirs.sendall(done(order))
        return done(order)

    ours = player(answer=row(answer))
    assert keeper.race(schedule(sets=3), ours.ours, player().ours)["ours"] == "garbled"


def test_after_a_pause_there_is_a_sample_still_to_come(keeper: Timekeeper, player) -> None:
    samples = [(0, 1001, 0), (1, 1002, 0), (2, 1003, 0)]
    ours = player()
    keeper.race(schedule(samples=samples, linger_s=0.3), ours.ours, player().ours)
    met = dict(zip((order.key for order in ours.orders), ours.met, strict=True))
    turns = {order.key: turn for turn, order in enumerate(ours.calls[1:])}
    assert max(turns[key] for key in (1001, 1002, 1003)) == 19
    last = max((key for key in (1002, 1003)), key=turns.get)
    assert met[last] - met[ours.calls[1].key] >= 0.3e9


def test_time_that_a_claim_leaves_out_is_unexplained(keeper: Timekeeper, player) -> None:
    """Each call sleeps ten ms; one side claims a tenth of that, the other all."""
    found = {}
    for claimed in (1000.0, 10000.0):
        record = keeper.race(
            schedule(sets=3, min_samples=12, max_samples=12),
            player(claimed_us=claimed, took_s=0.01).ours,
            player(claimed_us=10000.0, took_s=0.01).ours,
        )
        (call,) = record["calls"]
        found[claimed], doubt = unexplained(call["rows"], call["in_a_row"], call["same"])
        assert doubt < math.inf
    assert found[1000.0] > 3000 and found[10000.0] < found[1000.0] / 2


def rows(ours: float, theirs: float, *, said=None, around: float = 40.0, wake: float = 30.0, count: int = 5, alone: float | None = None):
    """Rounds in which a call takes `ours` or `theirs`, and the work around one `around`; `said` is what the two claim of it."""
    one = [each + around + wake for each in (ours, theirs)]
    row = [each + (count - 1) * (took + around) for each, took in zip(one, (ours, theirs), strict=True)]
    return [(row[0], one[0] if alone is None else alone, row[1], one[1], *(said or (ours, theirs)))] * 12


LOW = (50.0, 100.0)
LATE_ROUND = (9e9, 9e9, 9e9, 9e9, *LOW)


@pytest.mark.parametrize(
    ("timed", "claims", "excess"),
    [
        (rows(100.0, 100.0), (100.0, 100.0), 0.0),
        (rows(50.0, 100.0), LOW, 0.0),
        (rows(100.0, 100.0, said=LOW), LOW, 50.0),
        (rows(100.0, 100.0), LOW, 50.0),  # owned up to in a row, and left out of what was timed
        (rows(100.0, 100.0, said=(80.0, 100.0)), LOW, 50.0),  # some of it here, some there
        (rows(100.0, 60.0, said=(20.0, 60.0)), (20.0, 60.0), 80.0),
        (rows(60.0, 100.0, said=(60.0, 90.0)), (60.0, 90.0), -10.0),
        (rows(100.0, 100.0, said=LOW, alone=900.0), LOW, 37.5),  # slow where one alone is timed: taken to be at most 50 µs late
        (rows(40.0, 100.0, said=(100.0, 100.0)), (100.0, 100.0), -60.0),  # work around its calls was left out
        (rows(47.0, 100.0), (82.0, 100.0), 0.0),  # slower when timed than in a row, which is its own loss
        (rows(30.0, 740.0), (30.0, 990.0), 0.0),  # the rival is
        (rows(150.0, 150.0), (100.0, 100.0), 0.0),  # both are slower in a row
        ([*rows(100.0, 100.0, said=LOW), LATE_ROUND], LOW, 50.0),  # answers that came late once
        ([*rows(100.0, 100.0, said=LOW)[:2], *[(9e9, 9e9, *rows(100.0, 100.0, said=LOW)[0][2:])] * 10], LOW, 50.0),  # or all but twice
        ([*rows(100.0, 100.0, said=LOW), (0.0, 0.0, 0.0, 0.0, *LOW)], LOW, 50.0),  # one that came early tells nothing
    ],
)
def test_unexplained_time_is_what_calls_in_a_row_take_beyond_their_claims(timed, claims, excess: float) -> None:
    found, doubt = unexplained(timed, 5, [claims] * 9)
    assert found == pytest.approx(excess) and doubt == 0.0


@pytest.mark.parametrize(
    ("timed", "count", "pairs"),
    [([], 5, [(1.0, 1.0)]), (rows(1.0, 1.0)[:3], 5, [(1.0, 1.0)]), (rows(1.0, 1.0), 1, [(1.0, 1.0)]), (rows(1.0, 1.0), 5, [])],
)
def test_where_there_is_too_little_to_tell_nothing_is_told(timed, count: int, pairs) -> None:
    assert unexplained(timed, count, pairs) == (0.0, math.inf)


def spread(step: float, *, ours: bool, theirs: bool):
    """Rounds of which each takes longer than the one before, on either side or both."""
    late = (ours, ours, theirs, theirs, False, False)
    return [
        tuple(value + step * number * moves for value, moves in zip(one, late, strict=True))
        for number, one in enumerate(rows(100.0, 100.0))
    ]


def test_doubt_grows_with_the_spread_of_the_rivals_quickest() -> None:
    little, much = (unexplained(spread(step, ours=True, theirs=True), 5, [(100.0, 100.0)])[1] for step in (1.0, 4.0))
    assert 0 < little < much


def test_a_candidate_that_answers_unevenly_casts_no_doubt() -> None:
    uneven, both = (unexplained(spread(4.0, ours=True, theirs=theirs), 5, [(100.0, 100.0)])[1] for theirs in (False, True))
    assert uneven == 0.0 < both == unexplained(spread(4.0, ours=False, theirs=True), 5, [(100.0, 100.0)])[1]
