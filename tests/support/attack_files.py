"""The files of tests/exploits/attacks and honest: their headers, and how each becomes a task and a candidate.

A header is the comment at the top of the file, one `key: value` a line, exactly the keys below in this order. A malformed one is refused
here rather than skipped: an attack that nobody runs would be worse than none. A header says what becomes of the file where nobody reads
it first: with the guard, any attack may end as rejected. `no gain` stands for an attack that the harness does not even notice, such as
a patched clock that nothing reads: it passes, and is no faster than the kernel that the task begins with.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import catalog, digest, guard
from kernelsearch.measure.statistics import MIN_EFFECT
from kernelsearch.model import Build, Candidate, Evaluation, Finding, Form, Measurement, Origin, Task, Verdict

ROOT = Path(__file__).resolve().parents[1] / "exploits"
FORMS = ("launcher", "kernels", "torch")
DEVICES = ("any", "gpu")  # gpu: the emulated device, or the host's CPU for torch, cannot run it, or cannot show it
NO_GAIN = "no gain"
_ATTACK = ("attack", "class", "task", "verdict", "device")
_HONEST = ("honest", "task", "device")
_COMMENT = {"launcher": "//", "kernels": "//", "torch": "#"}
_CLASSES = range(1, 71)  # the catalogue's numbers


class Malformed(Exception):
    """A header that cannot be used: file, line and what is wrong with it."""


class NoTorch(Exception):
    """This build of kernelsearch does not judge torch candidates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploitFile:
    """One attack, or one honest kernel (`verdicts` is then PASSED alone). `verdicts` has the right one first; `no_gain` allows an attack
    to pass as well, if that brings it nothing."""

    path: Path
    form: str
    honest: bool
    summary: str
    classes: tuple[int, ...]
    task: str
    verdicts: tuple[Verdict, ...]
    no_gain: bool
    device: str

    @property
    def name(self) -> str:
        """`attacks/launcher/01_no_op`: for test ids and tables."""
        return self.path.relative_to(ROOT).with_suffix("").as_posix()

    def load_task(self) -> Task:
        """The task it is written for. Raises `NoTorch` where torch candidates are not judged."""
        if self.form == "torch":
            return _torch_task(self.path.parent / self.task)
        beside = self.path.parent / self.task
        return catalog.task(str(beside) if beside.exists() else self.task)

    def allows(self, found: Evaluation, baseline: Callable[[], Measurement], *, guarded: bool) -> bool:
        """Whether `found` is right for it. `baseline` measures the task's own kernel, for times that were not taken in pairs with it."""
        if found.verdict in self.verdicts:
            return True
        if found.passed and found.measurement is not None:
            return self.no_gain and not gains(found.measurement, baseline)
        return guarded and not self.honest and found.verdict is Verdict.REJECTED

    @property
    def allowed(self) -> tuple[str, ...]:
        """What it may end as, in words."""
        return (*(verdict.value for verdict in self.verdicts), *([NO_GAIN] if self.no_gain else []))

    def candidate(self, task: Task) -> Candidate:
        flags = () if self.form == "torch" else task.flags
        return Candidate(task=digest.task(task), source=self.path.read_text(), flags=flags, origin=Origin(proposer="attack"))


def gains(measurement: Measurement, baseline: Callable[[], Measurement]) -> bool:
    """Whether it counts as faster than the baseline."""
    low = measurement.interval.low if measurement.interval is not None else measurement.speedup_over(baseline())
    return low > 1.0 + MIN_EFFECT


_unguarded = threading.local()


@contextmanager
def guard_can_be_off() -> Iterator[None]:
    """Meanwhile `guard_off` works. The guard itself has no such switch: its two functions are replaced."""
    check, inspect = guard.check, guard.inspect
    guard.check, guard.inspect = _unless_off(check), _unless_off(inspect)
    try:
        yield
    finally:
        guard.check, guard.inspect = check, inspect


@contextmanager
def guard_off() -> Iterator[None]:
    """What this thread evaluates meanwhile is looked at by nobody before it runs."""
    _unguarded.now = True
    try:
        yield
    finally:
        _unguarded.now = False


