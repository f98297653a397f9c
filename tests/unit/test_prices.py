"""Price lists: arithmetic, matching, and the lists that we ship."""

import re

import pytest

from kernelsearch import paths
from kernelsearch.errors import UsageError
from kernelsearch.llm import priced, prices
from kernelsearch.llm.prices import Tokens

LIST = """
endpoints = ["https://api.example/v1*"]
[[models]]
names = ["big-??", "big"]
rates = { input = 4, output = 20, cached = 0.4, cache_write = 5 }
long_above = 1000
long = { input = 8, output = 30 }
date = "2026-11-22"
source = "a test"
"""


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = (prices.read(LIST, "x.toml"),)
    monkeypatch.setattr(prices, "_lists", lambda: lists)


@pytest.mark.usefixtures("listed")
def test_each_kind_of_token_has_its_rate():
    found = prices.find("https://api.example/v1", "big-42")
    assert found.known
    assert found.usd(Tokens(input=1000, cached=500, written=100, output=10)) == pytest.approx(
        (400 * 4 + 500 * 0.4 + 100 * 5 + 10 * 20) / 1e6
    )


@pytest.mark.usefixtures("listed")
def test_a_long_prompt_costs_the_long_rate_throughout():
    found = prices.find("https://api.example/v1/", "big")
    assert found.usd(Tokens(input=1001, cached=1000, output=10)) == pytest.approx((1001 * 8 + 10 * 30) / 1e6)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(("endpoint", "model"), [("https://api.example/v1", "bigger"), ("https://other.example/v1", "big")])
def test_what_no_list_names_has_no_known_price(endpoint: str, model: str):
    found = prices.find(endpoint, model)
    assert not found.known
    assert found.usd(Tokens(input=10**9, output=10**9)) == 0.0


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (("output = 20", "outptu = 20"), "x.toml: .*rates.*output"),
        (('date = "2026-11-22"', ""), "x.toml: .*date"),
        (("long_above = 1000", ""), "x.toml: .*belong together"),
        (('source = "a test"', "source = "), "x.toml: "),
    ],
)
def test_a_damaged_list_is_named(damage: tuple[str, str], words: str):
    with pytest.raises(UsageError, match=words):
        prices.read(LIST.replace(*damage), "x.toml")


def test_shipped_lists_are_whole_and_no_model_has_two_prices():
    seen: set[tuple[str, str]] = set()
    files = sorted((paths.data("profiles") / "models").glob("*.toml"))
    assert len(files) >= 3
    for file in files:
        listed = prices.read(file.read_text(encoding="utf-8"), str(file))
        for price in listed.models:
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", price.date) and price.source
            assert price.rates.output >= price.rates.input >= (price.rates.cached or 0)
            for name in price.names:
                assert (listed.endpoints[0], name) not in seen
                seen.add((listed.endpoints[0], name))


def test_a_snapshot_has_the_price_of_its_model_and_not_of_a_longer_name():
    anthropic = "https://api.anthropic.com"
    snapshot, model = prices.find(anthropic, "claude-haiku-4-5-20251001"), prices.find(anthropic, "claude-haiku-4-5")
    assert snapshot.known and snapshot == model
    assert prices.find(anthropic, "claude-opus-5") != prices.find(anthropic, "claude-opus-5-5")


@pytest.mark.parametrize(
    ("spec", "base_url", "known"),
    [
        ("anthropic:claude-opus-5", None, True),
        ("anthropic:claude-of-tomorrow", None, False),
        ("openai:gpt-5.5", None, True),
        ("openai:gpt-5.5", "https://openrouter.ai/api/v1", False),
        ("openai:qwen", "http://localhost:11434/v1", True),
        ("openai:qwen", "http://[::1]:8000/v1", True),
        ("mailbox:somewhere", None, True),
        ("replay:file.jsonl", None, True),
    ],
)
def test_it_is_known_whether_a_model_can_be_counted_in_money(spec: str, base_url: str | None, known: bool):
    found = priced(spec, options={"base_url": base_url} if base_url else {})
    assert all(prices.known for _, _, prices in found) is known
