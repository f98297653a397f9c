"""The official SDK of OpenAI: the Responses API in this module, chat completions in `chat`; both streamed.

OpenAI's own models are asked through Responses. `prompt_cache_key` leads requests with the same system prompt to the same cache; nothing
is stored at the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
from openai.types.responses import EasyInputMessageParam, ResponseStreamEvent

from kernelsearch import digest
from kernelsearch.llm import connection
from kernelsearch.llm.base import Reason
from kernelsearch.llm.heard import Heard
from kernelsearch.llm.outcome import Call, Complaint, Endpoint, judge
from kernelsearch.llm.prices import Tokens
from kernelsearch.llm.remote import Unreachable
from kernelsearch.llm.retry import Broken, Lost, Transient

MAX_TOKENS = 32_000  # of an answer of OpenAI's; other servers refuse a limit beyond their context, so theirs is their own
_FINISH: dict[str, Reason] = {"max_output_tokens": "truncated", "content_filter": "declined"}


def ask(call: Call, heard: Heard) -> None:
    """One request for a response. Raises `Transient`, `Broken`, `Unsupported`, or the `LlmError` that a complaint means."""
    endpoint = call.endpoint
    own = endpoint.base_url is None
    effort: Any = endpoint.effort  # the server knows which words it takes
    turns: list[EasyInputMessageParam] = [{"role": message.role, "content": message.text} for message in call.messages]
    limit = endpoint.max_tokens or (MAX_TOKENS if own else None)
    optional: dict[str, Any] = {"store": False, "prompt_cache_key": digest.of_text(call.system), "max_output_tokens": limit}
    sent = sendable(optional, call)
    with connected(endpoint, heard, sent) as client:
        events: Any = client.responses.create(
            model=endpoint.model,
            instructions=call.system,
            input=list(turns),
            reasoning={"effort": effort} if effort else openai.omit,
            stream=True,
            **sent,
        )
        with events:
            if (body := connection.at_once(events.response)) is not None:
                raise judge(complaint(body.get("error") or body), endpoint)
            heard.begun = True
            read(events, heard, lambda error: judge(complaint(error), endpoint))


def read(events: Iterable[ResponseStreamEvent], heard: Heard, complain: Callable[[Any], Exception]) -> None:
    """Hear a streamed response. Raises `Broken` when it is no such thing or ends before its end, or what `complain` makes of an error."""
    try:
        for event in events:
            if event.type == "response.output_text.delta":
                heard.say(event.delta)
            elif event.type == "response.refusal.delta":
                heard.refusal += event.delta
            elif event.type in ("response.reasoning_text.delta", "response.reasoning_summary_text.delta"):
                heard.thought += len(event.delta)
            elif event.type in ("response.created", "response.in_progress"):
                heard.understood, heard.model = True, event.response.model
            elif event.type in ("response.completed", "response.incomplete", "response.failed"):
                _end(event.response, heard, complain)
            elif event.type == "error":
                raise complain(event)
    except (ValueError, AttributeError, TypeError) as error:
        # The SDK builds events without checking them: what is no JSON, or lacks a field, shows up only here.
        raise Broken(f"what came is no response: {error}") from error
    if not heard.end:
        raise Broken("the stream ended before the answer did")


def _end(response: Any, heard: Heard, complain: Callable[[Any], Exception]) -> None:  # noqa: ANN401 - `Response`, where it is one
    heard.understood, heard.model = True, response.model or heard.model
    if (usage := response.usage) is not None:
        details = usage.input_tokens_details
        cached, written = (details.cached_tokens or 0, getattr(details, "cache_write_tokens", 0) or 0) if details else (0, 0)
        heard.tokens = Tokens(input=usage.input_tokens, cached=cached, written=written, output=usage.output_tokens)
        heard.input_counted = heard.output_counted = True
    if response.status == "failed":
        raise complain(response.error)
    if not heard.parts and response.output:
        heard.say(response.output_text)  # a server that sends no pieces
    why = response.incomplete_details.reason if response.incomplete_details else None
    heard.end = why or response.status or "completed"
    heard.finish = "declined" if heard.refusal else _FINISH.get(heard.end)


def sendable(optional: dict[str, Any], call: Call) -> dict[str, Any]:
    """Those parameters that have a value and that the server does not refuse to know."""
    return {name: value for name, value in optional.items() if value is not None and name not in call.without}


@contextmanager
def connected(endpoint: Endpoint, heard: Heard, spare: Iterable[str]) -> Iterator[openai.OpenAI]:
    """A client for one request; the SDK's exceptions leave as ours."""
    timeout = openai.Timeout(endpoint.timeout_s, connect=connection.CONNECT_S)
    try:
        with openai.OpenAI(
            api_key=endpoint.key,
            base_url=endpoint.base_url,
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultHttpxClient(verify=connection.certificates(), timeout=timeout),
        ) as client:
            yield client
    except (openai.APIConnectionError, httpx2.HTTPError) as error:
        if heard.begun:
            raise Lost(f"the connection was lost: {error.__cause__ or error}") from error
        kind = Unreachable if isinstance(error.__cause__, connection.NO_CONNECTION) else Transient
        raise kind(f"{error} ({error.__cause__})") from error
    except openai.APIStatusError as error:
        found = complaint(error.body, status=error.status_code, headers=error.response.headers, otherwise=error.message, spare=tuple(spare))
        raise judge(found, endpoint) from error
    except openai.APIError as error:  # in a stream
        raise judge(complaint(error.body, otherwise=error.message), endpoint) from error


def complaint(body: Any, *, status: int | None = None, headers: Any = None, otherwise: str = "", spare: Sequence[str] = ()) -> Complaint:  # noqa: ANN401
    """What a server complains about in `body`: JSON, an object of the SDK, or nothing that we know."""

    def of(name: str) -> Any:  # noqa: ANN401
        return body.get(name) if isinstance(body, dict) else getattr(body, name, None)

    code = f"{of('code') or ''} {of('type') or ''}".strip()
    said = of("message")
    return Complaint(
        status=status,
        code=code,
        message=said if isinstance(said, str) else otherwise or str(body),
        headers=headers or {},
        spare=spare,
    )