def _unless_off(look: Callable[..., tuple[Finding, ...]]) -> Callable[..., tuple[Finding, ...]]:
    def looked(of: Candidate | Build, task: Task) -> tuple[Finding, ...]:
        return () if getattr(_unguarded, "now", False) else look(of, task)

    return looked


def attacks() -> tuple[ExploitFile, ...]:
    """Every file under attacks/, by form and name."""
    return tuple(_files("attacks"))


def honest() -> tuple[ExploitFile, ...]:
    """Every file under honest/, by form and name."""
    return tuple(_files("honest"))


def read(path: Path) -> ExploitFile:
    """The file at `path`. Raises `Malformed`."""
    kind, form = path.relative_to(ROOT).parts[:2]
    if form not in FORMS:
        raise Malformed(f"{path}: the folder must be one of {', '.join(FORMS)}")
    is_honest = kind == "honest"
    values = _header(path, _COMMENT[form], _HONEST if is_honest else _ATTACK)
    words = [word.strip() for word in values.get("verdict", "").split("|")]
    found = ExploitFile(
        path=path,
        form=form,
        honest=is_honest,
        summary=values["honest" if is_honest else "attack"],
        classes=() if is_honest else _classes(path, values["class"]),
        task=values["task"],
        verdicts=(Verdict.PASSED,) if is_honest else _verdicts(path, [word for word in words if word != NO_GAIN]),
        no_gain=NO_GAIN in words,
        device=values["device"],
    )
    if found.device not in DEVICES:
        raise Malformed(f"{path}: device {found.device!r} is not one of {', '.join(DEVICES)}")
    _check_task(found)
    return found


def _files(kind: str) -> Iterator[ExploitFile]:
    for form in FORMS:
        suffix = "py" if form == "torch" else "cu"
        yield from (read(path) for path in sorted((ROOT / kind / form).glob(f"*.{suffix}")))


def _header(path: Path, comment: str, keys: tuple[str, ...]) -> dict[str, str]:
    lines = path.read_text().splitlines()
    values: dict[str, str] = {}
    for number, key in enumerate(keys, 1):
        line = lines[number - 1] if number <= len(lines) else ""
        match = re.fullmatch(rf"{comment} {key}: +(\S.*?)\s*", line)
        if match is None:
            raise Malformed(f"{path}:{number}: must be `{comment} {key}: …`, not {line[:60]!r}")
        values[key] = match[1]
    return values


def _classes(path: Path, text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")]
    if bad := [word for word in words if not word.isdigit() or int(word) not in _CLASSES]:
        raise Malformed(f"{path}: class {bad[0]!r} is not a number of the catalogue, 1 to 70")
    return tuple(int(word) for word in words)


def _verdicts(path: Path, words: list[str]) -> tuple[Verdict, ...]:
    known = {verdict.value: verdict for verdict in Verdict}
    if bad := [word for word in words if word not in known]:
        raise Malformed(f"{path}: verdict {bad[0]!r} is not one of {', '.join(known)}")
    found = tuple(known[word] for word in words)
    if Verdict.PASSED in found or len(set(found)) != len(found):
        raise Malformed(f"{path}: an attack may not pass, and no verdict is named twice")
    if Verdict.REJECTED in found:
        raise Malformed(f"{path}: any attack may be rejected; say what becomes of it otherwise")
    return found


def _check_task(found: ExploitFile) -> None:
    beside = found.path.parent / found.task
    if found.form == "torch":
        if not beside.is_file():
            raise Malformed(f"{found.path}: no problem file {found.task}")
    elif not beside.exists() and found.task not in catalog.names():
        raise Malformed(f"{found.path}: task {found.task!r} is neither in the catalogue nor a path beside the file")


def _torch_task(problem: Path) -> Task:
    if not any(form.name == "TORCH" for form in Form):
        raise NoTorch("this build has no torch form")
    try:
        from kernelsearch.formats import kernelbench
    except ImportError as error:
        raise NoTorch(f"this build does not read KernelBench problems: {error}") from error
    loaded: Task = kernelbench.load(problem)
    return loaded
