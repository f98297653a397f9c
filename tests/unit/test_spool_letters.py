"""What stands in the files of a spool, what does not, and how a file that is not one of them is known."""

from dataclasses import replace

import pytest
from nodes import ENVIRONMENT, measured
from spooled import FakeStation, wanted, work

from kernelsearch import catalog, digest
from kernelsearch.errors import UsageError
from kernelsearch.evaluate import Incumbent
from kernelsearch.model import Origin, Usage
from kernelsearch.workers.spool.letters import Answer, OtherFormat, Served, Wanted, pack, request, unpack
from kernelsearch.workers.spool.letters import wanted as read


def test_a_request_says_all_that_judging_takes():
    incumbent = Incumbent(candidate=work(1).candidate, measurement=measured(3.0))
    for task in (catalog.task("core/transpose"), catalog.task("core/row_softmax")):
        candidate = digest.baseline(task)
        asked = replace(
            wanted(0), task=task, candidate=candidate, incumbent=incumbent, metrics=catalog.metric_set("quick"), times="modelled"
        )
        name, data = request(asked)
        found = read(name, data)
        assert digest.task(found.task) == digest.task(task) and digest.candidate(found.candidate) == digest.candidate(candidate)
        assert found.task.reference == task.reference
        assert (found.secret, found.metrics, found.incumbent.measurement) == ("told", asked.metrics, incumbent.measurement)


def test_a_request_tells_nothing_of_how_its_candidate_came_about():
    origin = Origin(proposer="anthropic:m", model="m-1", prompt="PROMPT", reply="REPLY", summary="SUMMARY", usage=Usage(usd=1.5, calls=1))
    told = replace(work(0).candidate, origin=origin)
    asked = replace(wanted(0), candidate=told, incumbent=Incumbent(candidate=told, measurement=measured(3.0)))
    name, data = request(asked)
    assert not [word for word in ("PROMPT", "REPLY", "SUMMARY", "m-1", "anthropic") if word.encode() in data]
    silent = replace(asked, candidate=work(0).candidate, incumbent=Incumbent(candidate=work(0).candidate, measurement=measured(3.0)))
    assert request(silent)[0] == name


def test_the_same_question_has_the_same_name_and_another_has_another():
    name, _ = request(wanted(0))
    incumbent = Incumbent(candidate=work(1).candidate, measurement=measured(3))  # a whole number, as no journal gives it back
    assert request(wanted(0))[0] == name
    reread = unpack(Wanted, request(wanted(0, incumbent=incumbent))[1])
    assert request(reread)[0] == request(wanted(0, incumbent=incumbent))[0]
    others = [
        wanted(1),
        *(wanted(0, **f) for f in ({"secret": "x"}, {"trial": 1}, {"incumbent": incumbent}, {"times": "measured"}, {"turn": 1})),
    ]
    assert len({name, *(request(other)[0] for other in others)}) == 7


def test_a_letter_that_was_cut_anywhere_is_known_as_torn():
    name, data = request(wanted(0))
    for end in range(0, len(data), 7):
        with pytest.raises(UsageError):
            read(name, data[:end])
    for place in range(0, len(data), 61):
        with pytest.raises(UsageError):
            read(name, data[:place] + b"#" + data[place + 1 :])
    for more in (b"x", b"\n", data):
        with pytest.raises(UsageError):
            read(name, data + more)


@pytest.mark.parametrize("data", [b"", b"{}\n{}\n", b"\xff\xfe", b"[1]\n2\n", b"null\nnull\n", b"\0" * 100])
def test_what_is_foreign_is_refused(data):
    with pytest.raises(UsageError):
        unpack(Wanted, data)


def test_another_version_is_refused_with_what_to_do():
    name, data = request(wanted(0))
    newer = data.replace(b'"format":1', b'"format":2', 1).replace(b'"version":"', b'"version":"9.', 1)
    with pytest.raises(OtherFormat, match=r"kernelsearch 9\..* wrote it in format 2, .* reads format 1: install the same version on both"):
        read(name, newer)


def test_letters_are_not_taken_for_one_another():
    station = FakeStation()
    served = Served(worker="w", environment=ENVIRONMENT, hardware=station.hardware, lease_s=1.0, beat_s=0.1)
    assert unpack(Served, pack(served)) == served
    with pytest.raises(UsageError, match="it holds a Served, where a Wanted belongs"):
        unpack(Wanted, pack(served))


def test_a_request_under_another_name_or_for_another_task_is_refused():
    name, data = request(wanted(0))
    with pytest.raises(UsageError, match="its name is not that of its content"):
        read("0" * 32, data)
    name, data = request(replace(wanted(0), candidate=replace(work(0).candidate, task="another")))
    with pytest.raises(UsageError, match="for another task"):
        read(name, data)


def test_an_answer_has_an_evaluation_or_a_failure():
    for fields in ({}, {"evaluation": FakeStation().judge(wanted(0))}, {"failure": "why", "hardware": FakeStation.hardware}):
        with pytest.raises(ValueError, match="an evaluation with its hardware, or a failure"):
            Answer(request="r", worker="w", **fields)


def test_what_another_version_put_in_is_not_passed_over_as_unknown():
    """A later version may know more of a task than this one reads, in the same format: then it would be judged wrongly here."""
    cover, body, _ = request(wanted(0))[1].decode().split("\n")
    more = body.replace('"turn":0', '"turn":0,"precision":"exact"', 1)
    told = cover.replace(digest.of_text(body), digest.of_text(more))
    with pytest.raises(UsageError, match="its name is not that of its content"):
        read(digest.of_text(more), f"{told}\n{more}\n".encode())
    newer = told.replace('"version":"', '"version":"9.', 1)
    for text in (more, body.replace('"turn":0', '"turn":"x"', 1)):
        fitting = newer.replace(digest.of_text(more), digest.of_text(text))
        with pytest.raises(OtherFormat, match=r"kernelsearch 9\.\S+ wrote it, and .* does not understand it \(.*\): install the same"):
            read(digest.of_text(text), f"{fitting}\n{text}\n".encode())
