"""`--confirm`: each candidate before a person's eyes, and the question whether it may be built and run.

The question stands in the thread that owns the run, while the live footer is away. What was typed before it was shown does not count: an
answer belongs to what was read. Ctrl-C and the end of input end the run as they do elsewhere, gently.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
from typing import TextIO

from rich.console import Console
from rich.text import Text

from kernelsearch.cli.views import View
from kernelsearch.errors import UsageError
from kernelsearch.report import diff, words
from kernelsearch.workers.consent import Answer, Ask, Question, Ruling

_STYLES = {"add": "green", "del": "red", "hunk": "cyan", "same": ""}
_LOOK_S = 0.2  # how often it is looked whether the run was told to stop
_ASKED = "build and run it? y(es), n(o) [why], a(ll that come), q(uit): "
_WORDS = {name: ruling for ruling in Ruling for name in (ruling.value, ruling.value[0])}
_REASON = 300  # characters


def check_terminal(*, as_json: bool) -> None:
    """Raise `UsageError` where nobody can be asked."""
    if not (sys.stdin.isatty() and _screen(as_json=as_json).isatty()):
        raise UsageError("--confirm asks on a terminal, and there is none: run this in one, or leave the option out")


def asker(view: View, stop: threading.Event, *, as_json: bool) -> Ask:
    """Who asks on this terminal."""
    return _Asker(view, stop, sys.stdin.fileno(), _screen(as_json=as_json))


def _screen(*, as_json: bool) -> TextIO:
    """Where questions are shown: not among what a program reads."""
    return sys.stderr if as_json or not sys.stdout.isatty() else sys.stdout


class _Asker:
    """`handle`: where answers are typed; `screen`: where questions are shown."""

    def __init__(self, view: View, stop: threading.Event, handle: int, screen: TextIO) -> None:
        self._view, self._stop, self._handle = view, stop, handle
        self._console = Console(file=screen, highlight=False)

    def __call__(self, question: Question) -> Answer:
        with self._view.aside():
            for line in lines(question):
                self._console.print(line, soft_wrap=True)
            termios.tcflush(self._handle, termios.TCIFLUSH)
            while True:
                self._console.print(Text(_ASKED, "bold"), end="")
                typed = self._typed()
                if typed is None:
                    self._console.print()
                    return Answer(ruling=Ruling.QUIT)
                if (answer := read(typed)) is not None:
                    return answer

    def _typed(self) -> str | None:
        """What was typed; None when the run was told to stop, or nobody is there any more."""
        while not self._stop.is_set():
            if select.select([self._handle], [], [], _LOOK_S)[0]:
                try:
                    typed = os.read(self._handle, 4096)  # a line at most, by the terminal's own rule
                except OSError:  # it hung up
                    return None
                return typed.decode(errors="replace") if typed else None
        return None


def read(line: str) -> Answer | None:
    """The answer in a line that was typed; None for what is none."""
    word, _, reason = line.strip().partition(" ")
    ruling = _WORDS.get(word.lower())
    if ruling is None or (reason.strip() and ruling is not Ruling.NO):
        return None
    return Answer(ruling=ruling, reason=" ".join(words.clean(reason).split())[:_REASON])


def lines(question: Question) -> list[Text]:
    """What is to be judged of: who made it and what it is said to be, its flags, and what it changes."""
    made, parent = question.candidate, question.parent
    origin, before = made.origin, parent.candidate
    waiting = f"; {words.count(question.waiting, 'more candidate')} waiting" if question.waiting else ""
    facts = [
        ("directive", origin.directive or question.asked),
        ("summary", origin.summary if origin.summary != origin.directive else ""),
        ("flags", _flags(made.flags, () if before is None else before.flags)),
    ]
    found = diff.lines("" if before is None else before.source, made.source)
    return [
        Text(f"\na candidate by {words.clean(origin.model or origin.proposer)}, an edit of attempt {parent.number}{waiting}", "bold"),
        *(Text(f"{name:<10}{words.first_line(text, 400)}") for name, text in facts if text),
        *(Text(words.clean(line.text), _STYLES[line.kind]) for line in found),
        *([] if found else [Text("the source is the same")]),
    ]


def _flags(own: tuple[str, ...], before: tuple[str, ...]) -> str:
    said = " ".join(own) or "none"
    return said if own == before else f"{' '.join(before) or 'none'} → {said}"
