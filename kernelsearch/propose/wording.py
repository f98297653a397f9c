"""Templates of prompts and the shapes of what is put into them: whatever stems from a candidate or a tool is fenced, or cut to one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kernelsearch.model import Form, Task
from kernelsearch.templates import render, render_block

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_LINE = 160
_LANGUAGE = {Form.TORCH: "python"}  # of the sources; CUDA where nothing is said


def fill(name: str, **values: object) -> str:
    """The template `name` with `values`."""
    return render(_TEMPLATES, name, fence=fence, **values)


def block(name: str, part: str, **values: object) -> str:
    """The block `part` alone of the template `name`."""
    return render_block(_TEMPLATES, name, part, fence=fence, **values)


def language(task: Task) -> str:
    """Of the task's sources, as a fence names it."""
    return _LANGUAGE.get(task.form, "cuda")


def fence(text: str, language: str) -> str:
    """`text` between fences that nothing in it can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    bar = "`" * max(3, longest + 1)
    return f"{bar}{language}\n{text.rstrip()}\n{bar}"


def one_line(text: str, limit: int = _LINE) -> str:
    """`text` on one line, cut to `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def si(value: float, unit: str) -> str:
    """A quantity with a decimal prefix: 3.35 TB/s."""
    prefixes: Sequence[tuple[float, str]] = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
    for size, prefix in prefixes:
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"
