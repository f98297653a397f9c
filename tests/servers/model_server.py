"""A local HTTP server that plays a script: one step a request, over the real wire protocols of three model APIs."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Step = Callable[[BaseHTTPRequestHandler, threading.Event], None]


@dataclass
class Request:
    path: str
    headers: Mapping[str, str]
    body: dict


@dataclass
class ModelServer:
    """Use as a context manager. A request beyond the script gets status 418, which no client retries."""

    steps: list[Step] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> ModelServer:
        self._lock = threading.Lock()
        self._closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with outer._lock:
                    outer.requests.append(Request(self.path, dict(self.headers), body))
                    step = outer.steps.pop(0) if outer.steps else status(418, {"error": {"message": "the script is over"}})
                self.close_connection = True
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a client may leave before the end
                    step(self, outer._closing)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def then(self, *steps: Step) -> None:
        self.steps.extend(steps)


def status(code: int, body: object, headers: Mapping[str, str] | None = None) -> Step:
    """A plain answer: JSON, or text as it is."""
    data = (body if isinstance(body, str) else json.dumps(body)).encode()

    def step(handler: BaseHTTPRequestHandler, closing: threading.Event) -> None:
        handler.send_response(code)
        handler.send_header("content-type", "text/html" if isinstance(body, str) else "application/json")
        handler.send_header("content-length", str(len(data)))
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return step


def stream(events: Iterable[str], *, drop: bool = False, hang: bool = False) -> Step:
    """Server-sent events in chunks. `drop` cuts the connection after them, `hang` leaves it open and silent."""

    def step(handler: BaseHTTPRequestHandler, closing: threading.Event) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for event in events:
            data = event.encode()
            handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            handler.wfile.flush()
        if hang:
            closing.wait(30)
        if not (drop or hang):
            handler.wfile.write(b"0\r\n\r\n")

    return step


@dataclass(frozen=True)
class Said:
    """What a server says in answer, in neither protocol's words. `end` is stop, length or refusal."""

    text: str = ""
    end: str | None = "stop"
    plain: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    model: str = "model-as-served"


def _named(kind: str, data: dict) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"


def anthropic_events(said: Said) -> list[str]:
    """The events of the Messages API; without `end` the stream stops before the message does."""
    usage = {"input_tokens": said.plain, "cache_read_input_tokens": said.cached, "cache_creation_input_tokens": said.written}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": said.model, "content": [], "stop_reason": None}
    events = [
        _named("message_start", {"message": {**message, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}}),
        _named("ping", {}),
        _named("content_block_start", {"index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        _named("content_block_delta", {"index": 0, "delta": {"type": "thinking_delta", "thinking": "not part of the answer"}}),
        _named("content_block_stop", {"index": 0}),
        _named("content_block_start", {"index": 1, "content_block": {"type": "text", "text": ""}}),
    ]
    half = len(said.text) // 2
    for part in (said.text[:half], said.text[half:]):
        events.append(_named("content_block_delta", {"index": 1, "delta": {"type": "text_delta", "text": part}}))
    if said.end is None:
        return events
    reason = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal"}[said.end]
    details = {"type": "refusal", "category": "cyber", "explanation": "not this"} if said.end == "refusal" else None
    delta = {"stop_reason": reason, "stop_sequence": None, "stop_details": details}
    end = _named("message_delta", {"delta": delta, "usage": {"output_tokens": said.output}})
    return [*events, _named("content_block_stop", {"index": 1}), end, _named("message_stop", {})]


def openai_events(said: Said) -> list[str]:
    """The chunks of chat completions with `include_usage`; without `end` the stream stops before the answer does."""

    def chunk(delta: dict, finish: str | None, usage: dict | None = None) -> str:
        choices = [] if usage else [{"index": 0, "delta": delta, "finish_reason": finish}]
        head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": said.model}
        return f"data: {json.dumps({**head, 'choices': choices, 'usage': usage})}\n\n"

    half = len(said.text) // 2
    events = [chunk({"role": "assistant", "content": ""}, None), chunk({"content": said.text[:half]}, None)]
    if said.end == "refusal":
        events.append(chunk({"refusal": "not this"}, None))
    events.append(chunk({"content": said.text[half:]}, None))
    if said.end is None:
        return events
    usage = {
        "prompt_tokens": said.plain + said.cached + said.written,
        "completion_tokens": said.output,
        "total_tokens": said.plain + said.cached + said.written + said.output,
        "prompt_tokens_details": {"cached_tokens": said.cached, "cache_write_tokens": said.written},
    }
    return [*events, chunk({}, "length" if said.end == "length" else "stop"), chunk({}, None, usage), "data: [DONE]\n\n"]


def responses_events(said: Said) -> list[str]:
    """The events of the Responses API; without `end` the stream stops before the response does."""
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": said.model, "output": [], "usage": None, "error": None}
    events = [_named("response.created", {"sequence_number": 0, "response": {**response, "status": "in_progress"}})]
    events.append(
        _named("response.reasoning_summary_text.delta", {"item_id": "rs_1", "output_index": 0, "summary_index": 0, "delta": "hm"})
    )
    half = len(said.text) // 2
    where = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    if said.end == "refusal":
        events.append(_named("response.refusal.delta", {**where, "delta": "not this"}))
    events += [
        _named("response.output_text.delta", {**where, "logprobs": [], "delta": part}) for part in (said.text[:half], said.text[half:])
    ]
    if said.end is None:
        return events
    read = said.plain + said.cached + said.written
    usage = {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": said.cached, "cache_write_tokens": said.written},
        "output_tokens": said.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + said.output,
    }
    done = {**response, "usage": usage, "status": "completed"}
    if said.end == "length":
        done |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    return [*events, _named(f"response.{done['status']}", {"sequence_number": 9, "response": done})]
