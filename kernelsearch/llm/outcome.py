"""What a server's answer or complaint means to us, for every provider: a reply, a refusal, try again, or wrong set-up."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from kernelsearch.errors import LlmError, LlmMisconfigured
from kernelsearch.llm.base import EXCERPT, Message, Reason, RefusedReply, Reply
from kernelsearch.llm.heard import Heard
from kernelsearch.llm.prices import Prices
from kernelsearch.llm.retry import Broken, Transient, Unsupported
from kernelsearch.model import Usage
from kernelsearch.scrub import scrub

_SHOWN = 300  # characters of a server's message that we repeat
_PASSING = frozenset({408, 409, 425, 429})
# The codes by which servers say, with a status of 400 or in mid-stream, what the status alone does not tell.
_TOO_LONG = ("context_length_exceeded", "prompt is too long", "maximum context length", "exceeds the available context size")
_DECLINED = ("content_filter", "content_policy_violation")
_BROKE = ("insufficient_quota", "billing_error", "credit balance is too low")
_BUSY = ("overloaded", "rate_limit", "server_error", "api_error", "timeout_error", "unavailable")
_UNKNOWN = ("unsupported", "not supported", "unknown", "unrecognized", "unexpected", "not permitted", "extra inputs", "extra_forbidden")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A model behind an API. `base_url` is None for the provider's own; `key_env` names the variable the key came from."""

    provider: str
    protocol: str  # in words
    model: str
    base_url: str | None
    key: str
    key_env: str
    max_tokens: int | None
    effort: str | None
    thinking: str | None = None
    timeout_s: float
    prices: Prices

    @property
    def name(self) -> str:
        return f"{self.provider}:{self.model}"

    @property
    def where(self) -> str:
        return self.base_url or self.provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to make. `without`: parameters that this server was found not to know."""

    endpoint: Endpoint
    system: str
    messages: Sequence[Message]
    seed: int
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """An error as a server put it. `status` is None when it came in the middle of a stream or in place of one; `spare` names what was
    sent and can be left out."""

    status: int | None
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    spare: Sequence[str] = ()


def settle(heard: Heard, endpoint: Endpoint, usage: Usage) -> Reply:
    """The reply that was heard to its end; raises `RefusedReply` when it cannot be used."""
    reason = heard.finish or (None if heard.text.strip() else "empty")
    if reason is None:
        return Reply(text=heard.text, model=heard.model or endpoint.model, usage=usage)
    raise refused(heard, endpoint, usage, reason, heard.refusal or heard.end)


def refused(heard: Heard, endpoint: Endpoint, usage: Usage, reason: Reason, word: str) -> RefusedReply:
    """An answer that is not one to use, with all that came of it."""
    message = {
        "declined": f"{endpoint.name} declined to answer ({word})",
        "truncated": f"the answer of {endpoint.name} was cut off at {usage.output_tokens} tokens ({word}); raise the option max_tokens",
        "empty": f"{endpoint.name} gave an empty answer",
        "too long": f"the prompt does not fit the context of {endpoint.name} ({word})",
        "interrupted": f"the answer of {endpoint.name} broke off: {word}",
        "oversized": f"the answer of {endpoint.name} was stopped at {word}, which no kernel needs",
    }[reason]
    return RefusedReply(message, reason=reason, text=heard.text[:EXCERPT] if reason == "oversized" else heard.text, usage=usage)


def judge(complaint: Complaint, endpoint: Endpoint) -> LlmError | Transient | Broken | Unsupported:
    """The exception to raise for `complaint`."""
    said = scrub(" ".join(complaint.message.split()))[:_SHOWN]
    text = f"{complaint.code} {complaint.message}".lower()
    status = complaint.status or _status_in(complaint.code)
    turned_away = Usage(calls=1)  # servers do not charge for what they turn away
    if any(word in text for word in _DECLINED):
        return RefusedReply(f"{endpoint.name} declined to answer: {said}", reason="declined", usage=turned_away)
    if status == 413 or any(word in text for word in _TOO_LONG):
        return RefusedReply(f"the prompt does not fit the context of {endpoint.name}: {said}", reason="too long", usage=turned_away)
    if status == 402 or any(word in text for word in _BROKE):
        return LlmMisconfigured(f"the account behind {endpoint.key_env} has no credit left at {endpoint.provider}: {said}")
    if status in _PASSING or (status or 0) >= 500:
        return Transient(f"status {status}: {said}", retry_after(complaint.headers))
    if status in (401, 403):
        return LlmMisconfigured(f"{endpoint.provider} does not accept the key in {endpoint.key_env}; set it to a valid one: {said}")
    if status == 404:
        return LlmMisconfigured(f"no model {endpoint.model!r} at {endpoint.where}; check the name in --llm and the base URL: {said}")
    if status is not None and status >= 400:
        if (parameter := _not_known(text, complaint.spare)) is not None:
            return Unsupported(f"{endpoint.name} does not know {parameter}: {said}", parameter)
        return LlmMisconfigured(f"{endpoint.name} rejected the request; check the model's name and options: {said}")
    if any(word in text for word in _BUSY):
        return Transient(said, retry_after(complaint.headers))
    return Broken(said or complaint.code)


def _status_in(code: str) -> int | None:
    """A status that stands where a code should, as some routers put it."""
    found = re.match(r"[45]\d\d\b", code)
    return int(found[0]) if found else None


def _not_known(text: str, spare: Sequence[str]) -> str | None:
    """The parameter that a server complains about, if it is one that we can do without."""
    if not any(word in text for word in _UNKNOWN):
        return None
    return next((name for name in spare if re.search(rf"\b{name}\b", text)), None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks us to wait, from `retry-after-ms` or `retry-after`, which may be a date."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return _until(headers)


def _until(headers: Mapping[str, str]) -> float | None:
    """Seconds to the date in `retry-after`, by the server's own clock where it tells it."""
    try:
        then = parsedate_to_datetime(headers["retry-after"])
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        return max(0.0, (then - now).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None
