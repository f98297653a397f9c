"""The launch plan that a source of the `kernels` form carries in its comments.

    // launch: box_blur grid=(cdiv(width,32), cdiv(height,8)) block=(32,8) shared=0 args=(in, out, width, height)
    // scratch: tmp f32 [rows*cols]

Launches run in the order of their lines. `shared` may be left out. Dimensions are one to three expressions.
"""

from __future__ import annotations

import re

from kernelsearch.errors import UsageError
from kernelsearch.model import DType, Expression, Launch, LaunchPlan, Scratch
from kernelsearch.source.outline import kernels
from kernelsearch.source.tree import parse

_FORM = "// launch: KERNEL grid=(…) block=(…) shared=BYTES args=(…)"
_SCRATCH_FORM = "// scratch: NAME DTYPE [ELEMENTS]"
_DIRECTIVE = re.compile(r"//\s*(launch|scratch):\s*(.*?)\s*$", re.DOTALL)
_SCRATCH = re.compile(r"([A-Za-z_]\w*)\s+(\w+)\s*\[(.+)\]$", re.DOTALL)


def launch_plan(text: str) -> LaunchPlan:
    """The plan in the comments of `text`. Raises `UsageError` with the line for one that cannot be used, and when there is none."""
    tree = parse(text)
    parameters = {kernel.name: len(kernel.parameters) for kernel in kernels(text)}
    launches: list[Launch] = []
    scratch: list[Scratch] = []
    for comment in tree.walk("comment"):
        match = _DIRECTIVE.match(tree.text_of(comment))
        if match is None:
            continue
        try:
            if match[1] == "launch":
                launches.append(_launch(match[2], parameters))
            else:
                scratch.append(_scratch(match[2], scratch))
        except UsageError as error:
            raise UsageError(f"line {tree.line(comment.start_byte)}: {error}") from error
    if not launches:
        raise UsageError(f"the source has no launch plan; add a comment of the form `{_FORM}`")
    return LaunchPlan(launches=tuple(launches), scratch=tuple(scratch))


def _launch(text: str, parameters: dict[str, int]) -> Launch:
    kernel, *fields = _words(text) or [""]
    values: dict[str, str] = {}
    for field in fields:
        key, equals, value = field.partition("=")
        if not equals or key not in ("grid", "block", "shared", "args"):
            raise UsageError(f"cannot read {field!r} in the launch; the form is `{_FORM}`")
        if key in values:
            raise UsageError(f"{key} is given twice in the launch of {kernel}")
        values[key] = value
    if kernel not in parameters:
        raise UsageError(f"the launch names {kernel!r}, which is not a kernel of this source: {', '.join(parameters) or 'it has none'}")
    if missing := [key for key in ("grid", "block", "args") if key not in values]:
        raise UsageError(f"the launch of {kernel} lacks {' and '.join(missing)}; the form is `{_FORM}`")
    args = tuple(_items(values["args"]))
    for item in args:
        if not item.isidentifier():  # a name may be a Python keyword, such as `in`
            Expression(item)
    if len(args) != parameters[kernel]:
        raise UsageError(f"the launch passes {len(args)} arguments, but {kernel} takes {parameters[kernel]}")
    return Launch(
        kernel=kernel,
        grid=_dimensions("grid", values["grid"]),
        block=_dimensions("block", values["block"]),
        shared=Expression(values.get("shared", "0")),
        args=args,
    )


def _scratch(text: str, earlier: list[Scratch]) -> Scratch:
    match = _SCRATCH.match(text)
    if match is None:
        raise UsageError(f"cannot read the scratch buffer {text!r}; the form is `{_SCRATCH_FORM}`")
    name, dtype, extent = match.groups()
    if dtype not in {member.value for member in DType}:
        raise UsageError(f"unknown dtype {dtype!r} of scratch buffer {name}; one of {', '.join(member.value for member in DType)}")
    if any(other.name == name for other in earlier):
        raise UsageError(f"scratch buffer {name} is declared twice")
    return Scratch(name=name, dtype=DType(dtype), extent=Expression(extent))


def _dimensions(key: str, text: str) -> tuple[Expression, Expression, Expression]:
    items = [Expression(item) for item in _items(text)]
    if not 1 <= len(items) <= 3:
        raise UsageError(f"{key} has {len(items)} dimensions, must be 1 to 3")
    x, y, z = [*items, Expression("1"), Expression("1")][:3]
    return x, y, z


def _items(text: str) -> list[str]:
    """`(a, f(b, c))` is a, f(b, c); without one pair of parentheses around it all, the text is one item."""
    if not (text.startswith("(") and _closing(text) == len(text) - 1):
        return [text]
    inner = text[1:-1].strip()
    return [item.strip() for item in _split(inner, ",")] if inner else []


def _words(text: str) -> list[str]:
    return [word for word in _split(text.replace("\t", " "), " ") if word]


def _closing(text: str) -> int:
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return position
    return -1


def _split(text: str, separator: str) -> list[str]:
    """At separators outside parentheses. Raises `UsageError` when parentheses do not match."""
    parts, depth, begin = [], 0, 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
        if character == separator and depth == 0:
            parts.append(text[begin:position])
            begin = position + 1
    if depth != 0:
        raise UsageError(f"parentheses do not match in {text!r}")
    return [*parts, text[begin:]]
