"""Parts of prompts with their shorter forms: lines that go one by one, long texts cut to their beginning, sources to an outline."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from kernelsearch.propose.budget import Cut, Part
from kernelsearch.source import device_functions, functions, kernels

_PYTHON = re.compile(r"^\s*(?:class|def)\b.*|^\s*@.*", re.MULTILINE)


def counted(name: str, stage: str, total: int, shown: Callable[[int], str], *, what: str) -> Part:
    """What has `total` lines and loses them one by one; `shown` is the section with so many of them. Empty without any."""
    if not total:
        return Part(name=name, text="")
    fewer = (Cut(stage=stage, text=shown(left), said=f"{total - left} of {total} {what}") for left in range(total - 1, 0, -1))
    cuts = (*fewer, Cut(stage=stage, text="", said=what))
    return Part(name=name, text=shown(total), cuts=cuts)


def dropped(name: str, stage: str, text: str, *, said: str) -> Part:
    """What is there as a whole or not at all."""
    return Part(name=name, text=text, cuts=(Cut(stage=stage, text="", said=said),) if text else ())


def begun(stage: str, shown: Callable[[int], str], lengths: Sequence[int], *, what: str) -> tuple[Cut, ...]:
    """Forms of a long text that keep its first characters alone."""
    return tuple(Cut(stage=stage, text=shown(length), said=f"{what} after {length:,} characters") for length in lengths)


def outline(source: str, language: str) -> str:
    """What a program consists of, without how it is done: the heads of its functions; empty where none are found."""
    if language == "python":
        return "\n".join(line.rstrip() for line in _PYTHON.findall(source))
    data = source.encode("utf-8", "surrogatepass")
    found = sorted((*kernels(source), *device_functions(source), *functions(source)), key=lambda each: each.start)
    heads = dict.fromkeys(data[each.start : each.body].decode("utf-8", "surrogatepass") for each in found)
    return "\n".join(f"{' '.join(head.split())} {{ … }}" for head in heads)
