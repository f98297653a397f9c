"""What a source looks like, in figures that conditions of the playbook can read. Counted in device code alone, comments left out.

A feature that begins with `has_` is 0 or 1. They are hints for choosing what to try, never a proof of anything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

from kernelsearch import source as cuda
from kernelsearch.source import Kernel, Node, Tree

FEATURES: Mapping[str, str] = {
    "kernels": "__global__ functions",
    "launches": "launches, in the source or in its launch plan",
    "loops": "loops",
    "loop_depth": "loops within loops, at the deepest",
    "serial_loops": "for loops that every thread runs by itself: their start does not depend on the thread",
    "branches": "if statements and conditional expressions within loops",
    "divisions": "divisions and remainders whose right side is no literal, in expressions without floating-point literals",
    "gathers": "subscripts that hold another subscript: a[b[i]]",
    "products": "sums of products of two array elements: s += a[…] * b[…]",
    "neighbours": "most elements of one array that one iteration reads at constant distances",
    "global_updates": "compound assignments to a pointer parameter's element within a loop",
    "double_literals": "floating-point literals without f",
    "special_calls": "calls of exp, log, sin, pow, sqrt and their like",
    "double_calls": "of those, calls by the name that double has: exp, not expf",
    "has_shared": "a shared array",
    "has_dynamic_shared": "a shared array whose size comes from the launch",
    "has_square_shared": "a shared array of two dimensions whose last one is a multiple of 16 or a name alone",
    "has_syncthreads": "__syncthreads",
    "has_shuffle": "warp shuffles or warp reductions",
    "has_atomics": "atomic operations",
    "has_vectors": "float4 and other vector types",
    "has_half": "16-bit or smaller float types",
    "has_double": "double, or a literal that makes arithmetic double",
    "has_restrict": "__restrict__ on every pointer parameter",
    "has_read_only": "__ldg, or const __restrict__ pointers",
    "has_unroll": "#pragma unroll",
    "has_launch_bounds": "__launch_bounds__",
    "has_tensor_cores": "wmma, mma or wgmma",
    "has_async_copy": "cp.async, memcpy_async or pipelines",
    "has_tma": "cp.async.bulk or tensor maps",
    "has_barriers": "mbarrier or cuda::barrier",
    "has_cooperative": "cooperative groups",
    "has_clusters": "thread block clusters",
    "has_asm": "inline assembly",
    "has_fast_intrinsics": "__expf, __fdividef and their like",
    "has_wide_index": "64-bit integers",
    "has_grid_stride": "a loop that advances by gridDim",
    "has_two_axes": "threadIdx.y",
    "has_early_exit": "break in a loop",
    "has_cache_hints": "__ldcs, __stcs, __ldcg and their like",
}

_LOOPS = ("for_statement", "while_statement", "do_statement")
_VECTOR = re.compile(r"\b(?:float|int|uint|double|half|short|char|uchar|ushort)[234]\b|\b__(?:half|nv_bfloat16)2\b")
_HALF = re.compile(r"\b(?:__half2?|half2?|__nv_bfloat162?|nv_bfloat162?|__nv_fp8\w*)\b")
_WIDE = re.compile(r"\b(?:size_t|int64_t|uint64_t|ptrdiff_t|long)\b")
_WORDS: Mapping[str, re.Pattern[str]] = {
    "has_syncthreads": re.compile(r"\b__syncthreads"),
    "has_shuffle": re.compile(r"\b__shfl_\w+|\b__reduce_\w+_sync"),
    "has_atomics": re.compile(r"\batomic[A-Z]\w*|\batom\.|\bred\."),
    "has_vectors": _VECTOR,
    "has_half": _HALF,
    "has_tensor_cores": re.compile(r"\bwmma\b|\bmma_sync\b|\bmma\.sync|\bwgmma"),
    "has_async_copy": re.compile(r"cp\.async|\bmemcpy_async\b|\b__pipeline_\w+"),
    "has_tma": re.compile(r"cp\.async\.bulk|\bCUtensorMap\b|\bcp_async_bulk\w*"),
    "has_barriers": re.compile(r"\bmbarrier\b|\bcuda::barrier\b"),
    "has_cooperative": re.compile(r"\bcooperative_groups\b|\bcg::|\bthis_(?:thread_block|grid)\b|\btiled_partition\b"),
    "has_clusters": re.compile(r"\b__cluster_dims__|\bthis_cluster\b|\bcluster_group\b|\bbarrier\.cluster"),
    "has_fast_intrinsics": re.compile(r"\b__(?:expf|exp10f|logf|log2f|sinf|cosf|powf|tanf|fdividef|frcp_rn|frsqrt_rn)\b"),
    "has_wide_index": _WIDE,
    "has_grid_stride": re.compile(r"\+=[^;)]*\bgridDim\b"),
    "has_two_axes": re.compile(r"\bthreadIdx\s*\.\s*y\b"),
    "has_cache_hints": re.compile(r"\b__(?:ldcs|ldcg|ldca|ldlu|stcs|stcg|stwt)\b|\bld\.global\.(?:nc\.)?[LlEe]|\bcreatepolicy\b"),
    "has_unroll": re.compile(r"#\s*pragma\s+unroll"),
}
_SPECIAL = re.compile(r"_{0,2}(?:exp|exp2|exp10|expm1|log|log2|log10|log1p|sin|cos|tan|tanh|sinh|cosh|pow|sqrt|rsqrt|erf|erfc|cbrt)f?")
_DOUBLE = re.compile(r"(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+")
_THREAD = re.compile(r"\b(?:threadIdx|blockIdx)\b")
_PLANNED = re.compile(r"^\s*//\s*launch:", re.MULTILINE)
_PRODUCT = re.compile(r"\]\s*\*[^;]*\]")


@lru_cache(maxsize=256)
def features(text: str) -> Mapping[str, int]:
    """Every feature of a CUDA source; all 0 for what holds no kernel."""
    tree, kernels = cuda.parse(text), cuda.kernels(text)
    bodies = {function.body for function in (*kernels, *cuda.device_functions(text))}
    blocks = [node for node in tree.walk("compound_statement") if node.start_byte in bodies]
    found = dict.fromkeys(FEATURES, 0)
    found |= {"kernels": len(kernels), "launches": len(cuda.launches(text)) + len(_PLANNED.findall(text))}
    words = _without_comments(tree, blocks)
    found |= _words(words) | _shared(text) | _parameters(kernels)
    found["has_read_only"] |= int(re.search(r"\b__ldg\b", words) is not None)
    for block in blocks:
        _count(tree, block, found, {p.name for k in kernels for p in k.parameters if p.pointer and k.body == block.start_byte})
    found["has_double"] = int(bool(found["double_literals"]) or _names_double(tree, blocks))
    return found


def _without_comments(tree: Tree, blocks: Iterable[Node]) -> str:
    """Device code as text, comments blanked out, with what stands before its kernels: types and attributes."""
    pieces = []
    for block in blocks:
        whole = block.parent or block
        start = whole.start_byte
        for comment in tree.walk("comment", under=whole):
            pieces.append(tree.slice(start, comment.start_byte))
            start = comment.end_byte
        pieces.append(tree.slice(start, whole.end_byte))
    return "\n".join(pieces)


def _words(text: str) -> dict[str, int]:
    found = {name: int(pattern.search(text) is not None) for name, pattern in _WORDS.items()}
    return found | {"has_asm": int(re.search(r"\basm\b", text) is not None)}


def _shared(text: str) -> dict[str, int]:
    arrays = cuda.shared_arrays(text)
    square = any(len(a.dims) == 2 and re.fullmatch(r"[A-Za-z_]\w*|\d*(?:16|32|48|64|80|96|28|56|12)", a.dims[1]) for a in arrays)
    return {
        "has_shared": int(any(a.dims for a in arrays)),
        "has_dynamic_shared": int(any(a.dynamic for a in arrays)),
        "has_square_shared": int(square),
    }


def _parameters(kernels: tuple[Kernel, ...]) -> dict[str, int]:
    pointers = [p for kernel in kernels for p in kernel.parameters if p.pointer]
    return {
        "has_restrict": int(bool(pointers) and all(p.restrict for p in pointers)),
        "has_read_only": int(any(p.restrict and p.const for p in pointers)),
        "has_launch_bounds": int(any(kernel.launch_bounds for kernel in kernels)),
    }


def _count(tree: Tree, block: Node, found: dict[str, int], pointers: set[str]) -> None:
    """Add what one function's body holds."""
    thread = _thread_names(tree, block)
    reads: Counter[tuple[str, str]] = Counter()
    seen: set[str] = set()
    for node in tree.walk(under=block):
        match node.type:
            case "for_statement" | "while_statement" | "do_statement":
                found["loops"] += 1
                found["loop_depth"] = max(found["loop_depth"], 1 + _loops_around(node, block))
                found["serial_loops"] += int(_serial(tree, node, thread))
            case "if_statement" | "conditional_expression":
                found["branches"] += int(_loops_around(node, block) > 0)
            case "break_statement":
                found["has_early_exit"] |= int(_loops_around(node, block) > 0)
            case "binary_expression":
                found["divisions"] += int(_divides(tree, node))
            case "number_literal":
                found["double_literals"] += int(_DOUBLE.fullmatch(tree.text_of(node)) is not None)
            case "call_expression":
                callee = node.child_by_field_name("function")
                name = "" if callee is None else tree.text_of(callee)
                found["special_calls"] += int(_SPECIAL.fullmatch(name) is not None)
                found["double_calls"] += int(_SPECIAL.fullmatch(name) is not None and not name.startswith("_") and name[-1] != "f")
            case "assignment_expression":
                found["products"] += int(_is_product(tree, node))
                found["global_updates"] += int(_updates(tree, node, pointers) and _loops_around(node, block) > 0)
            case "subscript_expression":
                found["gathers"] += int(_holds_subscript(tree, node))
                if tree.text_of(node) not in seen and not _written(node):
                    seen.add(tree.text_of(node))
                    reads[_neighbourhood(tree, node)] += 1
    found["neighbours"] = max(found["neighbours"], max(reads.values(), default=0))


