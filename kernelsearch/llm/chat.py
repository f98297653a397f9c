"""Chat completions, streamed: what every OpenAI-compatible server speaks (vLLM, SGLang, llama.cpp, Ollama, OpenRouter), each its own way.

Some send no counts, or them in an extra chunk, or a bill of their own; thinking comes as `reasoning_content`, as `reasoning`, or between
tags in the text; some answer whole where a stream was asked for, and some refuse parameters that others need. All of it is taken as it
comes; what is missing is estimated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from openai.types.chat import ChatCompletionMessageParam

from kernelsearch import digest
from kernelsearch.llm import connection
from kernelsearch.llm.base import Message, Reason
from kernelsearch.llm.heard import Heard
from kernelsearch.llm.openai import MAX_TOKENS, complaint, connected, sendable
from kernelsearch.llm.outcome import Call, judge
from kernelsearch.llm.prices import Tokens
from kernelsearch.llm.retry import Broken

_FINISH: dict[str, Reason] = {"length": "truncated", "content_filter": "declined"}
_FAILED = ("error", "abort")  # words of routers and engines for an answer that they gave up


def ask(call: Call, heard: Heard) -> None:
    """One request for a completion. Raises `Transient`, `Broken`, `Unsupported`, or the `LlmError` that a complaint means."""
    endpoint = call.endpoint
    turns: list[ChatCompletionMessageParam] = [{"role": "system", "content": call.system}, *(_turn(message) for message in call.messages)]
    sent = sendable(_optional(call), call)
    with connected(endpoint, heard, sent) as client:
        create: Any = client.chat.completions.create  # what is left out depends on the server
        effort = {"reasoning_effort": endpoint.effort} if endpoint.effort else {}
        chunks = create(model=endpoint.model, messages=turns, stream=True, **effort, **sent)
        with chunks:
            body = connection.at_once(chunks.response)
            if body is not None and not body.get("choices"):
                raise judge(complaint(body.get("error") or body), endpoint)
            heard.begun = True
            if body is None:
                read(chunks, heard)
            else:
                read([whole(body)], heard)


def _optional(call: Call) -> dict[str, Any]:
    """Other servers get the older name of the token limit and a seed, which they honour; OpenAI's own models take neither."""
    limit, counted = call.endpoint.max_tokens, {"include_usage": True}
    if call.endpoint.base_url is None:
        key = digest.of_text(call.system)
        return {"stream_options": counted, "max_completion_tokens": limit or MAX_TOKENS, "prompt_cache_key": key}
    newer = limit if "max_tokens" in call.without else None
    return {"stream_options": counted, "max_tokens": limit, "max_completion_tokens": newer, "seed": call.seed}


def read(chunks: Iterable[Any], heard: Heard) -> None:
    """Hear a streamed completion. Raises `Broken` when it is no such thing or ends before its end."""
    try:
        for chunk in chunks:
            heard.model = chunk.model or heard.model
            for choice in chunk.choices[:1]:
                _piece(choice, heard)
                heard.understood = True
            if getattr(chunk, "usage", None):
                _count(chunk.usage, heard)
    except (ValueError, AttributeError, TypeError) as error:
        # The SDK builds chunks without checking them: what is no JSON, or lacks a field, shows up only here.
        raise Broken(f"what came is no completion: {error}") from error
    if not heard.end:
        raise Broken("the stream ended before the answer did")
    if heard.end in _FAILED:
        raise Broken(f"the server gave up ({heard.end})")


def _piece(choice: Any, heard: Heard) -> None:  # noqa: ANN401
    delta = choice.delta
    heard.thought += len(getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None) or "")
    heard.refusal += getattr(delta, "refusal", None) or ""
    heard.say(delta.content or "")
    heard.end = choice.finish_reason or heard.end
    heard.finish = "declined" if heard.refusal else _FINISH.get(heard.end)


def _count(usage: Any, heard: Heard) -> None:  # noqa: ANN401
    """The server's counts, each as far as it is one; a later chunk replaces an earlier one, as they count from the beginning."""
    details = getattr(usage, "prompt_tokens_details", None)
    cached = _whole(getattr(details, "cached_tokens", None)) or _whole(getattr(usage, "prompt_cache_hit_tokens", None)) or 0
    written = _whole(getattr(details, "cache_write_tokens", None)) or 0
    prompt, answer = _whole(usage.prompt_tokens) or 0, _whole(usage.completion_tokens) or 0
    heard.input_counted, heard.output_counted = prompt > 0, answer > 0 or not heard.length
    cached = min(cached, prompt)
    heard.tokens = Tokens(input=prompt, cached=cached, written=min(written, prompt - cached), output=answer)
    cost = getattr(usage, "cost", None)
    if isinstance(cost, int | float) and math.isfinite(cost) and cost >= 0:
        heard.usd = float(cost)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def whole(body: dict[str, Any]) -> Any:  # noqa: ANN401
    """A completion that came at once, as the one chunk of a stream."""
    from openai.types.chat import ChatCompletionChunk

    choices = [{**choice, "delta": choice.get("message") or {}} for choice in body["choices"] if isinstance(choice, dict)]
    return ChatCompletionChunk.construct(**{**body, "choices": choices})


def _turn(message: Message) -> ChatCompletionMessageParam:
    if message.role == "user":
        return {"role": "user", "content": message.text}
    return {"role": "assistant", "content": message.text}
