"""What a model's answer holds: the files of a task, or thoughts. Text in, text out; every fault is a `ReplyUnusable` meant for the model.

Only three names are files. What else an answer names is refused and never opened, so no path in it leads anywhere.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

from kernelsearch.errors import ReplyUnusable
from kernelsearch.model import Thought

FILES = ("task.toml", "reference.py", "baseline.cu")
_LARGEST = 64_000  # characters of a file; the largest shipped one has a twentieth of it
_HEAD = re.compile(r"^[#*\s]*FILE:[\s*`]*(?P<name>[^\n*`]*?)[\s*`]*$", re.MULTILINE)
_FENCE = re.compile(r"\s*^(?P<bar>`{3,}|~{3,})[^\n`]*\n(?P<body>.*?)^(?P=bar)[ \t]*$", re.MULTILINE | re.DOTALL)
_THOUGHT = re.compile(r"^[#*\s]*THOUGHT\s*\d*\s*[:.)-][\s*]*(?P<title>[^\n*]+?)[\s*]*$", re.MULTILINE | re.IGNORECASE)
_TITLE, _LINE, _LINES = 60, 380, 14  # of a thought, as a prompt shows a directive and a note


def files(answer: str) -> Mapping[str, str]:
    """The three files in `answer`, each after a line `FILE: name` and in a fence. What is named twice, cut off or missing is a fault."""
    text = answer.replace("\r\n", "\n")
    found: dict[str, str] = {}
    heads = list(_HEAD.finditer(text))
    for head in heads:
        name = head["name"]
        if name not in FILES:
            raise ReplyUnusable(f"The answer names a file {name[:80]!r}. A task has the files {', '.join(FILES)}, and no other.")
        if name in found:
            raise ReplyUnusable(f"The answer holds {name} twice.")
        found[name] = _body(name, text[head.end() :])
    if missing := [name for name in FILES if name not in found]:
        raise ReplyUnusable(f"The answer lacks {', '.join(missing)}: each file is a line `FILE: name`, then its text in a fenced block.")
    return found


def _body(name: str, rest: str) -> str:
    block = _FENCE.match(rest)
    if block is None:
        raise ReplyUnusable(f"After `FILE: {name}` there is no fenced block, or it is not closed.")
    body = block["body"]
    if not body.strip():
        raise ReplyUnusable(f"{name} is empty.")
    if len(body) > _LARGEST:
        raise ReplyUnusable(f"{name} has {len(body):,} characters; {_LARGEST:,} are more than any task needs.")
    if odd := next((c for c in body if not c.isprintable() and c not in "\n\t"), None):
        raise ReplyUnusable(f"{name} holds the character {odd!r}; write plain text.")
    return body


def thoughts(answer: str, *, wanted: int) -> tuple[Thought, ...]:
    """The distinct thoughts in `answer`, `wanted` at most. Raises `ReplyUnusable` for fewer."""
    text = answer.replace("\r\n", "\n")
    heads = list(_THOUGHT.finditer(text))
    found: dict[str, Thought] = {}
    for head, end in zip(heads, [*(later.start() for later in heads[1:]), len(text)], strict=True):
        title, plan = " ".join(head["title"].split())[:_TITLE].strip(), _plan(text[head.end() : end])
        if title and plan:
            found.setdefault(re.sub(r"\W+", " ", title).strip().lower(), Thought(title=title, plan=plan))
    if len(found) < wanted:
        raise ReplyUnusable(
            f"The answer holds {len(found)} distinct thoughts with a plan; {wanted} are wanted, each a line `THOUGHT: name`, then its plan."
        )
    return tuple(found.values())[:wanted]


def _plan(text: str) -> str:
    """In lines that a prompt does not cut."""
    lines = [piece for line in text.split("\n") for piece in textwrap.wrap(line.strip(), _LINE)]
    return "\n".join(lines[:_LINES])
