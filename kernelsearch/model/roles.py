"""Who a model is asked as. The coder alone is the default: what the others bring for their tokens is not known from recorded searches."""

from __future__ import annotations

from collections.abc import Sequence

from kernelsearch.errors import UsageError

PLANNER, CODER, JUDGE, DEBUGGER, SUMMARISER = "planner", "coder", "judge", "debugger", "summariser"
SUMMARIES = {
    CODER: "writes the edit",
    PLANNER: "one limit, one method, one plan for the coder",
    DEBUGGER: "repairs what fails, up to three times an attempt",
    JUDGE: "predicts gain and risk before the edit is judged",
    SUMMARISER: "writes the lessons of the run in words",
}
ROLES = tuple(SUMMARIES)
ALONE = (CODER,)
REPAIRS = 3  # of one attempt
EVERY = 8  # attempts between two summaries


def chosen(text: str) -> tuple[str, ...]:
    """The roles in a list with commas, in the order of `ROLES`. Raises `UsageError` for one that there is not, and without a coder."""
    named = {part.strip() for part in text.split(",") if part.strip()}
    check(sorted(named))
    return tuple(role for role in ROLES if role in named)


def check(roles: Sequence[str]) -> None:
    """Raise `UsageError` for roles that a model cannot be asked as."""
    if unknown := [role for role in roles if role not in ROLES]:
        raise UsageError(f"there is no role {unknown[0]!r}; there are {', '.join(ROLES)}")
    if CODER not in roles:
        raise UsageError(f"without a coder nothing is edited; write --roles {','.join((CODER, *roles))}")


def questions(roles: Sequence[str]) -> int:
    """How many questions an attempt asks at most, besides edits that do not apply."""
    return sum(REPAIRS if role == DEBUGGER else 1 for role in roles)
