"""Cuts the text of compute-sanitizer into records: what was found, where, and with which details. Pure.

Lines of the tool begin with `=========`. A record is a headline, then lines that say where and more, then an empty line:

    ========= Invalid __global__ write of size 4 bytes
    =========     at saxpy+0x90 in candidate.cu:12
    =========     by thread (32,0,0) in block (0,0,0)
    =========     Access to 0x7f6510c00001 is out of bounds
    =========     and is 1 bytes after the nearest allocation at 0x7f6510c00000 of size 4,096 bytes
    =========         Device Frame: outer+0x30 in candidate.cu:44

The order inside a place has changed over the years (`at 0x3b0 in candidate.cu:12:saxpy(float *)`, `at saxpy():0x160`); all are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

PREFIX = "========="
_PLACES = (
    re.compile(r"(?P<name>.*?)(?:\+|:)0x[0-9a-f]+(?: in (?P<file>[^\s:]+):(?P<line>\d+))?(?: \[[\d,]+ hazards?\])?", re.I),
    re.compile(r"0x[0-9a-f]+ in (?P<file>[^\s:]+):(?P<line>\d+)(?::(?P<name>.*?))?(?: \[[\d,]+ hazards?\])?", re.I),
    re.compile(r"0x[0-9a-f]+ in (?P<name>.*?)(?: \[[\d,]+ hazards?\])?(?P<file>)(?P<line>)", re.I),
)
_ACCESS = re.compile(r"(?:and )?(Read|Write) (?:access|Thread \([^)]*\)) at (.+)", re.I)
_RACE = re.compile(r"(?:(\w+): )?Race reported between ((?:Read|Write) access at .+)", re.I)
_HEADLINE = re.compile(
    r"(?:(?:Error|Warning|Info): )?(?:\([^)]*\) )?(?:Invalid |Potential |Uninitialized __|Malloc/Free error |Stack overflow|Deadlock "
    r"|Program hit |Host API |Leaked |Unused |[\w ]+ error detected)",
    re.I,
)
_DETAIL = re.compile(
    r"(?:at |by |and |in |Address |Access |Barrier at |Device Frame|Host Frame|Saved host|Current Value|Read |Write )", re.I
)
_TALK = re.compile(
    r"COMPUTE-SANITIZER|(?:\w+ )?SUMMARY|Internal Sanitizer|Target application|Tracking kernels|No attachable|\(?\d+ \w+ (?:was|were) not"
    r"|(?:Error|Warning|Info|Fatal): |Process ID|CUDA version",
    re.I,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A place in device code: the function without its parameters, and its source when it was built with -lineinfo."""

    function: str = ""
    file: str = ""
    line: int | None = None
    access: str = ""  # "read" or "write", in races


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One headline with its frames, innermost first; `details` are the remaining lines."""

    headline: str
    frames: tuple[Frame, ...] = ()
    details: tuple[str, ...] = ()


@dataclass(slots=True)
class _Open:
    """A record that is still being read."""

    headline: str
    frames: list[Frame] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        if match := _ACCESS.match(line):
            self.frames.append(frame(match[2], access=match[1].lower()))
        elif match := re.match(r"(?:at |Device Frame: ?)(.+)", line, re.I):
            self.frames.append(frame(match[1]))
        elif not line.lower().startswith(("host frame", "saved host")):
            self.details.append(line)

    def closed(self) -> Record:
        return Record(headline=self.headline, frames=tuple(self.frames), details=tuple(self.details))


def records(text: str) -> tuple[Record, ...]:
    """Every record in `text`, in order. A headline of no known kind counts if a place in device code follows it."""
    found: list[_Open] = []
    current: _Open | None = None
    for line in tool_lines(text):
        race = _RACE.match(line)
        if race or _HEADLINE.match(line):
            current = _Open(f"{race[1] or 'Error'}: Race reported" if race else line)
            found.append(current)
            if race:
                current.add(race[2])
        elif not line or _TALK.match(line):
            current = None
        elif current is not None:
            current.add(line)
        elif not _DETAIL.match(line):
            current = _Open(line)
            found.append(current)
    return tuple(record.closed() for record in found if record.frames or _HEADLINE.match(record.headline))


def tool_lines(text: str) -> Iterator[str]:
    """The tool's own lines without their prefix; "" where it left one empty."""
    for line in text.splitlines():
        if line.startswith(PREFIX):
            yield line.removeprefix(PREFIX).strip()


def frame(place: str, *, access: str = "") -> Frame:
    """A place as the tool prints it; what cannot be read is taken for a function's name."""
    for pattern in _PLACES:
        if match := pattern.fullmatch(place.strip()):
            line = match["line"]
            number = int(line) if line and len(line) < 10 else None
            return Frame(function=plain(match["name"] or ""), file=match["file"] or "", line=number, access=access)
    return Frame(function=plain(place), access=access)


def plain(name: str) -> str:
    """A function's name as its source has it: `void ns::scale<float>(float *)` is "scale"."""
    name = re.sub(r"\[clone[^\]]*\]|\(anonymous namespace\)::|<unnamed>::|\[[\d,]+ hazards?\]", "", name).strip()
    name = re.split(r"[<(]", name, maxsplit=1)[0].strip()
    return re.split(r"::|\s", name)[-1]
