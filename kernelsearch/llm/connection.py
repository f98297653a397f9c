"""What the SDKs have in common below their protocols: certificates that are read once, and servers that do not stream what they were
asked to stream."""

from __future__ import annotations

import json
import ssl
from functools import lru_cache
from typing import Any

import httpx2

from kernelsearch.llm.retry import Broken

CONNECT_S = 10.0
NO_CONNECTION = (httpx2.ConnectError, httpx2.ConnectTimeout)
_SHOWN = 120  # characters of a page that is no answer


@lru_cache(maxsize=1)
def certificates() -> ssl.SSLContext:
    """Those of the machine. Reading them takes longer than all the rest of a client, which lives for one request."""
    return httpx2.create_ssl_context()


def at_once(response: httpx2.Response) -> dict[str, Any] | None:
    """The JSON object that came in place of a stream, None for a stream. Raises `Broken` for anything else."""
    kind = response.headers.get("content-type", "text/event-stream").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return None
    body = response.read().decode(errors="replace")
    try:
        found = json.loads(body) if kind == "application/json" else None
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    raise Broken(f"it sent {kind} in place of an answer: {' '.join(body.split())[:_SHOWN]!r}")
