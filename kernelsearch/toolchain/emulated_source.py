"""CUDA source to the C++ that the emulated device compiles: the words C++ lacks are replaced, line numbers stay.

The target forms are those of sandbox/emulation/abi.h. What cannot be emulated and would not be noticed by the headers is found here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kernelsearch import source
from kernelsearch.model import LaunchPlan

_COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"', re.DOTALL)
_UNROLL = re.compile(r"^([ \t]*#[ \t]*pragma[ \t]+)unroll\b[ \t(]*(\d*)[^\n]*$", re.MULTILINE)
_MAX_UNROLL, _DEFAULT_UNROLL = 65_534, 16  # what GCC takes; what a bare pragma asks for here
_UNSUPPORTED = (
    (re.compile(r"\basm\s*(?:volatile\b|__volatile__\b)?\s*(?:volatile\b)?\s*\("), "inline assembly (asm)"),
    (re.compile(r"\btexture\s*<|\bsurface\s*<"), "texture and surface references"),
    (re.compile(r"\btex[123]D(?:fetch|Lod|Grad)?\s*[<(]|\bcudaTextureObject_t\b"), "textures"),
    (re.compile(r"\b__cluster_dims__\b|\bcudaLaunchKernelEx\b"), "thread-block clusters"),
    (re.compile(r"\bcudaLaunchCooperativeKernel\b"), "cooperative launches"),
    # The runtime's own names: a candidate that knows them is after its counters.
    (re.compile(r"\b(?:ks_emu|KS_EMU|ks_plan|__tsan|__sanitizer)_?\w*"), "the emulation's own functions"),
)

# The runner packs a launch's arguments by the kernel's own parameter types, which only the compiler knows: "p8 f4 i4 ". Plain characters,
# as whatever is here is built into the candidate.
_SIGNATURES = """
#include <type_traits>
namespace ks_plan {
struct Code { char kind, size, space; };
template <class T> constexpr Code code() {
    using U = std::remove_cv_t<T>;
    constexpr char kind = std::is_pointer_v<U> ? 'p' : std::is_floating_point_v<U> ? 'f' : !std::is_integral_v<U> ? '?'
                        : std::is_signed_v<U> ? 'i' : 'u';
    return {kind, sizeof(U) < 10 ? static_cast<char>('0' + sizeof(U)) : '+', ' '};
}
template <class... A> const char* codes(void (*)(A...)) {
    static constexpr Code all[] = {code<A>()..., Code{}};
    return &all[0].kind;
}
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported:
    """A construct without an emulation, and the line it stands on."""

    line: int
    construct: str


def unsupported(text: str) -> Unsupported | None:
    """The first construct in `text` that only a real device knows, comments and strings aside."""
    code = _code(text)
    found = [(match.start(), construct) for pattern, construct in _UNSUPPORTED if (match := pattern.search(code))]
    if not found:
        return None
    offset, construct = min(found)
    return Unsupported(line=code.count("\n", 0, offset) + 1, construct=construct)


def not_rewritten(text: str) -> Unsupported | None:
    """A launch that `rewrite` left in `text` as it was, because it is not one to the syntax tree."""
    code = _code(text)
    offset = code.find("<<<")
    return None if offset < 0 else Unsupported(line=code.count("\n", 0, offset) + 1, construct="this form of a launch (inside a macro?)")


def _code(text: str) -> str:
    """`text` with comments and strings blanked out, line ends kept."""
    return _COMMENT_OR_STRING.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def rewrite(text: str, plan: LaunchPlan | None) -> str:
    """C++ for the emulation's headers. With `plan`, each of its kernels is exported for the runner to launch."""
    tree = source.parse(text)
    edits = [source.Edit(start=site.start, end=site.end, text=_launch(site)) for site in source.launches(text)]
    arrays = source.shared_arrays(text)
    for start, end in {(array.start, array.end) for array in arrays}:
        declared = [array for array in arrays if array.start == start]
        edits.append(source.Edit(start=start, end=end, text=_shared(tree.slice(start, end), declared)))
    kept: list[source.Edit] = []
    for edit in sorted(edits, key=lambda e: e.start):
        if not kept or edit.start >= kept[-1].end:  # a launch inside a launch is no program; the compiler will say so
            kept.append(source.Edit(start=edit.start, end=edit.end, text=_pad(edit.text, tree.slice(edit.start, edit.end))))
    return _UNROLL.sub(_unroll, source.apply(text, kept)) + ("" if plan is None else _exports(plan))


def _launch(site: source.LaunchSite) -> str:
    fields = [f"({site.kernel})", _dimension(site.grid), _dimension(site.block), f"({site.shared or 0})", f"({site.stream or 0})"]
    return f"KS_LAUNCH({', '.join([*fields, *site.args])})"


def _dimension(text: str) -> str:
    """Braces cannot be passed to a macro, so `{8, 8}` becomes `dim3{8, 8}`."""
    text = text.strip()
    return f"(dim3{text})" if text.startswith("{") else f"({text})"


def _shared(declaration: str, arrays: list[source.SharedArray]) -> str:
    if arrays[0].dynamic:
        return " ".join(f"KS_DYNAMIC_SHARED({array.type}, {array.name});" for array in arrays)
    return declaration.replace("alignas(", "__align__(")


def _pad(new: str, old: str) -> str:
    """As many line ends as before, so that the compiler's line numbers are the candidate's."""
    return new + "\n" * max(0, old.count("\n") - new.count("\n"))


def _unroll(match: re.Match[str]) -> str:
    """GCC wants a count. Unrolled as by nvcc, a loop has fewer basic blocks, which the time model counts."""
    return f"{match[1]}GCC unroll {min(int(match[2]), _MAX_UNROLL) if match[2] else _DEFAULT_UNROLL}"


def _exports(plan: LaunchPlan) -> str:
    names = sorted({launch.kernel for launch in plan.launches})
    lines = [f'KS_EMU_EXPORT({name})\nextern "C" const char* ks_signature_{name}() {{ return ks_plan::codes(&{name}); }}' for name in names]
    return "\n".join(['\n#line 1 "launch plan"', _SIGNATURES, *lines, ""])
