"""One question to a role, answered by one JSON object. A role whose answer cannot be used is done without, with the reason on record."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TypeVar

from kernelsearch import codec
from kernelsearch.errors import LlmBusy, NothingToPropose, UsageError
from kernelsearch.llm.base import LanguageModel, Message, RefusedReply
from kernelsearch.model import Candidate, Teamwork
from kernelsearch.propose.prompt import Prompt
from kernelsearch.scrub import scrub

T = TypeVar("T")
_FENCED = re.compile(r"^(`{3,})[a-z]*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
_NOTE = 300  # characters
_DIFFERENCE = 12_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Whom to ask in the name of which role."""

    model: LanguageModel
    role: str
    seed: int


def ask(asking: Asking, written: Prompt, kind: type[T]) -> tuple[T | None, Teamwork]:
    """The answer as an object of `kind`, None when there is none to use; and what was paid, with a note in that case.

    Raises `LlmMisconfigured` alone.
    """
    role = asking.role
    cut = Teamwork(notes=written.notes(role))
    try:
        reply = asking.model.complete(written.system, [Message(role="user", text=written.request)], seed=asking.seed)
    except RefusedReply as error:
        return None, cut + Teamwork(usage={role: error.usage}, notes=(_without(role, str(error)),))
    except (LlmBusy, NothingToPropose) as error:
        return None, without(role, str(error))
    paid = cut + Teamwork(usage={role: reply.usage})
    try:
        return codec.load_json(kind, scrub(_object(reply.text))), paid
    except UsageError as error:
        return None, paid + Teamwork(notes=(_without(role, f"its answer cannot be read: {error}"),))


def without(role: str, why: str) -> Teamwork:
    """What stands in the record where `role` was not asked, or could not be."""
    return Teamwork(notes=(_without(role, why),))


def difference(before: Candidate, source: str) -> str:
    """What an edit changed, as a diff, cut where it is long."""
    lines = difflib.unified_diff(before.source.splitlines(), source.splitlines(), "before", "after", lineterm="")
    text = "\n".join(lines)
    return text if len(text) <= _DIFFERENCE else f"{text[:_DIFFERENCE]}\n… (cut)"


def _object(text: str) -> str:
    """The JSON object of an answer: the last fenced block, else from the first brace to the last."""
    blocks = [inner for _, inner in _FENCED.findall(text) if inner.lstrip().startswith("{")]
    return blocks[-1] if blocks else text[text.find("{") : text.rfind("}") + 1]


def _without(role: str, why: str) -> str:
    flat = " ".join(scrub(why).split())
    return f"went on without the {role}: {flat if len(flat) <= _NOTE else flat[: _NOTE - 1] + '…'}"
