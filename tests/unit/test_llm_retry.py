"""When a call is made again, and how long is waited before."""

import pytest

from kernelsearch.errors import LlmBusy
from kernelsearch.llm.outcome import retry_after
from kernelsearch.llm.retry import Retry, Transient


class Flaky:
    """Fails with each of `failures`, then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


def test_waits_double_up_to_a_ceiling():
    waits: list[float] = []
    retry = Retry(attempts=6, first_s=1, ceiling_s=6, sleep=waits.append, chance=lambda: 0.0)
    assert retry(Flaky(*[Transient("x")] * 5), who="m") == "done"
    assert waits == [1, 2, 4, 6, 6]


def test_chance_shortens_a_wait_by_up_to_half():
    waits: list[float] = []
    retry = Retry(first_s=8, sleep=waits.append, chance=iter([0.0, 0.5, 0.99]).__next__)
    retry(Flaky(*[Transient("x")] * 3), who="m")
    assert waits == pytest.approx([8, 12, 16.16])


def test_a_servers_wish_is_a_lower_bound():
    waits: list[float] = []
    retry = Retry(first_s=2, sleep=waits.append, chance=lambda: 0.0)
    retry(Flaky(Transient("x", 30.0), Transient("x", 0.1)), who="m")
    assert waits == [30.0, 4.0]


def test_the_last_failure_is_told_and_nothing_is_waited_after_it():
    waits: list[float] = []
    with pytest.raises(LlmBusy, match="m did not answer in 2 attempts: second") as caught:
        Retry(attempts=2, sleep=waits.append)(Flaky(Transient("first"), Transient("second")), who="m")
    assert isinstance(caught.value.__cause__, Transient)
    assert len(waits) == 1


def test_other_failures_are_not_retried():
    flaky = Flaky(KeyError("ours"))
    with pytest.raises(KeyError):
        Retry(sleep=pytest.fail)(flaky, who="m")
    assert flaky.calls == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:40 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 40.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:40 GMT"}, 0.0),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_where_it_makes_sense(headers: dict[str, str], seconds: float | None):
    assert retry_after(headers) == seconds
