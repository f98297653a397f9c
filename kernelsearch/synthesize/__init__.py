"""From words to a task, and from a task to distinct ways of implementing it; after OptiML-G (arXiv 2602.12305).

A language model writes the task's files; `reading` and `fitness` say what is wrong with them without running anything, the admission tests
what is wrong when they run. Each reason goes back to the model. Nothing here writes a file, runs a reference or asks a person: the court
that tries a task, and whoever consents to it, are given.
"""

from kernelsearch.synthesize.model import Limits, open_model
from kernelsearch.synthesize.reading import FILES
from kernelsearch.synthesize.task import Consent, Court, Proposed, Synthesis, synthesize
from kernelsearch.synthesize.thoughts import Thinking, think

__all__ = ["FILES", "Consent", "Court", "Limits", "Proposed", "Synthesis", "Thinking", "open_model", "synthesize", "think"]
