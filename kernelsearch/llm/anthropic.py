"""Claude models through the official SDK: the Messages API, streamed so that a long answer does not time out.

The system prompt is marked for the server's prompt cache, as it stays the same through a run; so is what was said before a repair, which
a further repair reads again. The API takes no seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anthropic
import httpx2
from anthropic.types import MessageParam, RawMessageStreamEvent, ThinkingConfigParam

from kernelsearch.llm import connection
from kernelsearch.llm.base import Message, Reason
from kernelsearch.llm.heard import Heard
from kernelsearch.llm.outcome import Call, Complaint, judge
from kernelsearch.llm.prices import Tokens
from kernelsearch.llm.remote import Unreachable
from kernelsearch.llm.retry import Broken, Lost, Transient

_MAX_TOKENS = 32_000  # the API wants a limit: room for a kernel and for the thinking before it
_FINISH: dict[str, Reason] = {"max_tokens": "truncated", "model_context_window_exceeded": "truncated", "refusal": "declined"}


def ask(call: Call, heard: Heard) -> None:
    """One request. Raises `Transient`, `Broken`, or the `LlmError` that the server's complaint means."""
    endpoint = call.endpoint
    timeout = anthropic.Timeout(endpoint.timeout_s, connect=connection.CONNECT_S)
    client = anthropic.Anthropic(
        api_key=endpoint.key,
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=timeout,
        http_client=anthropic.DefaultHttpxClient(verify=connection.certificates(), timeout=timeout),
    )
    effort: Any = endpoint.effort  # the server knows which words it takes
    try:
        with (
            client,
            client.messages.create(
                model=endpoint.model,
                max_tokens=endpoint.max_tokens or _MAX_TOKENS,
                system=[{"type": "text", "text": call.system, "cache_control": {"type": "ephemeral"}}],
                messages=_turns(call),
                output_config={"effort": effort} if effort else anthropic.omit,
                thinking=_thinking(endpoint.thinking) or anthropic.omit,
                stream=True,
            ) as events,
        ):
            if (body := connection.at_once(events.response)) is not None:
                raise judge(_complaint(body), endpoint)
            heard.begun = True
            read(events, heard)
    except anthropic.APIStatusError as error:
        status = None if heard.begun else error.status_code
        raise judge(_complaint(error.body, status, error), endpoint) from error
    except anthropic.APIConnectionError as error:
        kind = Unreachable if isinstance(error.__cause__, connection.NO_CONNECTION) else Transient
        raise kind(f"{error} ({error.__cause__})") from error
    except (anthropic.APIError, httpx2.HTTPError) as error:  # the SDK passes on transport errors in mid-stream as they are
        raise Lost(f"the connection was lost: {error or type(error).__name__}") from error


def read(events: Iterable[RawMessageStreamEvent], heard: Heard) -> None:
    """Hear a streamed message. Raises `Broken` when it is no such thing or ends before its end."""
    try:
        for event in events:
            if event.type == "message_start":
                heard.understood, heard.model = True, event.message.model
                heard.tokens = _tokens(event.message.usage, Tokens())
                heard.input_counted = True
            elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                heard.say(event.delta.text)
            elif event.type == "content_block_delta" and event.delta.type == "thinking_delta":
                heard.thought += len(event.delta.thinking)
            elif event.type == "message_delta":
                heard.tokens = _tokens(event.usage, heard.tokens)
                heard.output_counted = True
                _end(event.delta, heard)
    except (ValueError, AttributeError, TypeError) as error:
        # The SDK builds events without checking them: what is no JSON, or lacks a field, shows up only here.
        raise Broken(f"what came is no message: {error}") from error
    if not heard.end:
        raise Broken("the stream ended before the answer did")


def _end(delta: Any, heard: Heard) -> None:  # noqa: ANN401 - the SDK has no public name for it
    if delta.stop_reason is None:
        return
    details = delta.stop_details
    heard.end, heard.finish = delta.stop_reason, _FINISH.get(delta.stop_reason)
    heard.refusal = (details.explanation or details.category or "") if details else ""


def _turns(call: Call) -> list[MessageParam]:
    turns = [_turn(message) for message in call.messages]
    if len(turns) > 1:
        text = call.messages[-1].text
        turns[-1] = {"role": "user", "content": [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]}
    return turns


def _turn(message: Message) -> MessageParam:
    if message.role == "user":
        return {"role": "user", "content": message.text}
    return {"role": "assistant", "content": message.text}


def _thinking(option: str | None) -> ThinkingConfigParam | None:
    """`adaptive`, `off`, or a number of tokens; None leaves it to the server."""
    if option is None:
        return None
    if option == "adaptive":
        return {"type": "adaptive"}
    return {"type": "disabled"} if option == "off" else {"type": "enabled", "budget_tokens": int(option)}


def _tokens(usage: Any, before: Tokens) -> Tokens:  # noqa: ANN401 - two SDK types with the same counts, which are cumulative
    cached = _first(usage.cache_read_input_tokens, before.cached)
    written = _first(usage.cache_creation_input_tokens, before.written)
    plain = _first(usage.input_tokens, before.input - before.cached - before.written)
    return Tokens(input=plain + cached + written, cached=cached, written=written, output=_first(usage.output_tokens, before.output))


def _first(counted: int | None, otherwise: int) -> int:
    return otherwise if counted is None else counted


def _complaint(body: object, status: int | None = None, error: anthropic.APIStatusError | None = None) -> Complaint:
    inner = body.get("error") if isinstance(body, dict) else None
    found = inner if isinstance(inner, dict) else {}
    said = found.get("message")
    return Complaint(
        status=status,
        code=f"{found.get('code') or ''} {found.get('type') or (error.type if error else '') or ''}".strip(),
        message=said if isinstance(said, str) else error.message if error else str(inner or body),
        headers=error.response.headers if error else {},
    )
