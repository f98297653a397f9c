"""Many searches as one piece of work: what they are, where they lie, how they are run, what they came to, and how two suites differ."""

from kernelsearch.suite.folder import Header, SuiteFolder, is_suite
from kernelsearch.suite.places import OnePlace, Places
from kernelsearch.suite.plan import Entry, Job, Problem, Setting
from kernelsearch.suite.runner import Batch, run
from kernelsearch.suite.scores import Score, scores

__all__ = [
    "Batch",
    "Entry",
    "Header",
    "Job",
    "OnePlace",
    "Places",
    "Problem",
    "Score",
    "Setting",
    "SuiteFolder",
    "is_suite",
    "run",
    "scores",
]
