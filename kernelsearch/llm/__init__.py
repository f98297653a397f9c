"""Language models by name: `anthropic:MODEL`, `openai:MODEL`, `replay:PATH`, `mailbox:DIR`, or several as a `pool:…`. The only package
that imports their SDKs, and only when one is asked for."""

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
from kernelsearch.llm.pool import Pool, members_of
from kernelsearch.llm.prices import Prices
from kernelsearch.llm.recording import Recording
from kernelsearch.llm.remote import Ask, RemoteModel
from kernelsearch.llm.retry import Retry
from kernelsearch.scrub import scrub


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
    "anthropic": ("base_url", "key_env", "max_tokens", "effort", "thinking", "timeout_s", "record"),
    "openai": ("base_url", "key_env", "max_tokens", "effort", "api", "timeout_s", "record"),
    "replay": ("by", "skip"),
    "mailbox": ("timeout_s", "poll_s", "record"),
}
_PROTOCOLS = {"messages": "Messages", "responses": "Responses", "chat": "chat completions"}
_SILENCE_S = 3600.0  # between two pieces of an answer: a model that thinks hard may be silent for long


def open_model(
    spec: str, *, base_url: str | None = None, options: Mapping[str, str] | None = None, retry: Retry | None = None
) -> LanguageModel:
    """The model that `spec` names; nothing is sent yet.

    Options: `base_url` (as the argument), `key_env` (variable that holds the key), `max_tokens` (of one answer), `effort` (as the
    provider spells it), `thinking` (adaptive, off, or tokens), `api` (responses or chat; responses at OpenAI itself, else chat),
    `timeout_s` (between two pieces of an answer; for a mailbox, for the whole answer), `poll_s`, `by` (`order` or `digest`), `skip`
    (answers already used), `record` (a file that exchanges are appended to). In a pool each member takes those that it has, and one
    that begins with a number and a dot is for the member of that number alone: `2.base_url`.

    Raises `UsageError` for a spec or option that cannot be, `ToolMissing` without the SDK, `LlmMisconfigured` without a key.
    """
    given = dict(options or {}) | ({"base_url": base_url} if base_url else {})
    members = members_of(spec, given, _OPTIONS)
    opened = {member.name: _open(member.spec, member.options, retry or Retry()) for member in members}
    return Pool(spec, members, opened) if spec.startswith("pool:") else opened[spec]


def recorded(model: LanguageModel, path: Path) -> LanguageModel:
    """`model`, or each model of the pool, with its exchanges kept in `path`, from which `replay` gives them again."""
    return model.each(lambda one: Recording(one, path)) if isinstance(model, Pool) else Recording(model, path)


def priced(spec: str, *, options: Mapping[str, str] | None = None) -> tuple[tuple[float, str, Prices], ...]:
    """Share, name and price of each model that `spec` may ask, without a key; what is no API costs nothing and has no price."""
    found = []
    for member in members_of(spec, dict(options or {}), _OPTIONS):
        kind, _, model = member.spec.partition(":")
        prices_of = prices.find(_url(kind, member.options) or _REMOTE[kind].url, model) if kind in _REMOTE else prices.FREE
        found.append((member.share, member.name, prices_of))
    return tuple(found)


def _open(spec: str, given: Mapping[str, str], retry: Retry) -> LanguageModel:
    kind, _, target = spec.partition(":")
    if kind == "replay":
        return _replay(Path(target).expanduser(), given)
    model = _mailbox(Path(target).expanduser(), given) if kind == "mailbox" else _remote(kind, target, given, retry)
    return Recording(model, Path(given["record"]).expanduser()) if "record" in given else model


def _remote(kind: str, model: str, given: Mapping[str, str], retry: Retry) -> LanguageModel:
    provider = _REMOTE[kind]
    url = _url(kind, given)
    key_env = given.get("key_env", provider.key_env)
    key = os.environ.get(key_env, "").strip()
    if not key and (url is None or "key_env" in given):
        raise LlmMisconfigured(f"{kind}:{model} needs a key: set {key_env}, or give the base URL of a server that needs none")
    api = "messages" if kind == "anthropic" else given.get("api") or ("responses" if url is None else "chat")
    if api not in _PROTOCOLS or (kind == "openai") == (api == "messages"):
        raise UsageError(f"option api = {api!r}: an OpenAI model is asked through `responses` or `chat`")
    endpoint = Endpoint(
        provider=kind,
        protocol=_PROTOCOLS[api],
        model=model,
        base_url=url,
        key=key or "none",
        key_env=key_env,
        max_tokens=int(_number(given, "max_tokens", 0)) or None,
        effort=given.get("effort"),
        thinking=_thinking(given),
        timeout_s=_number(given, "timeout_s", _SILENCE_S),
        prices=prices.find(url or provider.url, model),
    )
    return RemoteModel(endpoint, _ask(api, kind, model), retry)


def _ask(api: str, kind: str, model: str) -> Ask:
    """The door to one API. Raises `ToolMissing` without the SDK."""
    try:
        if api == "messages":
            from kernelsearch.llm.anthropic import ask
        elif api == "responses":
            from kernelsearch.llm.openai import ask
        else:
            from kernelsearch.llm.chat import ask
    except ModuleNotFoundError as error:
        raise ToolMissing(f"{kind}:{model} needs the {kind} SDK ({error.name} is missing): pip install 'kernelsearch[{kind}]'") from error
    return ask


def _thinking(given: Mapping[str, str]) -> str | None:
    option = given.get("thinking")
    if option is None or option in ("adaptive", "off") or (option.isdigit() and int(option) >= 1024):
        return option
    raise UsageError(f"option thinking = {option!r}: it is adaptive, off, or a number of tokens from 1024 on")


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
    if url and scrub(url) != url:
        raise UsageError("the base URL holds a key or password, which would be recorded with the run; name its variable with key_env")
    return None if not url or url.rstrip("/") == provider.url else url


def _number(given: Mapping[str, str], name: str, usual: float) -> float:
    try:
        number = float(given.get(name, usual))
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise UsageError(f"option {name} = {given[name]!r} is not a number of zero or more")
    return number
