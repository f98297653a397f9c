"""Verifying by conversation: which orders a box gets, what is taken from it, and what its silence means."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from players import PLAIN, Player
from runner_modules import call, job, tensor

from kernelsearch import contents, wire
from kernelsearch.device import conversation
from kernelsearch.device.base import Mode, Sample, Scalar, TimingPlan
from kernelsearch.device.conversation import Ended
from kernelsearch.device.cuda_job import Delivery
from kernelsearch.model import DType, LaunchPlan, Verdict

CALLS = tuple(
    call(
        tensor("x", DType.F32, 5, 0),
        tensor("y", DType.U8, 4, 1, read=False, written=True),
        Scalar(name="n", dtype=DType.I32, value=5),
        label=f"case {number}",
        key=1000 + number,
        distribution=("normal", "spikes")[number],
    )
    for number in range(2)
)


@pytest.fixture
def wanted(tmp_path: Path):
    (tmp_path / "artifact").write_bytes(b"code")
    return job(tmp_path / "artifact", *CALLS, timeout_s=20.0)


@pytest.fixture
def delivery(wanted, tmp_path: Path):
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    made = Delivery(wanted, tmp_path / "in", tmp_path / "out", None, (0, 0, 1, 1))
    yield made
    made.close()


@pytest.fixture
def box(tmp_path: Path):
    """`box(outputs)`: a player whose calls put out `outputs(order)`, four bytes, and that exports them."""
    made: list[Player] = []

    def make(outputs=lambda order: b"%04d" % order.key, **options) -> Player:
        def export(order: wire.Order) -> None:
            with (tmp_path / "out" / f"{order.number}-1.bin").open("r+b") as file:
                file.write(outputs(made[-1].calls[-1]))

        digest = options.pop("digest", lambda order: contents.digest(outputs(order), order.seal))
        made.append(Player(digest=digest, export=export, **options))
        return made[-1]

    yield make
    for player in made:
        player.close()


def results(delivery, exports) -> list[tuple[str, bytes]]:
    done = delivery.results(exports, 1.0)
    assert done.failure is None
    return [(one.label, bytes(one.outputs["y"])) for one in done.calls]


def test_every_call_is_made_twice_on_the_same_contents_over_other_poison(wanted, delivery, box) -> None:
    player = box()
    exports, failure = conversation.verify(wanted, player.ours, delivery, None)
    assert failure is None
    asked = [(order.number, order.key, order.distribution, order.poison != 0, order.place) for order in player.calls]
    assert asked == [(0, 1000, 0, False, 0), (0, 1000, 0, True, 0), (1, 1001, 4, False, 0), (1, 1001, 4, True, 0)]
    assert contents.DISTRIBUTIONS[4] == "spikes"
    seals = [order.seal for order in player.calls]
    assert seals[0] == seals[1] != seals[2] == seals[3]  # so that digests can be compared
    assert [order.number for order in player.orders if order.op is wire.Op.EXPORT] == [0, 2]
    assert results(delivery, exports) == [("case 0", b"1000"), ("case 1", b"1001")]


def test_other_bits_at_the_second_time_are_two_results(wanted, delivery, box) -> None:
    player = box(lambda order: b"%04d" % (order.key + (order.poison != 0 and order.number == 1)))
    exports, failure = conversation.verify(wanted, player.ours, delivery, None)
    assert failure is None
    assert results(delivery, exports) == [("case 0", b"1000"), ("case 1", b"1001"), ("case 1", b"1002")]


@pytest.mark.parametrize("passes", [True, False])
def test_the_first_call_is_looked_at_before_the_others(wanted, delivery, box, passes: bool) -> None:
    player, seen = box(), []

    def rung(result) -> bool:
        seen.append((result.label, bytes(result.outputs["y"]), len(player.calls)))
        return passes

    exports, failure = conversation.verify(wanted, player.ours, delivery, rung)
    assert failure is None
    assert seen == [("case 0", b"1000", 2)]
    assert len(player.calls) == (4 if passes else 2)
    assert len(results(delivery, exports)) == (2 if passes else 1)


def test_outputs_that_were_not_committed_to_do_not_reach_the_rung(wanted, delivery, box) -> None:
    player = box(digest=lambda order: 0)
    exports, _ = conversation.verify(wanted, player.ours, delivery, lambda result: pytest.fail("was asked"))
    assert delivery.results(exports, 1.0).failure is Verdict.CHEATED


def flag(flags: int, region: int):
    return lambda order: wire.Answer(wire.Op.DONE, order.number, flags, region, 1.0, 0, order.seal).pack()


@pytest.mark.parametrize(
    ("flags", "region", "words"),
    [
        (wire.Flag.BAND_CHANGED, 1, "case 0: wrote outside of y"),
        (wire.Flag.BAND_CHANGED, 3, "case 0: wrote outside of a scratch buffer"),
        (wire.Flag.BAND_CHANGED, 255, "case 0: wrote outside of a scratch buffer"),
        (wire.Flag.INPUT_CHANGED, 0, "case 0: changed its input x"),
        (wire.Flag.LATE, 0, "case 0: an output still changed after the call had ended: work went on elsewhere"),
        (wire.Flag.LATE | wire.Flag.INPUT_CHANGED, 0, "case 0: changed its input x"),
        (0x80, 0, "case 0: an output still changed"),
    ],
)
def test_what_a_box_noticed_is_cheating_in_words(wanted, delivery, box, flags: int, region: int, words: str) -> None:
    exports, failure = conversation.verify(wanted, box(answer=flag(flags, region)).ours, delivery, None)
    assert exports == [] and failure.failure is Verdict.CHEATED
    assert failure.detail.startswith(words)


def said(**changes):
    def answer(order: wire.Order) -> bytes:
        made = wire.Answer(wire.Op.DONE, order.number, 0, 0, 1.0, 0, order.seal)
        return made._replace(**changes).pack()

    return answer


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda order: "gone", "gone"),
        (lambda order: b"", "gone"),
        (lambda order: b"verdict: passed", "garbled"),
        (said(number=1), "garbled"),
        (said(seal=1), "garbled"),
        (said(op=wire.Op.EXPORTED), "garbled"),
        (said(op=wire.Op.READY), "garbled"),
        (lambda order: order.pack(), "garbled"),
    ],
)
def test_an_answer_that_no_runner_gives_ends_the_conversation(wanted, delivery, box, answer, why: str) -> None:
    with pytest.raises(Ended, match=why):
        conversation.verify(wanted, box(answer=answer).ours, delivery, None)


def test_silence_ends_it_after_a_while_and_so_does_the_jobs_own_limit(wanted, delivery, box, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Ended, match="late"):
        conversation.verify(replace(wanted, timeout_s=0.1), box(answer=lambda order: None).ours, delivery, None)
    monkeypatch.setattr(conversation, "CALL_S", 0.1)
    player = box(answer=lambda order: None if order.op is wire.Op.EXPORT else PLAIN)
    with pytest.raises(Ended, match="late"):
        conversation.verify(wanted, player.ours, delivery, None)
    assert len(player.calls) == 1


def test_a_box_is_ready_when_it_says_so(box) -> None:
    assert conversation.wait_ready(box(ready=True).ours, 5.0).op is wire.Op.READY
    with pytest.raises(Ended, match="late"):
        conversation.wait_ready(box().ours, 0.05)
    gone = box()
    gone.close()
    with pytest.raises(Ended, match="gone"):
        conversation.wait_ready(gone.ours, 5.0)


@pytest.mark.parametrize(
    ("why", "labels", "verdict", "words"),
    [
        ("late", ["a"], Verdict.TIMED_OUT, f"a: no answer after {conversation.CALL_S:g} s for one call"),
        ("late", ["a", "b"], Verdict.TIMED_OUT, f"no answer after {conversation.CALL_S:g} s for one call"),
        ("garbled", ["a"], Verdict.CHEATED, "a: it answered with what no runner says"),
        ("gone", ["a"], Verdict.CRASHED, "a: how it died"),
    ],
)
def test_what_the_end_means_where_no_report_was_left(why: str, labels: list[str], verdict: Verdict, words: str) -> None:
    found = conversation.ended(why, labels, lambda: "how it died")
    assert found.failure is verdict
    assert found.detail.startswith(words)


def test_the_timekeeper_is_told_which_samples_belong_to_which_call(wanted) -> None:
    samples = tuple(
        Sample(call=number, key=key, distribution=kind) for number, key, kind in ((1, 7, "normal"), (0, 8, "uniform"), (1, 9, "spikes"))
    )
    calls = tuple(replace(one, decoys=("uniform", "lognormal")) for one in wanted.calls)
    told = conversation.schedule(replace(wanted, mode=Mode.TIME, samples=samples, calls=calls, linger_s=0.5), "GPU-1", 4)
    assert [one["samples"] for one in told["calls"]] == [[(1, 8, 1)], [(0, 7, 0), (2, 9, 4)]]
    assert [one["distribution"] for one in told["calls"]] == [0, 4]
    assert [one["decoys"] for one in told["calls"]] == [[1, 3], [1, 3]]
    assert (told["gpu"], told["timeout_s"], told["plan"]["few"], told["linger_s"]) == ("GPU-1", 20.0, 10, 0.5)
    assert [one["sets"] for one in told["calls"]] == [4, 4]
    assert json.loads(json.dumps(told))["calls"][1]["samples"] == [[0, 7, 0], [2, 9, 4]]
    assert (told["call_s"], told["slack_us"], told["slack_share"]) == (conversation.CALL_S, conversation.SLACK_US, conversation.SLACK_SHARE)


def test_calls_in_a_row_are_for_candidates_whose_code_could_make_claims(wanted) -> None:
    assert conversation.schedule(replace(wanted, plan=None), "", 4)["in_a_row"]
    in_place = replace(wanted.calls[0], args=(tensor("z", DType.F32, 4, written=True), *wanted.calls[0].args))
    told = conversation.schedule(replace(wanted, calls=(wanted.calls[0], in_place), timing=TimingPlan(energy=True)), "", 4)
    assert told["plan"]["energy"] and [call["again"] for call in told["calls"]] == [True, False]
    assert not conversation.schedule(replace(wanted, plan=LaunchPlan(launches=())), "", 4)["in_a_row"]
