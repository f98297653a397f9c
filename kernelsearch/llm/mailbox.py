"""A model behind a folder: every prompt is a Markdown file, and the answer is a file beside it, by a person or another program.

`0001.prompt.md` appears whole, by renaming. `0001.answer.md` counts once it is not empty and unchanged between two looks, so it may be
written slowly or moved into place. A prompt is known by its content: one that nobody waits for any more, after a time-out or in a
resumed run, is taken up again with the answer that may have come meanwhile. Asked twice at once, it is two files.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernelsearch.errors import LlmBusy, UsageError
from kernelsearch.llm.base import Message, Reply, prompt_digest, sized
from kernelsearch.model import Usage

_HEADER = "<!-- kernelsearch prompt {key} -->"
_KEY = re.compile(r"<!-- kernelsearch prompt (\w+) -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for one answer, and how often to look, in seconds."""

    limit_s: float = 3600.0
    poll_s: float = 1.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class Mailbox:
    """Several prompts may be open at once. The folder is made when it is not there."""

    def __init__(self, folder: Path, patience: Patience | None = None) -> None:
        self._folder = folder
        self._patience = patience or Patience()
        self._lock = threading.Lock()
        self._asked: defaultdict[str, list[Path]] = defaultdict(list)
        self._taken: set[Path] = set()  # waited for, or answered in this session
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.glob("*.prompt.md")):
                if key := _key_of(path):
                    self._asked[key].append(path)
        except OSError as error:
            raise UsageError(f"cannot use {folder} as a mailbox: {error.strerror}") from error

    @property
    def name(self) -> str:
        return f"mailbox:{self._folder}"

    def complete(self, system: str, messages: Sequence[Message], *, seed: int = 0) -> Reply:
        """Write the prompt and wait for its answer; raises `LlmBusy` when none comes in time. Tokens are not known, so not counted."""
        clock = self._patience.clock
        started = clock()
        prompt = self._take(system, messages)
        try:
            text = self._wait(_answer_to(prompt), started)
        except LlmBusy:
            with self._lock:
                self._taken.discard(prompt)
            raise
        return sized(Reply(text=text, model=self.name, usage=Usage(calls=1, seconds=clock() - started)), self.name)

    def _take(self, system: str, messages: Sequence[Message]) -> Path:
        """The file of this prompt: one that is left over, or a new one."""
        key = prompt_digest(system, messages)
        with self._lock:
            path = next((path for path in self._asked[key] if path not in self._taken), None)
            if path is None:
                path = self._write(key, system, messages)
                self._asked[key].append(path)
            self._taken.add(path)
        return path

    def _write(self, key: str, system: str, messages: Sequence[Message]) -> Path:
        number = max((int(path.name.split(".")[0]) for paths in self._asked.values() for path in paths), default=0)
        draft = self._folder / f".{key}.draft"
        while True:
            number += 1
            path = self._folder / f"{number:04d}.prompt.md"
            draft.write_text(_page(key, path, system, messages), encoding="utf-8")
            try:
                os.link(draft, path)  # whole, and never over a prompt that another process wrote
            except FileExistsError:
                continue
            draft.unlink()
            return path

    def _wait(self, answer: Path, started: float) -> str:
        patience = self._patience
        before = None
        while True:
            now = _look(answer)
            if now is not None and now == before:
                text = answer.read_text(encoding="utf-8", errors="replace")
                if text.strip():
                    return text
            before = now
            if patience.clock() - started >= patience.limit_s:
                raise LlmBusy(f"no answer in {answer} after {patience.limit_s:g} s; write it and resume the run")
            patience.sleep(patience.poll_s)


def _answer_to(prompt: Path) -> Path:
    return prompt.with_name(prompt.name.replace(".prompt.", ".answer."))


def _look(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _key_of(path: Path) -> str | None:
    if not path.name.split(".")[0].isdigit():
        return None
    with path.open(encoding="utf-8", errors="replace") as file:
        found = _KEY.match(file.readline())
    return found[1] if found else None


def _page(key: str, path: Path, system: str, messages: Sequence[Message]) -> str:
    """The whole prompt as one page, with what to do about it on top."""
    answer = _answer_to(path).name
    head = [
        _HEADER.format(key=key),
        f"# Prompt {path.name.split('.')[0]}",
        f"Answer in a file `{answer}` in this folder: the answer alone, in the format that the instructions below ask for. "
        "It is read once it is not empty and no longer changes; to be safe, write it under another name and rename it.",
    ]
    said = [("Instructions", system), *(("Request" if m.role == "user" else "Your earlier answer", m.text) for m in messages)]
    return "\n\n".join([*head, *(f"---\n\n# {title}\n\n{text.strip()}" for title, text in said)]) + "\n"
