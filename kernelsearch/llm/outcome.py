"""What a server's answer or complaint means to us, for every provider: a reply, a refusal, try again, or wrong set-up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.errors import LlmError, LlmMisconfigured
from kernelsearch.llm.base import Reason, RefusedReply, Reply
from kernelsearch.llm.prices import Prices, Tokens
from kernelsearch.llm.retry import Transient
from kernelsearch.model import Usage

_SHOWN = 300  # characters of a server's message that we repeat
_PASSING = frozenset({408, 409, 425, 429})
# The codes by which servers say, with a status of 400 or in mid-stream, what the status alone does not tell.
_TOO_LONG = ("context_length_exceeded", "prompt is too long", "maximum context length", "exceeds the available context size")
_DECLINED = ("content_filter", "content_policy_violation")
_BROKE = ("insufficient_quota", "billing_error", "credit balance is too low")
_AT_FAULT = ("invalid_request_error", "authentication_error", "permission_error", "not_found_error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A model behind an API. `base_url` is None for the provider's own; `key_env` names the variable the key came from."""

    provider: str
    model: str
    base_url: str | None
    key: str
    key_env: str
    max_tokens: int | None
    effort: str | None
    timeout_s: float
    prices: Prices

    @property
    def name(self) -> str:
        return f"{self.provider}:{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What arrived. `finish` is None for a normal end, otherwise why the text is not one to use, with the server's `word` for it."""

    text: str
    model: str
    finish: Reason | None
    word: str
    tokens: Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """An error as a server put it. `status` is 200, or None, when it came in the middle of a stream."""

    status: int | None
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


def settle(answer: Answer, endpoint: Endpoint, seconds: float) -> Reply:
    """The reply in `answer`; raises `RefusedReply` when it cannot be used."""
    tokens = answer.tokens
    usage = Usage(
        input_tokens=tokens.input,
        cached_tokens=tokens.cached,
        output_tokens=tokens.output,
        usd=endpoint.prices.usd(tokens),
        calls=1,
        seconds=seconds,
    )
    text = _whole(answer.text)
    reason = answer.finish or ("empty" if not text.strip() else None)
    if reason is None:
        return Reply(text=text, model=answer.model or endpoint.model, usage=usage)
    message = {
        "declined": f"{endpoint.name} declined to answer ({answer.word})",
        "truncated": f"the answer of {endpoint.name} was cut off at {tokens.output} tokens ({answer.word}); raise the option max_tokens",
        "empty": f"{endpoint.name} gave an empty answer",
        "too long": f"the prompt does not fit the context of {endpoint.name} ({answer.word})",
    }[reason]
    raise RefusedReply(message, reason=reason, text=text, usage=usage)


def judge(complaint: Complaint, endpoint: Endpoint) -> LlmError | Transient:
    """The exception to raise for `complaint`."""
    said = " ".join(complaint.message.split())[:_SHOWN]
    text = f"{complaint.code} {complaint.message}".lower()
    status = complaint.status or 200
    refused = Usage(calls=1)  # servers do not charge for what they turn away
    if any(word in text for word in _DECLINED):
        return RefusedReply(f"{endpoint.name} declined to answer: {said}", reason="declined", usage=refused)
    if status == 413 or any(word in text for word in _TOO_LONG):
        return RefusedReply(f"the prompt does not fit the context of {endpoint.name}: {said}", reason="too long", usage=refused)
    if status == 402 or any(word in text for word in _BROKE):
        return LlmMisconfigured(f"the account behind {endpoint.key_env} has no credit left at {endpoint.provider}: {said}")
    if status in _PASSING or status >= 500:
        return Transient(f"status {status}: {said}", retry_after(complaint.headers))
    if status in (401, 403):
        return LlmMisconfigured(f"{endpoint.provider} does not accept the key in {endpoint.key_env}; set it to a valid one: {said}")
    if status == 404:
        where = endpoint.base_url or endpoint.provider
        return LlmMisconfigured(f"no model {endpoint.model!r} at {where}; check the name in --llm and the base URL: {said}")
    if status >= 400 or any(word in text for word in _AT_FAULT):
        return LlmMisconfigured(f"{endpoint.name} rejected the request; check the model's name and options: {said}")
    return Transient(f"the stream ended with an error: {said}")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks us to wait, from `retry-after-ms` or `retry-after` (in seconds; a date is not read)."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def _whole(text: str) -> str:
    """`text` with surrogate pairs joined that a stream had cut in two; a lone half, which no file can hold, is replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
