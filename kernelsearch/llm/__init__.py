"""Language models by name: `anthropic:MODEL`, `openai:MODEL`, `replay:PATH`, `mailbox:DIR`. The only package that imports their SDKs,
and only when one is asked for."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kernelsearch.errors import LlmMisconfigured, ToolMissing, UsageError
from kernelsearch.llm import prices
from kernelsearch.llm.base import LanguageModel
from kernelsearch.llm.outcome import Endpoint
from kernelsearch.llm.recording import Recording
from kernelsearch.llm.retry import Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class _Provider:
    """An API: its own address, and the environment variables that hold a key and another address."""

    url: str
    key_env: str
    url_env: str


_REMOTE = {
    "anthropic": _Provider(url="https://api.anthropic.com", key_env="ANTHROPIC_API_KEY", url_env="ANTHROPIC_BASE_URL"),
    "openai": _Provider(url="https://api.openai.com/v1", key_env="OPENAI_API_KEY", url_env="OPENAI_BASE_URL"),
}
_OPTIONS = {
    "anthropic": ("base_url", "key_env", "max_tokens", "effort", "timeout_s", "record"),
    "openai": ("base_url", "key_env", "max_tokens", "effort", "timeout_s", "record"),
    "replay": ("by", "skip"),
    "mailbox": ("timeout_s", "poll_s", "record"),
}


def open_model(
    spec: str, *, base_url: str | None = None, options: Mapping[str, str] | None = None, retry: Retry | None = None
) -> LanguageModel:
    """The model that `spec` names; nothing is sent yet.

    Options: `base_url` (as the argument), `key_env` (variable that holds the key), `max_tokens` (of one answer), `effort` (as the
    provider spells it), `timeout_s` (between two pieces of an answer; for a mailbox, for the whole answer), `poll_s`, `by` (`order`
    or `digest`), `skip` (answers already used), `record` (a file that exchanges are appended to).

    Raises `UsageError` for a spec or option that cannot be, `ToolMissing` without the SDK, `LlmMisconfigured` without a key.
    """
    kind, _, target = spec.partition(":")
    if kind not in _OPTIONS or not target:
        raise UsageError(f"no language model {spec!r}; use anthropic:MODEL, openai:MODEL, replay:PATH or mailbox:DIR")
    given = dict(options or {}) | ({"base_url": base_url} if base_url else {})
    if unknown := sorted(given.keys() - set(_OPTIONS[kind])):
        raise UsageError(f"{kind} has no option {unknown[0]!r}; it has {', '.join(_OPTIONS[kind])}")
    if kind == "replay":
        return _replay(Path(target).expanduser(), given)
    model = _mailbox(Path(target).expanduser(), given) if kind == "mailbox" else _remote(kind, target, given, retry or Retry())
    return Recording(model, Path(given["record"]).expanduser()) if "record" in given else model


def price_known(spec: str, *, base_url: str | None = None, options: Mapping[str, str] | None = None) -> bool:
    """Whether calls of `spec` can be counted in money. What is no API costs nothing, which is known."""
    kind, _, model = spec.partition(":")
    if kind not in _REMOTE:
        return True
    url = _url(kind, dict(options or {}) | ({"base_url": base_url} if base_url else {}))
    return prices.find(url or _REMOTE[kind].url, model).known


def _remote(kind: str, model: str, given: Mapping[str, str], retry: Retry) -> LanguageModel:
    provider = _REMOTE[kind]
    url = _url(kind, given)
    key_env = given.get("key_env", provider.key_env)
    key = os.environ.get(key_env, "").strip()
    if not key and (url is None or "key_env" in given):
        raise LlmMisconfigured(f"{kind}:{model} needs a key: set {key_env}, or give the base URL of a server that needs none")
    try:
        if kind == "anthropic":
            from kernelsearch.llm.anthropic import ask
        else:
            from kernelsearch.llm.openai import ask
    except ModuleNotFoundError as error:
        raise ToolMissing(f"{kind}:{model} needs the {kind} SDK ({error.name} is missing): pip install 'kernelsearch[{kind}]'") from error
    from kernelsearch.llm.remote import RemoteModel

    endpoint = Endpoint(
        provider=kind,
        model=model,
        base_url=url,
        key=key or "none",
        key_env=key_env,
        max_tokens=int(_number(given, "max_tokens", 0)) or None,
        effort=given.get("effort"),
        timeout_s=_number(given, "timeout_s", 600.0),
        prices=prices.find(url or provider.url, model),
    )
    return RemoteModel(endpoint, ask, retry)


def _replay(path: Path, given: Mapping[str, str]) -> LanguageModel:
    from kernelsearch.llm.replay import Replay

    by = given.get("by", "order")
    if by not in ("order", "digest"):
        raise UsageError(f"option by = {by!r}: replay goes by `order` or by `digest`")
    return Replay(path, by="digest" if by == "digest" else "order", skip=int(_number(given, "skip", 0)))


def _mailbox(folder: Path, given: Mapping[str, str]) -> LanguageModel:
    from kernelsearch.llm.mailbox import Mailbox, Patience

    usual = Patience()
    patience = Patience(limit_s=_number(given, "timeout_s", usual.limit_s), poll_s=_number(given, "poll_s", usual.poll_s))
    return Mailbox(folder, patience)


def _url(kind: str, given: Mapping[str, str]) -> str | None:
    """The base URL in use, None for the provider's own."""
    provider = _REMOTE[kind]
    url = given.get("base_url") or os.environ.get(provider.url_env, "").strip()
    if url and not url.startswith(("http://", "https://")):
        raise UsageError(f"base URL {url!r} does not begin with http:// or https://")
    return None if not url or url.rstrip("/") == provider.url else url


def _number(given: Mapping[str, str], name: str, usual: float) -> float:
    try:
        number = float(given.get(name, usual))
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise UsageError(f"option {name} = {given[name]!r} is not a number of zero or more")
    return number
