"""The measuring process seen from outside: fed with chunks, watched, replaced behind a point that kills or hangs it."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kernelsearch.formats.kerneltuner import Launch

START_LIMIT_S = 120  # imports, a context, and the first upload of a space's data
MOST_LOST = 200  # measuring processes; more means that something else is wrong


class BenchBroken(Exception):
    """Measuring does not work at all; what was recorded before is worth keeping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Points that were compiled together: (number, kernel, launch) each."""

    space: str
    number: str
    cubin: str
    launches: list[tuple[int, str, Launch]]
    compile_ms: float  # a point's share

    def alone(self, place: int) -> dict[str, Any]:
        """One of the points as a point of reference."""
        return {"cubin": self.cubin, "point": _point(*self.launches[place])}

    def as_message(self, canary: dict[str, Any] | None) -> str:
        """What the measuring process reads."""
        points = [_point(*launch) for launch in self.launches]
        return json.dumps({"space": self.space, "number": self.number, "cubin": self.cubin, "points": points, "canary": canary})


def _point(number: int, name: str, launch: Launch) -> dict[str, Any]:
    return {"i": number, "name": name, **asdict(launch)}


class Bench:
    """At most one measuring process at a time. `facts` is what the last one said of the GPU, `lost` how many ended before their time."""

    def __init__(self, folder: Path, *, point_limit_s: float, command: list[str] | None = None) -> None:
        self._command = command or [sys.executable, str(Path(__file__).with_name("measure.py")), str(folder)]
        self._limit = point_limit_s
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.facts: dict[str, Any] = {}
        self.lost = 0

    def measure(self, chunk: Chunk, canary: dict[str, Any] | None) -> tuple[list[dict[str, Any]], list[float]]:
        """A result for every point of the chunk, and what the point of reference showed after it."""
        results: list[dict[str, Any]] = []
        while chunk.launches:
            done, whole, drift = self._serve(chunk, canary)
            results += done
            if whole:
                return results, [drift] if drift is not None else []
            seen = {result["i"] for result in done}
            chunk = replace(chunk, launches=[launch for launch in chunk.launches if launch[0] not in seen])
        return results, []

    def _serve(self, chunk: Chunk, canary: dict[str, Any] | None) -> tuple[list[dict[str, Any]], bool, float | None]:
        """(results, whether the chunk was served to its end, the point of reference); the process is gone if it was not."""
        process = self._ready()
        assert process.stdin is not None
        results: list[dict[str, Any]] = []
        began: int | None = None
        limit = START_LIMIT_S
        try:
            process.stdin.write(chunk.as_message(canary) + "\n")
            process.stdin.flush()
            while True:
                answer = self._answers.get(timeout=limit)
                if answer is None:
                    break
                if "facts" in answer:
                    self.facts = answer["facts"]
                elif "begin" in answer:
                    began, limit = answer["begin"], self._limit
                elif "done" in answer:
                    return results, True, answer["canary"]
                else:
                    results.append(answer)
                    began = None
            found = {"invalidity": "runtime", "error": "the measuring process ended"}
        except queue.Empty:
            found = {"invalidity": "timeout", "error": f"no answer for {limit:.0f} s"}
        except BrokenPipeError:
            found = {"invalidity": "runtime", "error": "the measuring process ended"}
        words = self._end()
        if began is not None:
            results.append({"i": began, **found})
        elif not results:
            raise BenchBroken(f"the measuring process does not get as far as a point: {words}")
        return results, False, None

    def _ready(self) -> subprocess.Popen[str]:
        if self._process is None:
            if self.lost > MOST_LOST:
                raise BenchBroken(f"more than {MOST_LOST} measuring processes were lost; the kernels or the GPU are broken")
            self._answers = queue.Queue()
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            self._reader = threading.Thread(target=_pump, args=(self._process, self._answers), daemon=True)
            self._reader.start()
        return self._process

    def _end(self) -> str:
        """Ends the process; the last line that it wrote to standard error."""
        process, self._process = self._process, None
        if process is None:
            return ""
        self.lost += 1
        process.kill()
        assert process.stderr is not None
        words = process.stderr.read().strip().splitlines()
        self._gone(process)
        return words[-1] if words else "no message"

    def close(self) -> None:
        """Lets the process end by itself."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
            self._gone(process)

    def _gone(self, process: subprocess.Popen[str]) -> None:
        process.wait()
        self._reader.join()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(BrokenPipeError):  # what was still to be written has nobody to read it
                if pipe is not None:
                    pipe.close()


def _pump(process: subprocess.Popen[str], answers: queue.Queue[dict[str, Any] | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        try:
            answers.put(json.loads(line))
        except ValueError:
            continue  # a line cut off by a crash
    answers.put(None)
