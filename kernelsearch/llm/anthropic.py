"""Claude models through the official SDK: the Messages API, streamed so that a long answer does not time out.

The system prompt is marked for the server's prompt cache: it stays the same through a run. The API takes no seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import anthropic
import httpx2
from anthropic.types import MessageParam, RawMessageStreamEvent

from kernelsearch.llm.base import Message, Reason
from kernelsearch.llm.outcome import Answer, Complaint, Endpoint, judge
from kernelsearch.llm.prices import Tokens
from kernelsearch.llm.remote import Unreachable
from kernelsearch.llm.retry import Transient

_CONNECT_S = 10.0
_NO_CONNECTION = (httpx2.ConnectError, httpx2.ConnectTimeout)
_MAX_TOKENS = 32_000  # the API wants a limit: room for a kernel and for the thinking before it
_FINISH: dict[str, Reason] = {"max_tokens": "truncated", "model_context_window_exceeded": "truncated", "refusal": "declined"}


def ask(endpoint: Endpoint, system: str, messages: Sequence[Message], seed: int) -> Answer:
    """One request. Raises `Transient`, or the `LlmError` that the server's complaint means."""
    client = anthropic.Anthropic(
        api_key=endpoint.key,
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=anthropic.Timeout(endpoint.timeout_s, connect=_CONNECT_S),
    )
    effort: Any = endpoint.effort  # the server knows which words it takes
    try:
        with (
            client,
            client.messages.create(
                model=endpoint.model,
                max_tokens=endpoint.max_tokens or _MAX_TOKENS,
                system=[{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
                messages=[_turn(message) for message in messages],
                output_config={"effort": effort} if effort else anthropic.omit,
                stream=True,
            ) as events,
        ):
            return read(events)
    except anthropic.APIStatusError as error:
        complaint = Complaint(status=error.status_code, code=error.type or "", message=_message(error), headers=error.response.headers)
        raise judge(complaint, endpoint) from error
    except anthropic.APIConnectionError as error:
        kind = Unreachable if isinstance(error.__cause__, _NO_CONNECTION) else Transient
        raise kind(f"{error} ({error.__cause__})") from error
    except (anthropic.APIError, httpx2.HTTPError) as error:  # the SDK passes on transport errors in mid-stream as they are
        raise Transient(f"the connection was lost: {error}") from error


def read(events: Iterable[RawMessageStreamEvent]) -> Answer:
    """Collect a streamed message. Raises `Transient` when it is no such thing or ends before its end."""
    text: list[str] = []
    model, stop, word, tokens = "", None, "", Tokens()
    try:
        for event in events:
            if event.type == "message_start":
                model, tokens = event.message.model, _tokens(event.message.usage, Tokens())
            elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                text.append(event.delta.text)
            elif event.type == "message_delta":
                stop, tokens = event.delta.stop_reason, _tokens(event.usage, tokens)
                details = event.delta.stop_details
                word = (details.explanation or details.category or stop or "") if details else (stop or "")
    except (ValueError, AttributeError, TypeError) as error:
        # The SDK builds events without checking them: what is no JSON, or lacks a field, shows up only here.
        raise Transient(f"the server does not speak the Messages protocol ({error}); check the base URL") from error
    if stop is None:
        raise Transient("the stream ended before the answer did")
    return Answer(text="".join(text), model=model, finish=_FINISH.get(stop), word=word, tokens=tokens)


def _turn(message: Message) -> MessageParam:
    if message.role == "user":
        return {"role": "user", "content": message.text}
    return {"role": "assistant", "content": message.text}


def _tokens(usage: Any, before: Tokens) -> Tokens:  # noqa: ANN401 - two SDK types with the same counts, which are cumulative
    cached = _first(usage.cache_read_input_tokens, before.cached)
    written = _first(usage.cache_creation_input_tokens, before.written)
    plain = _first(usage.input_tokens, before.input - before.cached - before.written)
    return Tokens(input=plain + cached + written, cached=cached, written=written, output=_first(usage.output_tokens, before.output))


def _first(counted: int | None, otherwise: int) -> int:
    return otherwise if counted is None else counted


def _message(error: anthropic.APIStatusError) -> str:
    inner = error.body.get("error") if isinstance(error.body, dict) else None
    said = inner.get("message") if isinstance(inner, dict) else None
    return said if isinstance(said, str) else error.message