def _thread_names(tree: Tree, block: Node) -> set[str]:
    """Variables whose first value is made from the thread's or block's index, directly or by way of another."""
    names: set[str] = set()
    for node in tree.walk("init_declarator", under=block):
        name, value = node.child_by_field_name("declarator"), node.child_by_field_name("value")
        if name is None or value is None:
            continue
        read = {tree.text_of(part) for part in tree.walk("identifier", under=value)}
        if read & ({"threadIdx", "blockIdx"} | names):
            names.add(tree.text_of(name))
    return names


def _serial(tree: Tree, node: Node, thread: set[str]) -> bool:
    initial = node.child_by_field_name("initializer") if node.type == "for_statement" else None
    if initial is None:
        return False
    read = {tree.text_of(part) for part in tree.walk("identifier", under=initial)}
    return not read & (thread | {"threadIdx", "blockIdx"})


def _loops_around(node: Node, block: Node) -> int:
    depth, parent = 0, node.parent
    while parent is not None and parent != block:
        depth += parent.type in _LOOPS
        parent = parent.parent
    return depth


def _divides(tree: Tree, node: Node) -> bool:
    operator, right = node.child_by_field_name("operator"), node.child_by_field_name("right")
    if operator is None or right is None or operator.type not in ("/", "%") or right.type == "number_literal":
        return False
    return operator.type == "%" or not re.search(r"\d\.|\.\d|\df\b", tree.text_of(node))


