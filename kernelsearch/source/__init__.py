"""CUDA source as a syntax tree: kernels, launches, parameters, shared arrays, launch plans (tree-sitter's only door).

Positions are byte offsets into the UTF-8 text, lines count from 1. Nothing here raises on odd text, except `launch_plan`.
"""

from kernelsearch.source.likeness import Neighbours, distance
from kernelsearch.source.outline import (
    Function,
    Kernel,
    LaunchSite,
    Parameter,
    Problem,
    SharedArray,
    device_functions,
    functions,
    kernels,
    launches,
    problems,
    shared_arrays,
)
from kernelsearch.source.plan import launch_plan
from kernelsearch.source.tree import Edit, EditsOverlap, Node, Tree, apply, parse

__all__ = [
    "Edit",
    "EditsOverlap",
    "Function",
    "Kernel",
    "LaunchSite",
    "Neighbours",
    "Node",
    "Parameter",
    "Problem",
    "SharedArray",
    "Tree",
    "apply",
    "device_functions",
    "distance",
    "functions",
    "kernels",
    "launch_plan",
    "launches",
    "parse",
    "problems",
    "shared_arrays",
]
