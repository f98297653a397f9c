"""Ways to make a kernel faster, as data: which of them fit a diagnosis, which is tried next, and which paid."""

from kernelsearch.playbook.book import Playbook, load
from kernelsearch.playbook.choose import Chooser
from kernelsearch.playbook.paid import Paid, paid
from kernelsearch.playbook.retrieve import Found, consider, retrieve
from kernelsearch.playbook.situation import Situation, situation

__all__ = ["Chooser", "Found", "Paid", "Playbook", "Situation", "consider", "load", "paid", "retrieve", "situation"]
