"""What the files of a spool hold: two lines of JSON, a cover and a body.

The cover has the format's number and the digest of the body, so that a file which is torn, foreign or of another version is known as
such before its body is read. A request holds all that judging takes: the task with its reference, the candidate, the kernel it has to
beat with its times, the counters to collect, whether power is wanted, and the secret that contents follow from. It holds nothing else:
no prompts and replies, no keys or names of models, no paths of the searching machine, and nothing about the walls that a worker puts up.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import kernelsearch
from kernelsearch import codec, digest
from kernelsearch.errors import UsageError
from kernelsearch.evaluate import Incumbent
from kernelsearch.model import Candidate, Environment, Evaluation, Hardware, MetricSet, Origin, Task

FORMAT = 1
_SOFTWARE = "kernelsearch"
_REMEDY = "install the same version on both machines"

T = TypeVar("T")


class OtherFormat(UsageError):
    """The file is ours, and of a version that this one does not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """The first line. `kind` is the name of the body's class."""

    software: str
    format: int
    kind: str
    digest: str  # of the body
    version: str  # of kernelsearch


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request. `turn` counts the times that it was asked, after answers that told of a failure of ours."""

    task: Task
    candidate: Candidate  # with an origin that says nothing
    incumbent: Incumbent | None
    trial: int | None
    metrics: MetricSet | None
    secret: str
    energy: bool = False  # what the device draws during its own calls is wanted too
    times: str = ""  # "measured" or "modelled", where the answer must be of that kind
    turn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A result: an evaluation and the hardware that it was made on, or why there is none (`error` names the exception's class)."""

    request: str
    worker: str
    evaluation: Evaluation | None = None
    hardware: Hardware | None = None
    failure: str = ""
    error: str = ""
    report: str = ""  # the profiler's own file, in base64

    def __post_init__(self) -> None:
        if (self.evaluation is None) != bool(self.failure) or (self.evaluation is None) != (self.hardware is None):
            raise ValueError("an answer has an evaluation with its hardware, or a failure")


def report_of(answer: Answer) -> bytes | None:
    """The profiler's own file, if it came along and is the one that the evaluation tells of."""
    profile = None if answer.evaluation is None else answer.evaluation.profile
    if profile is None or not answer.report:
        return None
    try:
        data = base64.b64decode(answer.report, validate=True)
    except ValueError:
        return None
    return data if digest.of_bytes(data) == profile.report else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who took a request up. `over`: it was given back; `failure` then says what befell the worker, if anything did."""

    worker: str
    over: bool = False
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A worker introduces itself. Without a beat for `lease_s` it is taken for dead."""

    worker: str
    environment: Environment
    hardware: Hardware
    lease_s: float
    beat_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What a worker did so far. `waited_s`: in which requests had no answer yet; `held_s`: of these, in which it held its device."""

    worker: str
    answered: int
    waited_s: float
    held_s: float

    @property
    def busy(self) -> float | None:
        """The share of the time with requests in which the device was held; None where there was no such time."""
        return self.held_s / self.waited_s if self.waited_s > 0 else None


def pack(letter: Wanted | Answer | Claim | Served | Worked) -> bytes:
    """The content of a file."""
    body = codec.dump_json(letter)
    kind = type(letter).__name__
    cover = Cover(software=_SOFTWARE, format=FORMAT, kind=kind, digest=digest.of_text(body), version=kernelsearch.__version__)
    return f"{codec.dump_json(cover)}\n{body}\n".encode()


def unpack(kind: type[T], data: bytes) -> T:
    """The letter that `pack` wrote. Raises `OtherFormat`, or `UsageError` for what is torn or not ours."""
    cover, body = _opened(kind, data)
    try:
        return codec.load_json(kind, body)
    except UsageError as error:
        raise _misread(cover, str(error)) from error


def _opened(kind: type[Any], data: bytes) -> tuple[Cover, str]:
    """Cover and body of a letter that is whole."""
    try:
        first, body, rest = data.decode().split("\n")
    except ValueError as error:  # of which a fault of encoding is one
        raise UsageError("it is torn, or not a letter of kernelsearch") from error
    cover = codec.load_json(Cover, first)
    if cover.software != _SOFTWARE:
        raise UsageError("it is not a letter of kernelsearch")
    if cover.format != FORMAT:
        raise OtherFormat(f"{_theirs(cover)} in format {cover.format}, and {kernelsearch.__version__} reads format {FORMAT}: {_REMEDY}")
    if cover.kind != kind.__name__:
        raise UsageError(f"it holds a {cover.kind}, where a {kind.__name__} belongs")
    if rest or digest.of_text(body) != cover.digest:
        raise UsageError("its digest differs, so it is not what was written")
    return cover, body


def _misread(cover: Cover, why: str) -> UsageError:
    """What is whole and still not as it should be: another version's vocabulary, if there is one."""
    if cover.version == kernelsearch.__version__:
        return UsageError(why)
    return OtherFormat(f"{_theirs(cover)}, and {kernelsearch.__version__} does not understand it ({why}): {_REMEDY}")


def _theirs(cover: Cover) -> str:
    return f"kernelsearch {cover.version} wrote it"


def request(wanted: Wanted) -> tuple[str, bytes]:
    """The name of a request and the content of its file; the same for the same question, also in a later session."""
    asked = replace(wanted, candidate=plain(wanted.candidate), incumbent=challenged(wanted.incumbent))
    same = codec.load_json(Wanted, codec.dump_json(asked))  # what came from a journal and what did not, in the same spelling
    return digest.of_text(codec.dump_json(same)), pack(same)


def wanted(name: str, data: bytes) -> Wanted:
    """The request called `name`. Raises as `unpack` does; also where its parts do not belong together."""
    cover, _ = _opened(Wanted, data)
    letter = unpack(Wanted, data)
    if digest.of_text(codec.dump_json(letter)) != name:  # which also says that nothing in it was passed over as unknown
        raise _misread(cover, "its name is not that of its content")
    if letter.candidate.task != digest.task(letter.task):
        raise _misread(cover, "its candidate is for another task")
    return letter


def plain(candidate: Candidate) -> Candidate:
    """Without what only the search needs to know of it."""
    return replace(candidate, origin=Origin(proposer=""))


def challenged(incumbent: Incumbent | None) -> Incumbent | None:
    """The kernel to beat, as `plain`."""
    return None if incumbent is None else replace(incumbent, candidate=plain(incumbent.candidate))
