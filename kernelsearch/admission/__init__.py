"""Whether a task can be trusted to judge: it is sound, trivial and cheating answers fail it, and honest slow ones pass."""

from kernelsearch.admission.admit import Admission, admit, unsound
from kernelsearch.admission.ledger import Line

__all__ = ["Admission", "Line", "admit", "unsound"]
