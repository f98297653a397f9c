"""Chat completions through the official SDK, streamed: OpenAI's own models, and any server that speaks the protocol
(vLLM, SGLang, llama.cpp, Ollama, OpenRouter) by its base URL.

Other servers get the older name of the token limit and a seed, which they honour; OpenAI's own models take neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import httpx2
import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from kernelsearch.llm.base import Message, Reason
from kernelsearch.llm.outcome import Answer, Complaint, Endpoint, judge
from kernelsearch.llm.prices import Tokens
from kernelsearch.llm.remote import Unreachable
from kernelsearch.llm.retry import Transient

_CONNECT_S = 10.0
_NO_CONNECTION = (httpx2.ConnectError, httpx2.ConnectTimeout)
_MAX_TOKENS = 32_000  # of an answer of OpenAI's; other servers refuse a limit beyond their context, so theirs is their own
_FINISH: dict[str, Reason] = {"length": "truncated", "content_filter": "declined"}


def ask(endpoint: Endpoint, system: str, messages: Sequence[Message], seed: int) -> Answer:
    """One request. Raises `Transient`, or the `LlmError` that the server's complaint means."""
    client = openai.OpenAI(
        api_key=endpoint.key,
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=openai.Timeout(endpoint.timeout_s, connect=_CONNECT_S),
    )
    effort: Any = endpoint.effort  # the server knows which words it takes
    own = endpoint.base_url is None
    try:
        with (
            client,
            client.chat.completions.create(
                model=endpoint.model,
                messages=[{"role": "system", "content": system}, *(_turn(message) for message in messages)],
                max_completion_tokens=(endpoint.max_tokens or _MAX_TOKENS) if own else openai.omit,
                max_tokens=openai.omit if own else (endpoint.max_tokens or openai.omit),
                seed=openai.omit if own else seed,
                reasoning_effort=effort or openai.omit,
                stream=True,
                stream_options={"include_usage": True},
            ) as chunks,
        ):
            return read(chunks)
    except openai.APIConnectionError as error:
        kind = Unreachable if isinstance(error.__cause__, _NO_CONNECTION) else Transient
        raise kind(f"{error} ({error.__cause__})") from error
    except openai.APIStatusError as error:
        complaint = Complaint(status=error.status_code, code=_code(error), message=_message(error), headers=error.response.headers)
        raise judge(complaint, endpoint) from error
    except openai.APIError as error:
        raise judge(Complaint(status=None, code=_code(error), message=_message(error)), endpoint) from error


def read(chunks: Iterable[ChatCompletionChunk]) -> Answer:
    """Collect a streamed completion. Raises `Transient` when it is no such thing or ends before its end."""
    text: list[str] = []
    refusal: list[str] = []
    model, finish, tokens = "", None, Tokens()
    try:
        for chunk in chunks:
            model = chunk.model or model
            tokens = _tokens(chunk.usage) if chunk.usage else tokens
            for choice in chunk.choices[:1]:
                text.append(choice.delta.content or "")
                refusal.append(choice.delta.refusal or "")
                finish = choice.finish_reason or finish
    except (ValueError, AttributeError, TypeError) as error:
        # The SDK builds chunks without checking them: what is no JSON, or lacks a field, shows up only here.
        raise Transient(f"the server does not speak the chat completions protocol ({error}); check the base URL") from error
    if finish is None:
        raise Transient("the stream ended before the answer did")
    declined = "".join(refusal)
    reason: Reason | None = "declined" if declined else _FINISH.get(finish)
    return Answer(text="".join(text), model=model, finish=reason, word=declined or finish, tokens=tokens)


def _turn(message: Message) -> ChatCompletionMessageParam:
    if message.role == "user":
        return {"role": "user", "content": message.text}
    return {"role": "assistant", "content": message.text}


def _tokens(usage: CompletionUsage) -> Tokens:
    details = usage.prompt_tokens_details
    return Tokens(
        input=usage.prompt_tokens,
        cached=(details.cached_tokens or 0) if details else 0,
        written=(details.cache_write_tokens or 0) if details else 0,
        output=usage.completion_tokens,
    )


def _code(error: openai.APIError) -> str:
    return f"{error.code or ''} {error.type or ''}".strip()


def _message(error: openai.APIError) -> str:
    said = error.body.get("message") if isinstance(error.body, dict) else None
    return said if isinstance(said, str) else error.message
