"""KernelBench: its problems as tasks, one by one or a level at a time, and results in the files that its own scripts read."""

from kernelsearch.formats.kernelbench.problem import Problem, as_task, export_model_new, load
from kernelsearch.formats.kernelbench.results import Sample, collected, write
from kernelsearch.formats.kernelbench.suite import is_checkout, is_problem, listed, listed_parquet, listed_problem

__all__ = [
    "Problem", "as_task", "export_model_new", "load",
    "is_checkout", "is_problem", "listed", "listed_parquet", "listed_problem",
    "Sample", "collected", "write",
]  # fmt: skip