def _is_product(tree: Tree, node: Node) -> bool:
    operator, right = node.child_by_field_name("operator"), node.child_by_field_name("right")
    return operator is not None and operator.type == "+=" and right is not None and bool(_PRODUCT.search(tree.text_of(right)))


def _updates(tree: Tree, node: Node, pointers: set[str]) -> bool:
    operator, left = node.child_by_field_name("operator"), node.child_by_field_name("left")
    if operator is None or left is None or operator.type == "=" or left.type != "subscript_expression":
        return False
    array = left.child_by_field_name("argument")
    return array is not None and tree.text_of(array) in pointers


def _holds_subscript(tree: Tree, node: Node) -> bool:
    indices = node.child_by_field_name("indices")
    return indices is not None and any(True for _ in tree.walk("subscript_expression", under=indices))


def _neighbourhood(tree: Tree, node: Node) -> tuple[str, str]:
    """Array, and index without numbers and signs: equal for elements at constant distances from each other."""
    array, indices = node.child_by_field_name("argument"), node.child_by_field_name("indices")
    name = "" if array is None else tree.text_of(array)
    index = "" if indices is None else re.sub(r"(?<![\w.])\d+(?![\w.])|[-+\s()]", "", tree.text_of(indices))
    return name, index


def _written(node: Node) -> bool:
    parent = node.parent
    return parent is not None and parent.type == "assignment_expression" and parent.child_by_field_name("left") == node


def _names_double(tree: Tree, blocks: Iterable[Node]) -> bool:
    return any(tree.text_of(node) == "double" for block in blocks for node in tree.walk("primitive_type", under=block))
