"""What a report of compute-sanitizer says of a candidate's kernels: hazards, or why it says nothing. Pure.

Only what happens in the candidate's own kernels counts: not in our runner's (by their exact names), not in those of a library when the
candidate's are known by name, and not what host code did. A report that was cut off, or that could not begin, is never taken for a
clean one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kernelsearch.model import Hazard
from kernelsearch.sanitizer import doubt
from kernelsearch.sanitizer.command import ERRORS_FOUND, HARNESS
from kernelsearch.sanitizer.records import Frame, Record, records, tool_lines

_HEADERS = (".h", ".hh", ".hpp", ".cuh", ".inl", ".inc")
_SUMMARY = re.compile(r"(?:ERROR SUMMARY: ([\d,]+) errors?|RACECHECK SUMMARY: ([\d,]+) hazards? displayed \(.*\))$")
_UNPRINTED = re.compile(r"([\d,]+) \w+ (?:was|were) not printed")
_ENDED = re.compile(r"(?:Error: )?(?:Target application returned an error|process didn't terminate successfully)")
_HOST = re.compile(r"Program hit |Host API |Leaked |Unused ")
_UNABLE = (
    ("before first instrumented", "the program ended before it used CUDA, or the tool could not reach it"),
    ("doesn't exist or is not a valid", "the program could not be started"),
    ("Could not connect to target", "it could not reach the program"),
    ("No attachable process", "it could not reach the program"),
    ("Internal Sanitizer", "it failed within itself"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SanitizerReport:
    """Hazards by place, each once; none and no `missing` is a clean bill. `missing` says why the report proves nothing."""

    hazards: tuple[Hazard, ...] = ()
    count: int = 0  # errors in the candidate's kernels, as far as they were printed
    elsewhere: int = 0  # errors in other kernels and in host code
    missing: str = ""

    @property
    def clean(self) -> bool:
        return not self.hazards and not self.missing


def parse(text: str, tool: str, *, kernels: Collection[str] = (), returncode: int | None = None) -> SanitizerReport:
    """Read the report `text` of `tool`. Never raises.

    `kernels` are the candidate's, as its source names them; without them every kernel counts that is not our runner's. `returncode`
    is how the tool ended: a second witness against a report that was tampered with.
    """
    found = records(text)
    own = [record for record in found if _counts(record, kernels)]
    places: dict[tuple[object, ...], list[Record]] = {}
    for record in own:
        places.setdefault((_kind(record), *record.frames), []).append(record)
    hazards = tuple(_hazard(group, tool, kernels, text) for group in places.values())
    missing = "" if hazards else _missing(text, len(found), returncode)
    return SanitizerReport(hazards=hazards, count=len(own), elsewhere=len(found) - len(own), missing=missing)


def _counts(record: Record, kernels: Collection[str]) -> bool:
    """Whether the record speaks of the candidate. Races come without the frames that lead to their kernel: there only ours is let off."""
    names = [frame.function for frame in record.frames]
    if _HOST.match(record.headline) or any(name.partition("(")[0] in HARNESS and name not in kernels for name in names):
        return False
    race = any(frame.access for frame in record.frames)
    return race or not names or not kernels or any(name in kernels for name in names)


def _hazard(group: Sequence[Record], tool: str, kernels: Collection[str], text: str) -> Hazard:
    record = group[0]
    names = [frame.function for frame in record.frames if frame.function]
    kernel = next((name for name in names if name in kernels), names[-1] if names else "")
    line = next((frame.line for frame in record.frames if frame.line is not None and not frame.file.endswith(_HEADERS)), None)
    return Hazard(
        tool=tool,
        kind=_kind(record),
        message=_sentence(record, len(group)),
        kernel=kernel,
        line=line,
        doubt=doubt.of_record(record, tool, text),
    )


def _kind(record: Record) -> str:
    """What the headline says, without what differs from thread to thread."""
    head = record.headline
    if "Race reported" in head or " hazard detected" in head:
        return "race in shared memory" + (" (warning)" if head.lower().startswith("warning") else "")
    if "misaligned" in " ".join(record.details):
        head = head.replace("Invalid", "Misaligned", 1)
    head = re.sub(r"^(?:(?:Error|Warning|Info): )?(?:\([^)]*\) )?", "", head)
    head = re.sub(r"__(\w+?)__", r"\1", head)
    head = re.sub(r" of size [\d,]+(?: bytes?)?| at (?:shared )?0x[0-9a-f]+.*| called by .*|\.$", "", head)
    head = re.sub(r" detected\. | encountered : ", ": ", head)
    return head[:1].lower() + head[1:]


def _sentence(record: Record, times: int) -> str:
    """One sentence for a person or a model, free of addresses: they differ from run to run."""
    if any(frame.access for frame in record.frames):
        parts = [f"the {frame.access} at {_place(frame)}" for frame in record.frames]
        text = f"{' and '.join(parts)} touch the same shared memory in different threads, and nothing orders them"
        return f"{text[:1].upper()}{text[1:]}."
    at = f" at {_place(record.frames[0])}" if record.frames else ""
    details = re.sub(r"(?:Access to|Access at|Address) 0x[0-9a-f]+ (?=is )", "the access ", "; ".join(record.details), flags=re.I)
    details = re.sub(r"(?:Address|Barrier at) 0x[0-9a-f]+ ?| at 0x[0-9a-f]+", "", details, flags=re.I)
    details = re.sub(r"(?:; )+", "; ", details.replace("; and ", " and ")).strip("; ")
    more = f"; {times} such errors" if times > 1 else ""
    return f"{record.headline.rstrip('.')}{at}{': ' if details else ''}{details}{more}."


def _place(frame: Frame) -> str:
    if frame.line is None:
        return frame.function or "an unknown place"
    return f"{frame.file}:{frame.line}" if frame.file.endswith(_HEADERS) else f"line {frame.line}"


def _missing(text: str, records_found: int, returncode: int | None) -> str:
    """Why a report without a hazard proves nothing; "" when it does prove something."""
    lines = list(tool_lines(text))
    for mark, reason in _UNABLE:
        if any(mark in line for line in lines):
            return f"compute-sanitizer: {reason}"
    totals = [match for line in lines if (match := _SUMMARY.match(line))]
    if not totals:
        return "compute-sanitizer did not finish its report" if lines else "compute-sanitizer gave no report"
    if any(_UNPRINTED.search(line) for line in lines):
        return "compute-sanitizer found more errors outside the candidate's kernels than it prints"
    if any(_ENDED.match(line) for line in lines):
        return "the program ended abnormally under compute-sanitizer, which found no reason"
    said = sum(int((match[1] or match[2]).replace(",", "")) for match in totals)
    if not records_found and (said or returncode == ERRORS_FOUND):
        return "compute-sanitizer counted errors that its report does not name"
    return ""
