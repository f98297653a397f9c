"""Drafts a task from a bare `.cu`: what can be read from it, what is likely, and what must be asked.

Nothing is certain here but the entry and its parameters. Whatever was only likely is an assumption, in words, in the drafted file
and in the task; what could not be told is a question, and then there is a file to fill in but no task.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from kernelsearch import codec
from kernelsearch.draft import entry, kernel, sizes, write
from kernelsearch.draft.entry import Entry, elements
from kernelsearch.draft.polynomial import Polynomial, product
from kernelsearch.draft.shapes import Buffer, Shapes, is_size
from kernelsearch.errors import UsageError
from kernelsearch.model import ArgKind, DType, Task
from kernelsearch.source import Parameter

_SCALARS = {"eps": 1e-5, "epsilon": 1e-5}  # values that common names ask for; 1.0 otherwise


_ROOT = re.compile(r"\b(?:r?sqrtf?|__fr?sqrt_rn|(?:__)?log(?:2|10)?f?)\s*\(\s*\w+\s*\[[^][]*\]\s*[+)]")  # of an element as it is
_LARGEST_BLOCK = 1024  # threads, every architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """`task` is None while there are `questions`; `toml` is then the file with the places to fill in."""

    task: Task | None
    toml: str
    assumptions: tuple[str, ...]
    questions: tuple[str, ...]
    source: str  # the kernel's text; with a drafted launch plan at its head where it had none


def draft(text: str, filename: str, *, elements: int) -> Draft:
    """The task that the source `text` suggests, its timed case near `elements` elements in the largest buffer.

    `filename` names the source in the task file; its stem becomes the task's name. Raises `UsageError` when the source has no entry.
    """
    return _Drafter(text, filename, elements).draft()


class _Drafter:
    def __init__(self, text: str, filename: str, elements: int) -> None:
        self.filename = PurePath(filename).name
        found, assumed = entry.find(text, self.filename)
        self.entry: Entry = found
        self.source = "".join(f"{line}\n" for line in found.plan_lines) + text
        self.assumptions = list(assumed)
        self.questions: list[str] = []
        self.readings = [kernel.read(text, use) for use in found.uses]
        self.shapes = Shapes(found, self.readings)
        self.elements = elements

    def draft(self) -> Draft:
        args = [self._arg(parameter) for parameter in self.entry.parameters]
        flops = self._flops()
        large = sizes.timed(self.shapes, self.elements, flops, self._cap())
        if large:
            self.assumptions.append("sizes " + ", ".join(f"{name}={value}" for name, value in large.items()))
        if self.entry.plan_lines:
            plan = " ".join(self.entry.plan_lines)
            self.questions.append(f"how the kernel is launched: put this line at the head of {self.filename}, once it is right: {plan}")
        if not any(b.kind is not ArgKind.INPUT for b in self.shapes.by_name.values()):
            self.questions.append("no output: no pointer parameter is written")
        content = write.Content(
            name=PurePath(self.filename).stem,
            source=self.filename,
            form=self.entry.form,
            entry=self.entry.name,
            args=args,
            cases=[large, *sizes.ragged(self.shapes, large)] if large else [{}],
            reduction=self._reduction(),
            bytes=self._bytes(),
            flops=flops.text(self.shapes.sizes) if flops is not None else "",
            distributions=self._distributions(),
            assumptions=self.assumptions,
        )
        toml = write.toml(content)
        task = None if self.questions else self._task(toml)
        said = (*self.assumptions, "reference = the baseline's own output")  # not in the file, where a reference may be written later
        return Draft(task=task, toml=toml, assumptions=said, questions=tuple(self.questions), source=self.source)

    def _task(self, toml: str) -> Task | None:
        try:
            return codec.task_from_toml(toml, where=self.filename, read=lambda _: self.source)
        except UsageError as error:
            self.questions.append(str(error))
            return None

    def _arg(self, parameter: Parameter) -> write.ArgLine:
        name, held = parameter.name, elements(parameter)
        if held is None or not name:
            self.questions.append(f"argument {name or '(unnamed)'}: what `{parameter.text}` is; only buffers and numbers can be passed")
            return write.ArgLine(
                values={"name": name, "kind": "input", "dtype": "f32", "shape": []}, remark=f"{write.FILL_IN}: {parameter.text}"
            )
        kind = held[0]
        if parameter.pointer:
            return self._buffer(self.shapes.by_name[name], kind, parameter)
        if is_size(parameter):
            return write.ArgLine(values={"name": name, "kind": "size", "dtype": kind.value})
        value = _SCALARS.get(name.lower(), 1.0)
        self.assumptions.append(f"{name} = {value:g}")
        return write.ArgLine(values={"name": name, "kind": "scalar", "dtype": kind.value, "value": value}, remark="assumed")

    def _buffer(self, buffer: Buffer, kind: DType, parameter: Parameter) -> write.ArgLine:
        values: dict[str, str | float | int | list[str]] = {"name": buffer.name, "kind": buffer.kind.value, "dtype": kind.value}
        remarks = []
        if buffer.shape is None:
            self.questions.append(f"the shape of {buffer.name}: its indices do not tell")
            values["shape"], remarks = [], [f"{write.FILL_IN} the shape, over the sizes"]
        else:
            values["shape"] = extents = [dim.text(self.shapes.sizes) for dim in buffer.shape]
            if buffer.assumed:
                self.assumptions.append(f"{buffer.name} has the shape [{', '.join(extents)}]: {buffer.assumed}")
                remarks = ["assumed"]
        if buffer.kind is ArgKind.INPUT and not parameter.const:
            self.assumptions.append(f"{buffer.name} is an input: it is not const, but no kernel writes it")
        if buffer.bordered:
            self.assumptions.append(f"{buffer.name} is passed in as well as out: its border is not written")
        if buffer.kind is not ArgKind.OUTPUT and not kind.is_float:
            remarks += self._contents(buffer, values)
        return write.ArgLine(values=values, remark=", ".join(remarks))

    def _contents(self, buffer: Buffer, values: dict[str, str | float | int | list[str]]) -> list[str]:
        """What an integer input may hold."""
        if buffer.structured:
            self.questions.append(
                f"the contents of {buffer.name}: its elements end loops, so they need a function; see [inputs] python in the task file"
            )
            return [f'{write.FILL_IN}: [inputs] python = "reference.py:inputs" that makes it']
        if buffer.high is None:
            return []
        values.update(low=0, high=buffer.high.text(self.shapes.sizes))
        self.assumptions.append(f"{buffer.name} holds 0 to {values['high']} - 1: it is used as an index")
        return ["assumed bounds"]

    def _reduction(self) -> str:
        """The longest loop that sums, or all of an input where sums are taken atomically."""
        lengths = [length for reading in self.readings for length in reading.reduced]
        if any(reading.adds_atomically for reading in self.readings):
            lengths += [product(b.shape) for b in self.shapes.by_name.values() if b.kind is ArgKind.INPUT and b.shape]
        longest = self.shapes.largest(lengths)
        return longest.text(self.shapes.sizes) if longest is not None and longest.names else "1"

    def _bytes(self) -> str:
        total = Polynomial.number(0)
        for parameter in self.entry.parameters:
            buffer, held = self.shapes.by_name.get(parameter.name), elements(parameter)
            if buffer is None:
                continue
            if buffer.shape is None or held is None:
                return ""
            passes = 2 if buffer.kind is ArgKind.INOUT else 1
            total += product(buffer.shape) * Polynomial.number(passes * held[0].size)
        return total.text(self.shapes.sizes)

    def _flops(self) -> Polynomial | None:
        total = Polynomial.number(0)
        for reading in self.readings:
            if reading.flops is None or not reading.flops.names <= set(self.shapes.sizes):
                return None
            total += reading.flops
        return total if total.names and self._floating() else None

    def _distributions(self) -> list[str]:
        if _ROOT.search(self.source) is None:
            return ["normal", "integers"]
        self.assumptions.append("inputs are positive: the root or logarithm of one is taken")
        return ["positive", "lognormal"]

    def _cap(self) -> int | None:
        """The largest size that one block can work on, where no launch has more than one and no loop goes on past the block."""
        one_block = bool(self.entry.uses) and all(set(use.grid) <= {"1"} for use in self.entry.uses)
        return _LARGEST_BLOCK if one_block and not re.search(r"\+=\s*blockDim", self.source) else None

    def _floating(self) -> bool:
        return any(held[0].is_float for p in self.entry.parameters if p.pointer and (held := elements(p)) is not None)


__all__ = ["Draft", "draft"]
