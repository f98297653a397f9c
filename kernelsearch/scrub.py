"""Keys have no place in what is kept or passed on: recordings, journals, exports and messages go through here before they are written.

What looks like a key of a known provider is taken out, and what stands behind `Authorization` and its like, and the values of this
process's own variables that are named as keys are. It errs on the side of taking out.
"""

from __future__ import annotations

import os
import re

REMOVED = "[key removed]"
_SHORTEST = 8  # characters of a variable's value that is taken for a secret: shorter ones are words
_KEYS = re.compile(
    r"""
    \b(?:
        sk-[A-Za-z0-9_-]{16,}                                   # OpenAI, Anthropic, OpenRouter, DeepSeek
      | (?:gsk|csk|hf|r8|pplx|fw|tgp_v1|rpa)[_-][A-Za-z0-9_-]{20,}     # Groq, Cerebras, Hugging Face, Replicate, Perplexity, Fireworks …
      | (?:xai|nvapi|together|mistral)-[A-Za-z0-9_-]{20,}
      | AIza[A-Za-z0-9_-]{35}                                   # Google
      | (?:ghp|gho|ghs|ghu|ghr)_[A-Za-z0-9]{36} | github_pat_[A-Za-z0-9_]{22,}
      | (?:AKIA|ASIA)[A-Z0-9]{16}                               # Amazon
      | eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}   # a JSON web token
    )""",
    re.VERBOSE,
)
_HEADERS = re.compile(
    r"""(?ix)
    (["']?\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:bearer|basic|token)?\s*
      |["']?\b(?:x-)?(?:api[-_]?key|goog-api-key|auth[-_]token|access[-_]token)["']?\s*[:=]\s*["']?
      |\bbearer\s+(?=\S*\d))
    ([A-Za-z0-9._~+/=-]{8,})"""
)
_USERS = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_NAMES = re.compile(r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)


def scrub(text: str) -> str:
    """`text` without keys."""
    for value in _own():
        text = text.replace(value, REMOVED)
    text = _KEYS.sub(REMOVED, text)
    text = _HEADERS.sub(lambda found: found[1] + REMOVED, text)
    return _USERS.sub(REMOVED, text)


def _own() -> list[str]:
    """Values of variables named as keys, longest first, so that none is left standing in part."""
    values = {value.strip() for name, value in os.environ.items() if _NAMES.search(name)}
    return sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)
