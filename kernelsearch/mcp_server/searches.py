"""Searches in the background: started as processes of their own, and found again by what lies below `runs/`, also by another server.

Beside a run's folder stand NAME.log, everything that the search printed, and NAME.search.json, which process it is. A number alone
would not do, as numbers are used again; with the time of its start, as the kernel counts it, it names one process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsearch import codec, process
from kernelsearch.errors import UsageError
from kernelsearch.mcp_server.judged import line
from kernelsearch.mcp_server.root import Root
from kernelsearch.mcp_server.told import SearchState
from kernelsearch.mcp_server.work import Work, complaint, our_command
from kernelsearch.model import Node, Totals
from kernelsearch.report.view import best_of
from kernelsearch.store.files import put
from kernelsearch.store.rundir import RunFolder

_LOOK_S = 0.25
_TO_BEGIN_S = 60.0  # a search reads its task and opens its device before it has a folder
_TO_STOP_S = 30.0
_LOG = 1 << 20  # bytes at the end of a log that are read


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The process of a search. `started` is in clock ticks since the machine started."""

    pid: int
    started: int
    command: tuple[str, ...]
    stopping: bool = False


class Searches:
    """Those below one root."""

    def __init__(self, root: Root) -> None:
        self._root = root

    def start(self, folder: Path, args: Sequence[str], work: Work) -> SearchState:
        """Start `kernelsearch ARGS` as the search of `folder`, and return once it has begun, or failed to."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        command = our_command(args)
        pid = process.detach(command, cwd=self._root.path, log=_log(folder))
        record = Record(pid=pid, started=_started(pid) or 0, command=("kernelsearch", *args))
        put(_record(folder), codec.dump_json(record) + "\n")
        work.tell(0.0, None, "starting")
        waited = 0.0
        while waited < _TO_BEGIN_S and self._begins(folder, record):
            work.sleep(_LOOK_S)
            waited += _LOOK_S
        return self.state(folder)

    def _begins(self, folder: Path, record: Record) -> bool:
        return not (folder / "run.json").exists() and _alive(record)

    def wait(self, folder: Path, seconds: float, work: Work) -> None:
        """Return when the search is over, or after so many seconds; attempts are told as progress."""
        told, waited, known = -1, 0.0, -1
        while waited < seconds:
            record = _read(folder)
            if (size := _size(folder / "journal.jsonl")) != known:  # a long journal is not read for nothing
                known, state = size, self.state(folder)
                if state.nodes and state.nodes[-1].number > told:
                    told = state.nodes[-1].number
                    work.tell(told + 1.0, None if state.limit is None else state.limit + 1.0, _progress(state))
            if record is None or not _alive(record):
                return
            work.sleep(_LOOK_S)
            waited += _LOOK_S

    def stop(self, folder: Path, work: Work) -> SearchState:
        """Ask the search to end, and wait for that a while."""
        record = _read(folder)
        if record is None:
            raise UsageError(f"{self._root.inside(folder)}: no server started this search, so end it where it was started, by Ctrl-C")
        if not _alive(record):
            return self.state(folder)
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(record.pid)
            try:
                if _alive(record):  # the handle is of that very process, so nothing else is hit
                    signal.pidfd_send_signal(handle, signal.SIGTERM)
            finally:
                os.close(handle)
        put(_record(folder), codec.dump_json(Record(pid=record.pid, started=record.started, command=record.command, stopping=True)) + "\n")
        work.tell(0.0, None, "stopping: attempts under way are finished, and the report is written")
        waited = 0.0
        while waited < _TO_STOP_S and _alive(record):
            work.sleep(_LOOK_S)
            waited += _LOOK_S
        return self.state(folder)

    def state(self, folder: Path, *, after: int = -1, last: int = 10) -> SearchState:
        """How it stands. Raises `UsageError` where there is neither a run nor a search that was started for one."""
        record = _read(folder)
        run = RunFolder.open(folder) if record is None or (folder / "run.json").exists() else None
        nodes = () if run is None else run.nodes
        best = best_of(nodes) if nodes and nodes[0].passed else None
        first = nodes[0].time_us if nodes else None
        measurement = None if best is None or best.evaluation is None else best.evaluation.measurement
        interval = None if measurement is None or best is None or best.number == 0 else measurement.interval
        events = _events(folder)
        kept = (events.get("result") or {}).get("kept")
        totals = Totals() if run is None else run.journal.totals
        return SearchState(
            run=self._root.inside(folder),
            state=_state(record, run, events),
            said=_said(folder, record, run, events),
            device="" if run is None else run.environment.device,
            time_kind="" if run is None else run.environment.time_kind,
            candidates=totals.candidates,
            limit=None if run is None else run.spec.budget.candidates,
            usd=totals.usage.usd,
            seconds=totals.seconds,
            baseline_us=first,
            best=None if best is None else best.number,
            best_us=None if best is None else best.time_us,
            speedup=_speedup(best, nodes),
            interval=None if interval is None else (interval.low, interval.high),
            best_file=None if kept is None else self._root.inside(kept),
            report=self._root.inside(folder / "report.html") if (folder / "report.html").exists() else None,
            nodes=tuple(line(node, nodes) for node in nodes if node.number > after)[-last:],
        )


def _speedup(best: Node | None, nodes: Sequence[Node]) -> float | None:
    return None if best is None else line(best, nodes).speedup


def _progress(state: SearchState) -> str:
    node = state.nodes[-1]
    best = "" if state.best is None or not state.best else f"; best so far #{state.best}, {state.speedup or 1.0:.2f}x"
    return f"#{node.number} {node.edit}: {node.status}{best}"


def _state(record: Record | None, run: RunFolder | None, events: dict[str, dict[str, Any]]) -> Any:  # noqa: ANN401 - a literal
    if record is None:
        return "recorded"
    if _alive(record):
        return "stopping" if record.stopping else "running" if run is not None else "starting"
    return "ended" if "result" in events or record.stopping else "failed"


def _said(folder: Path, record: Record | None, run: RunFolder | None, events: dict[str, dict[str, Any]]) -> str:
    if "ended" in events:
        return str(events["ended"].get("reason", ""))
    if record is not None and not _alive(record):
        text = _tail(_log(folder))
        said = complaint("\n".join(each for each in text.splitlines() if not each.startswith("{")))
        return said or ("stopped" if record.stopping else "it ended without a word")
    return "" if run is None or record is not None else run.damaged or ""


def _log(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.log")


def _record(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.search.json")


def _size(file: Path) -> int:
    """Of a file, in bytes; 0 while it is not there."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _read(folder: Path) -> Record | None:
    file = _record(folder)
    try:
        return codec.load_json(Record, file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not what was written; remove it") from error


def _tail(file: Path) -> str:
    try:
        with file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG))
            return log.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def _events(folder: Path) -> dict[str, dict[str, Any]]:
    """The last event of each kind in the log that is a sign of the end."""
    found = {}
    for text in _tail(_log(folder)).splitlines():
        if text.startswith(('{"event": "ended"', '{"event": "result"')):
            event = json.loads(text)
            found[str(event["event"])] = event
    return found


def _alive(record: Record) -> bool:
    return _started(record.pid) == record.started


def _started(pid: int) -> int | None:
    """When a process started, in clock ticks; None when there is none, or only its exit code is left."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])
