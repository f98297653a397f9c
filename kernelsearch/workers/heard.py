"""What workers have to say while a run goes on: taken from any thread, told by the main one, which alone may tell."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Heard:
    """Sentences in the order in which they were said; `tell` gets each once."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._said: SimpleQueue[str] = SimpleQueue()
        self.say = self._said.put

    def listen(self) -> None:
        """Tell what was said since the last time."""
        while not self._said.empty():
            self._tell(self._said.get())

    def stopped(self, stop: threading.Event) -> bool:
        """Whether to give up waiting; what was said meanwhile is told."""
        self.listen()
        return stop.is_set()
