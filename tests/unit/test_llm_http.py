"""The official SDKs over HTTP against a local server that plays a script: what arrives, what is retried, what is refused."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from model_server import ModelServer, Said, Step, anthropic_events, openai_events, responses_events, status, stream

from kernelsearch.errors import LlmBusy, LlmMisconfigured, ToolMissing, UsageError
from kernelsearch.llm import open_model
from kernelsearch.llm.base import LanguageModel, Message, RefusedReply
from kernelsearch.llm.retry import Retry

ASK = [Message(role="user", text="make it faster")]


@dataclass
class Api:
    """One protocol: how its server answers and complains."""

    name: str
    events: Callable[[Said], list[str]]
    path: str
    server: ModelServer
    waits: list[float] = field(default_factory=list)

    def open(self, **options: str) -> LanguageModel:
        retry = Retry(sleep=self.waits.append, chance=lambda: 0.0)
        prefix = "/v1" if self.name == "openai" else ""
        api = {"api": "responses"} if self.path == "/v1/responses" else {}
        return open_model(f"{self.name}:some-model", base_url=self.server.url + prefix, options=options | api, retry=retry)

    def answer(self, text: str = "done", **said: object) -> Step:
        return stream(self.events(Said(text=text, **said)))

    def error(self, code: int, kind: str, message: str = "no", headers: dict[str, str] | None = None) -> Step:
        inner = {"type": kind, "message": message, "code": kind}
        return status(code, {"type": "error", "error": inner}, headers)


@pytest.fixture(params=["messages", "chat", "responses"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    with ModelServer() as server:
        if request.param == "messages":
            yield Api("anthropic", anthropic_events, "/v1/messages", server)
        elif request.param == "chat":
            yield Api("openai", openai_events, "/v1/chat/completions", server)
        else:
            yield Api("openai", responses_events, "/v1/responses", server)


def test_an_answer_arrives_with_the_servers_own_counts(api: Api):
    api.server.then(api.answer("SUMMARY: täglich ×2", plain=100, cached=700, written=200, output=42))
    reply = api.open().complete("be brief", ASK)
    assert reply.text == "SUMMARY: täglich ×2"
    assert reply.model == "model-as-served"
    usage = reply.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.calls) == (1000, 700, 42, 1)
    assert usage.seconds > 0
    assert usage.usd == 0.0  # a local server sends no bill
    assert [request.path for request in api.server.requests] == [api.path]


def test_the_whole_conversation_is_sent(api: Api):
    api.server.then(api.answer())
    talk = [*ASK, Message(role="assistant", text="how?"), Message(role="user", text="like this")]
    api.open(max_tokens="123", effort="low").complete("be brief", talk)
    body = api.server.requests[0].body
    assert body["model"] == "some-model" and body["stream"] is True
    assert body["max_output_tokens" if api.path == "/v1/responses" else "max_tokens"] == 123
    said = [(turn["role"], turn["content"]) for turn in body["input" if api.path == "/v1/responses" else "messages"]]
    expected = [("user", "make it faster"), ("assistant", "how?"), ("user", "like this")]
    if api.name == "anthropic":
        mark = {"type": "ephemeral"}
        assert body["system"] == [{"type": "text", "text": "be brief", "cache_control": mark}]
        assert body["output_config"] == {"effort": "low"}
        assert said == [*expected[:2], ("user", [{"type": "text", "text": "like this", "cache_control": mark}])]
    elif api.path == "/v1/responses":
        assert body["instructions"] == "be brief" and said == expected
        assert body["reasoning"] == {"effort": "low"} and body["store"] is False and body["prompt_cache_key"]
    else:
        assert said == [("system", "be brief"), *expected]
        assert body["stream_options"] == {"include_usage": True}
        assert body["reasoning_effort"] == "low"


@pytest.mark.parametrize(("sent", "text"), [("\ud83d\ude00", "\U0001f600"), ("x\ud83d", "x\ufffd")])
def test_characters_cut_in_two_by_the_stream_are_joined(api: Api, sent: str, text: str):
    api.server.then(api.answer(sent))
    assert api.open().complete("", ASK).text == text


def test_an_unasked_option_is_not_sent(api: Api):
    api.server.then(api.answer())
    api.open().complete("", ASK, seed=7)
    body = api.server.requests[0].body
    assert (
        not {"effort", "reasoning_effort", "reasoning", "output_config", "thinking", "temperature", "max_completion_tokens"} & body.keys()
    )
    assert body.get("seed") == (7 if api.path == "/v1/chat/completions" else None)
    assert ("max_tokens" in body) == (api.name == "anthropic")


def test_a_rate_limit_is_waited_out_as_long_as_the_server_says(api: Api):
    api.server.then(api.error(429, "rate_limit_error", headers={"retry-after": "17"}), api.answer("at last"))
    assert api.open().complete("", ASK).text == "at last"
    assert api.waits == [17.0]


@pytest.mark.parametrize("code", [429, 500, 502, 503, 529, 408])
def test_what_may_pass_is_retried_with_growing_waits_until_exhausted(api: Api, code: int):
    api.server.then(*[api.error(code, "overloaded_error", "too much going on")] * 6)
    with pytest.raises(LlmBusy, match="6 attempts.*too much going on"):
        api.open().complete("", ASK)
    assert api.waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert len(api.server.requests) == 6


def test_a_wait_beyond_patience_ends_the_call(api: Api):
    api.server.then(api.error(429, "rate_limit_error", headers={"retry-after": "7200"}))
    with pytest.raises(LlmBusy, match="7200 s"):
        api.open().complete("", ASK)
    assert api.waits == []


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (401, "authentication_error", r"key in {key}"),
        (403, "permission_error", r"key in {key}"),
        (404, "not_found_error", r"no model 'some-model'"),
        (400, "invalid_request_error", r"rejected the request.*no"),
        (422, "unprocessable", r"rejected the request"),
        (429, "insufficient_quota", r"no credit left"),
        (402, "billing_error", r"credit left"),
    ],
)
def test_a_wrong_set_up_is_said_at_once(api: Api, code: int, kind: str, words: str):
    api.server.then(api.error(code, kind))
    with pytest.raises(LlmMisconfigured, match=words.format(key=f"{api.name.upper()}_API_KEY")):
        api.open().complete("", ASK)
    assert len(api.server.requests) == 1 and api.waits == []


@pytest.mark.parametrize("drop", [True, False])
def test_an_answer_that_breaks_off_is_not_asked_for_again_but_counted(api: Api, drop: bool):
    half = api.events(Said(text="half an answer", end=None, plain=90))
    api.server.then(stream(half, drop=drop))
    with pytest.raises(RefusedReply, match="broke off") as caught:
        api.open().complete("", ASK)
    usage = caught.value.usage
    assert (caught.value.reason, caught.value.text) == ("interrupted", "half an answer")
    assert (usage.calls, len(api.server.requests), api.waits) == (1, 1, [])
    assert usage.output_tokens >= 5 and usage.estimated_tokens == usage.output_tokens + (
        0 if api.name == "anthropic" else usage.input_tokens
    )
    assert usage.input_tokens == (90 if api.name == "anthropic" else 5)


@pytest.mark.parametrize("said", ["half", ""])
def test_a_server_that_falls_silent_times_out(api: Api, said: str):
    api.server.then(stream(api.events(Said(text=said, end=None))[: None if said else 0], hang=True))
    with pytest.raises(RefusedReply, match="connection was lost") as caught:
        api.open(timeout_s="0.2").complete("", ASK)
    assert caught.value.text == said and caught.value.usage.estimated_tokens > 0


def test_overload_in_mid_stream_is_asked_again_and_what_was_written_is_paid(api: Api):
    half = api.events(Said(text="half of it", end=None, plain=100))
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "sorry"}}
    api.server.then(stream([*half, f"event: error\ndata: {json.dumps(error)}\n\n"]), api.answer("better", plain=100, output=7))
    reply = api.open().complete("", ASK)
    assert reply.text == "better" and len(api.waits) == 1
    assert reply.usage.calls == 1 and reply.usage.estimated_tokens > 0
    read = 200 if api.name == "anthropic" else 105
    assert (reply.usage.input_tokens, reply.usage.output_tokens - 7) == (read, reply.usage.estimated_tokens - (0 if read == 200 else 5))


def test_another_error_in_mid_stream_is_one_attempts_failure(api: Api):
    half = api.events(Said(text="half", end=None))
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "sorry"}}
    api.server.then(stream([*half, f"event: error\ndata: {json.dumps(error)}\n\n"]))
    with pytest.raises(RefusedReply, match="broke off.*sorry"):
        api.open().complete("", ASK)


def test_a_truncated_answer_is_refused_with_text_and_cost(api: Api):
    api.server.then(api.answer("as far as it went", end="length", plain=10, output=32))
    with pytest.raises(RefusedReply, match=r"cut off at 32 tokens.*max_tokens") as caught:
        api.open().complete("", ASK)
    assert (caught.value.reason, caught.value.text) == ("truncated", "as far as it went")
    assert (caught.value.usage.input_tokens, caught.value.usage.output_tokens) == (10, 32)
    assert api.waits == []


def test_a_declined_answer_is_refused_with_the_reason(api: Api):
    api.server.then(api.answer("well,", end="refusal", plain=10, output=3))
    with pytest.raises(RefusedReply, match="declined to answer.*not this") as caught:
        api.open().complete("", ASK)
    assert caught.value.reason == "declined" and caught.value.usage.output_tokens == 3


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_answer_is_refused(api: Api, text: str):
    api.server.then(api.answer(text, plain=10, output=1))
    with pytest.raises(RefusedReply, match="empty") as caught:
        api.open().complete("", ASK)
    assert caught.value.reason == "empty" and caught.value.usage.input_tokens == 10


@pytest.mark.parametrize(("code", "message"), [(400, "prompt is too long: 3 > 2"), (413, "big"), (400, "maximum context length is 8")])
def test_a_prompt_that_does_not_fit_is_one_attempts_failure(api: Api, code: int, message: str):
    api.server.then(api.error(code, "invalid_request_error", message))
    with pytest.raises(RefusedReply, match="does not fit") as caught:
        api.open().complete("", ASK)
    assert caught.value.reason == "too long"


NONSENSE = [["data: {nonsense\n\n"], ["event: message_start\ndata: {nonsense\n\n"], ["data: [1, 2]\n\n"], []]


@pytest.mark.parametrize("events", NONSENSE)
def test_nonsense_from_the_first_word_on_is_another_protocol(api: Api, events: list[str]):
    api.server.then(stream(events))
    with pytest.raises(LlmMisconfigured, match="does not speak the .* protocol.*check the base URL"):
        api.open().complete("", ASK)
    assert len(api.server.requests) == 1


@pytest.mark.parametrize("events", NONSENSE[:2])
def test_nonsense_from_a_server_that_knew_the_protocol_is_one_attempts_failure(api: Api, events: list[str]):
    api.server.then(api.answer(), stream(events), api.answer("again"))
    model = api.open()
    model.complete("", ASK)
    with pytest.raises(RefusedReply, match="broke off"):
        model.complete("", ASK)
    assert model.complete("", ASK).text == "again"


def test_fields_left_out_are_no_crash(api: Api):
    bare = ['event: message_start\ndata: {"type": "message_start"}\n\n', 'data: {"choices": [{"index": 0}]}\n\n']
    api.server.then(stream(bare))
    with pytest.raises(LlmMisconfigured, match="protocol"):
        api.open().complete("", ASK)


def test_a_web_page_is_no_answer(api: Api):
    api.server.then(status(200, "<html>welcome</html>"))
    with pytest.raises(LlmMisconfigured, match="text/html in place of an answer: '<html>welcome"):
        api.open().complete("", ASK)


def test_an_endpoint_that_never_answered_is_a_wrong_address(api: Api):
    with ModelServer() as gone:
        url = gone.url
    model = open_model(f"{api.name}:m", base_url=url, retry=Retry(attempts=2, sleep=api.waits.append))
    with pytest.raises(LlmMisconfigured, match=f"nothing answers at {url}"):
        model.complete("", ASK)


def test_an_endpoint_that_went_away_is_busy():
    waits: list[float] = []
    with ModelServer() as server:
        server.then(stream(openai_events(Said(text="hello"))))
        model = open_model("openai:m", base_url=server.url, retry=Retry(attempts=2, sleep=waits.append))
        model.complete("", ASK)
    with pytest.raises(LlmBusy, match="2 attempts"):
        model.complete("", ASK)


def test_cost_follows_the_price_list(monkeypatch: pytest.MonkeyPatch):
    """An endpoint named by a list is priced by it, with each kind of token at its own rate."""
    from kernelsearch.llm import prices

    rates = prices.Rates(input=2.0, output=10.0, cached=0.2, cache_write=2.5)
    price = prices.ModelPrice(names=("some-*",), rates=rates, date="2026-01-01", source="a test")
    lists = (prices.PriceList(endpoints=("http://127.0.0.1*",), models=(price,)),)
    monkeypatch.setattr(prices, "_lists", lambda: lists)
    with ModelServer() as server:
        server.then(stream(anthropic_events(Said(text="x", plain=1_000, cached=10_000, written=100, output=500))))
        reply = open_model("anthropic:some-model", base_url=server.url).complete("", ASK)
    assert reply.usage.usd == pytest.approx((1_000 * 2 + 10_000 * 0.2 + 100 * 2.5 + 500 * 10) / 1e6)


def test_openai_itself_gets_its_own_names_of_parameters(monkeypatch: pytest.MonkeyPatch):
    """The address of OpenAI counts as its own also when written out; other addresses get what older servers know."""
    from kernelsearch import llm

    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with ModelServer() as server:
        monkeypatch.setitem(llm._REMOTE, "openai", llm._Provider(url=server.url, key_env="OPENAI_API_KEY", url_env="OPENAI_BASE_URL"))
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/")
        model = open_model("openai:m", options={"max_tokens": "99", "api": "chat"})
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)  # where the SDK itself now looks
        server.then(stream(openai_events(Said(text="x"))))
        model.complete("", ASK, seed=3)
        body = server.requests[0].body
    assert body["max_completion_tokens"] == 99
    assert "max_tokens" not in body and "seed" not in body


def test_openai_itself_is_asked_for_responses(monkeypatch: pytest.MonkeyPatch):
    from kernelsearch import llm

    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with ModelServer() as server:
        monkeypatch.setitem(llm._REMOTE, "openai", llm._Provider(url=server.url, key_env="OPENAI_API_KEY", url_env="OPENAI_BASE_URL"))
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        server.then(stream(responses_events(Said(text="x"))))
        open_model("openai:m").complete("", ASK, seed=3)
        assert [request.path for request in server.requests] == ["/responses"]
        assert server.requests[0].body["max_output_tokens"] == 32_000


def test_the_key_is_read_from_the_named_variable(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", " sk-other\n")
    api.server.then(api.answer())
    api.open(key_env="OPENROUTER_API_KEY").complete("", ASK)
    headers = {name.lower(): value for name, value in api.server.requests[0].headers.items()}
    assert headers["authorization"] == "Bearer sk-other"


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_missing_key_is_named(provider: str):
    with pytest.raises(LlmMisconfigured, match=f"set {provider.upper()}_API_KEY"):
        open_model(f"{provider}:m")


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_missing_sdk_is_named_with_its_extra(provider: str, monkeypatch: pytest.MonkeyPatch):
    import sys

    for module in (provider, "chat"):
        monkeypatch.delitem(sys.modules, f"kernelsearch.llm.{module}", raising=False)
    monkeypatch.setitem(sys.modules, provider, None)
    with pytest.raises(ToolMissing, match=rf"pip install 'kernelsearch\[{provider}\]'"):
        open_model(f"{provider}:m", base_url="http://127.0.0.1:1")


def test_a_base_url_must_be_one():
    with pytest.raises(UsageError, match="localhost:8000.*http://"):
        open_model("openai:m", base_url="localhost:8000")
