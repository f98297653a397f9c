"""Where a bare source is entered, and which kernels it launches with which arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kernelsearch import source
from kernelsearch.errors import UsageError
from kernelsearch.model import DType, Form

_DTYPES = {
    "double": DType.F64,
    "float": DType.F32,
    "half": DType.F16,
    "__half": DType.F16,
    "__nv_bfloat16": DType.BF16,
    "nv_bfloat16": DType.BF16,
    "int": DType.I32,
    "signed": DType.I32,
    "int32_t": DType.I32,
    "unsigned": DType.U32,
    "unsigned int": DType.U32,
    "uint32_t": DType.U32,
    "uint": DType.U32,
    "long": DType.I64,
    "long long": DType.I64,
    "long long int": DType.I64,
    "int64_t": DType.I64,
    "ptrdiff_t": DType.I64,
    "unsigned long": DType.U64,
    "unsigned long long": DType.U64,
    "uint64_t": DType.U64,
    "size_t": DType.U64,
    "std::size_t": DType.U64,
    "short": DType.I16,
    "int16_t": DType.I16,
    "unsigned short": DType.U16,
    "uint16_t": DType.U16,
    "char": DType.I8,
    "signed char": DType.I8,
    "int8_t": DType.I8,
    "unsigned char": DType.U8,
    "uint8_t": DType.U8,
    "bool": DType.BOOL,
}
# CUDA's vector types, by the name that their elements have in them.
_PACKED = {
    **{name: DType(kind) for name, kind in (("float", "f32"), ("double", "f64"), ("int", "i32"), ("uint", "u32"))},
    **{name: DType(kind) for name, kind in (("short", "i16"), ("ushort", "u16"), ("char", "i8"), ("uchar", "u8"))},
    **dict.fromkeys(("half", "__half"), DType.F16),
    **dict.fromkeys(("nv_bfloat16", "__nv_bfloat16"), DType.BF16),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One launch of a kernel, or one call of a device function: what it is passed, as texts over the entry's names."""

    kernel: source.Function
    args: tuple[str, ...]
    grid: tuple[str, ...] = ()
    block: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`name` is None for the kernels form. `uses` are the launches in order; `plan_lines` a drafted plan where there was none."""

    form: Form
    name: str | None
    parameters: tuple[source.Parameter, ...]
    uses: tuple[Use, ...]
    host: str = ""  # the text of the host function
    plan_lines: tuple[str, ...] = ()


def dtype(type_text: str) -> DType | None:
    """The element type that a C++ type stands for; None for structures, vectors and the like."""
    return _DTYPES.get(" ".join(type_text.split()))


def elements(parameter: source.Parameter) -> tuple[DType, int] | None:
    """What a parameter holds or points to: the element type, and how many are packed into one (`float4*`: F32, 4). None for the rest."""
    kind = dtype(parameter.type)
    if kind is not None:
        return kind, 1
    name = " ".join(parameter.type.split())
    packed = _PACKED.get(name[:-1]) if parameter.pointer and name[-1:] in ("2", "3", "4") else None
    return None if packed is None else (packed, int(name[-1]))


def find(text: str, filename: str) -> tuple[Entry, tuple[str, ...]]:
    """The entry, and what had to be assumed to choose it. Raises `UsageError` when there is nothing to enter."""
    launchers = [f for f in source.functions(text) if f.extern_c and not f.template]
    launching = [f for f in launchers if any(site.function == f.name for site in source.launches(text))]
    chosen = next((f for f in launchers if f.name == "solve"), launching[-1] if launching else None)
    if chosen is not None:
        others = [f.name for f in launching if f is not chosen]
        assumed = (f"the entry is {chosen.name}, not {' or '.join(others)}",) if others else ()
        return _launcher(text, chosen), assumed
    if not source.kernels(text):
        raise UsageError(f'{filename}: no kernel and no extern "C" function in it, so there is nothing to call')
    if source.launches(text):
        outer = sorted({site.function for site in source.launches(text)} - {""})
        raise UsageError(
            f"{filename}: kernels are launched by {' and '.join(outer)}, which cannot be called from outside; "
            'launch them in an extern "C" function that takes device pointers and sizes'
        )
    return _kernels(text)


def _launcher(text: str, function: source.Function) -> Entry:
    kernels = {kernel.name: kernel for kernel in source.kernels(text)}
    host = source.parse(text).slice(function.start, function.end)
    uses = tuple(
        Use(
            kernel=kernels[site.kernel_name],
            args=tuple(_inlined(host, arg) for arg in site.args),
            grid=_dimensions(host, site.grid),
            block=_dimensions(host, site.block),
        )
        for site in source.launches(text)
        if site.kernel_name in kernels and site.function == function.name
    )
    return Entry(form=Form.LAUNCHER, name=function.name, parameters=function.parameters, uses=uses, host=host)


def _kernels(text: str) -> tuple[Entry, tuple[str, ...]]:
    kernels = {kernel.name: kernel for kernel in source.kernels(text)}
    try:
        plan = source.launch_plan(text)
    except UsageError:
        if "// launch:" in text:
            raise
        return _without_plan(list(kernels.values())[-1])
    uses = []
    for launch in plan.launches:
        grid, block = (tuple(extent.text for extent in extents) for extents in (launch.grid, launch.block))
        uses.append(Use(kernel=kernels[launch.kernel], args=launch.args, grid=grid, block=block))
    parameters: dict[str, source.Parameter] = {}
    scratch = {buffer.name for buffer in plan.scratch}
    for use in uses:
        for arg, parameter in zip(use.args, use.kernel.parameters, strict=True):
            if arg.isidentifier() and arg not in scratch:
                known = parameters.get(arg)
                parameters[arg] = parameter if known is None or (known.const and not parameter.const) else known
    named = tuple(_renamed(parameter, name) for name, parameter in parameters.items())
    return Entry(form=Form.KERNELS, name=None, parameters=named, uses=tuple(uses)), ()


def _without_plan(kernel: source.Kernel) -> tuple[Entry, tuple[str, ...]]:
    """A kernel alone: a plan that gives every element of its sizes a thread, to be checked by a person."""
    args = tuple(parameter.name for parameter in kernel.parameters)
    sizes = [p.name for p in kernel.parameters if not p.pointer and (kind := dtype(p.type)) is not None and not kind.is_float]
    block, count = (("256",), 1) if len(sizes) < 2 else (("16", "16"), 2)
    grid = tuple(f"cdiv({size}, {extent})" for size, extent in zip(reversed(sizes[:count]), block, strict=False)) or ("1",)
    line = f"// launch: {kernel.name} grid=({', '.join(grid)}) block=({', '.join(block)}) args=({', '.join(args)})"
    use = Use(kernel=kernel, args=args, grid=grid, block=block)
    entry = Entry(form=Form.KERNELS, name=None, parameters=kernel.parameters, uses=(use,), plan_lines=(line,))
    return entry, ()


def _renamed(parameter: source.Parameter, name: str) -> source.Parameter:
    return source.Parameter(
        **{field: getattr(parameter, field) for field in ("text", "type", "pointer", "reference", "const", "restrict", "start", "end")},
        name=name,
    )


def _inlined(host: str, arg: str) -> str:
    """A local integer of the host function as the expression it was set to."""
    match = re.search(rf"\b(?:int|size_t|long|unsigned|auto)\s+{re.escape(arg)}\s*=\s*([^;]+);", host) if arg.isidentifier() else None
    return match[1] if match else arg


def _dimensions(host: str, text: str) -> tuple[str, ...]:
    """Grid or block as one to three texts; `text` may name a variable of the host function."""
    if text.isidentifier():
        match = re.search(rf"\b{text}\s*(?:=\s*dim3\s*)?[({{]((?:[^(){{}}]|\([^()]*(?:\([^()]*\)[^()]*)*\))*)[)}}]\s*[;,]", host)
        text = match[1] if match else _inlined(host, text)
    elif match := re.fullmatch(r"dim3\s*[({](.*)[)}]", text, re.DOTALL):
        text = match[1]
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return tuple(part.strip() for part in parts)
