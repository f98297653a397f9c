"""Limits of a run in money and tokens: what is under way is kept back."""

import pytest

from kernelsearch.model import Budget, Totals, Usage


def after(*attempts: Usage) -> Totals:
    totals = Totals()
    for number, usage in enumerate(attempts):
        totals = totals.with_attempt(usage, counts=True, at_seconds=float(number))
    return totals


def usage(usd: float = 0.0, tokens: int = 0) -> Usage:
    return Usage(usd=usd, input_tokens=tokens - tokens // 4, output_tokens=tokens // 4, calls=1)


def test_the_dearest_attempt_is_kept_in_mind_by_money_and_by_tokens():
    totals = after(usage(0.2, 100), usage(0.1, 400), Usage())
    assert (totals.dearest.usd, totals.dearest.tokens) == (0.2, 400)
    assert (totals.candidates, totals.seconds, totals.usage.tokens) == (3, 2.0, 500)


@pytest.mark.parametrize(("pending", "stops"), [(0, False), (1, False), (2, True), (3, True)])
def test_each_attempt_under_way_and_the_next_one_must_fit(pending: int, stops: bool):
    totals = after(usage(0.25, 1000), usage(0.15, 200))
    assert bool(Budget(usd=0.90).spent(totals, pending)) is stops
    assert bool(Budget(tokens=3_300).spent(totals, pending)) is stops


def test_before_an_attempt_has_shown_its_price_the_estimate_stands_in():
    budget, expected = Budget(usd=1.0), Usage(usd=0.4, calls=1)
    assert budget.spent(Totals(), 0) is None
    assert budget.spent(Totals(), 1, expected) is None
    assert "does not pay for another attempt besides the 2 under way, at up to 0.4 USD each" in budget.spent(Totals(), 2, expected)
    assert budget.spent(after(usage(0.01)), 20, expected) is None


def test_a_limit_that_is_used_up_is_named_alone():
    assert Budget(usd=1.0).spent(after(usage(1.0))) == "1 USD"
    assert Budget(tokens=100).spent(after(usage(tokens=120))) == "100 tokens"
    assert "100 tokens, of which what is left does not pay" in Budget(tokens=100).spent(after(usage(tokens=60)))


def test_sums_that_come_out_even_are_no_reason_to_stop():
    totals = after(*[usage(0.1)] * 9)
    assert Budget(usd=1.0).spent(totals, 0) is None
    assert Budget(usd=1.0).spent(after(*[usage(0.1)] * 10), 0)


def test_rules_take_no_money():
    assert Budget(usd=0.5, tokens=10).spent(after(Usage(), Usage()), 5, None) is None
