"""One node on one screen: 80 columns and 24 lines are enough for a typical one. Terms that add nothing give way where they are not."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from kernelsearch.cli.live import STYLES
from kernelsearch.model import Term
from kernelsearch.report import words
from kernelsearch.report.explain import Explanation, Over

_NAME, _TERM, _BAR = 9, 14, 8
_SCREEN = 24  # lines; the last is the prompt's
_WRAPPED = {"verdict": 2, "why": 4, "time": 2, "floor": 2, "limit": 3, "checked": 2}  # lines at most; one for the others
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def show(found: Explanation, console: Console | None = None) -> None:
    """Print it, as wide as the terminal is, and no longer than it is high where that can be done."""
    console = console or Console(highlight=False)
    for line in screen(found, console.width, console.height if console.is_terminal else _SCREEN):
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)


def screen(found: Explanation, width: int, height: int) -> list[Text]:
    """The lines of it."""
    head = [_title(found, width)]
    for name, text in found.lines:
        head += _named(name, text, width, _WRAPPED.get(name, 1))
    head.append(_reward(found))
    if found.rungs:
        return head + _ladder(found)
    tail = _unknown(found.unknown, width)
    rows, idle = _fitting(found.terms, height - 2 - len(head) - len(tail))
    tail = [*_idle(idle, width), *tail]
    largest = max((abs(term.contribution) for term in rows), default=0.0)
    table = [Text(f"{'term':<{_TERM}} {'raw':>6} {'weight':>6} {'adds':>7}", "bold")] if rows else []
    return head + table + [_term(term, largest, width) for term in rows] + tail


def _title(found: Explanation, width: int) -> Text:
    return Text(words.first_line(found.title, width), f"bold {STYLES[words.kind(found.node)]}")


def _fitting(terms: Sequence[Term], room: int) -> tuple[list[Term], list[Term]]:
    """Terms that get a row of their own, and those that add 0 and share one as there is no room for all."""
    if len(terms) <= room:
        return list(terms), []
    idle = [term for term in terms if not term.contribution]
    keep = max(0, room - 1 - (len(terms) - len(idle)))
    return [term for term in terms if term not in idle[keep:]], idle[keep:]


def _named(name: str, text: str, width: int, most: int) -> list[Text]:
    wide = max(20, width - _NAME - 1)
    if name == "changed":
        text = _whole(text, wide)
    parts = textwrap.wrap(words.clean(text), wide, max_lines=most, placeholder=" …", break_on_hyphens=False)
    return [Text.assemble((f"{name if not i else '':<{_NAME}}", "bold"), part) for i, part in enumerate(parts)]


def _whole(text: str, wide: int) -> str:
    """The first of the clauses, as many as stand in one line."""
    parts = text.split("; ")
    return "; ".join(parts[: next((n for n in range(len(parts), 1, -1) if len("; ".join(parts[:n])) <= wide), 1)])


def _reward(found: Explanation) -> Text:
    line = Text(f"{'reward':<{_NAME}}", "bold")
    if found.reward is None:
        return line.append("none: nothing was judged", "not bold")
    line.append(f"{found.reward.value:.3f} by {words.clean(found.profile.name)}")
    if found.reward.gate is not None:
        line.append(f": the gate {found.reward.gate!r} closed, so no term counts", "not bold")
    elif others := ", ".join(f"{name} {value:.3f}" for name, value in found.others):
        line.append(f"   ({others})", "not bold")
    return line


def _term(term: Term, largest: float, width: int) -> Text:
    line = Text(f"{term.name:<{_TERM}} {term.raw:>6.3f} {term.weight:>6g} {term.contribution:>+7.3f} ")
    line.append(_bar(abs(term.contribution), largest), "red" if term.contribution < 0 else "green")
    room = width - len(line) - 1
    return line.append(f" {words.first_line(term.note, max(room, 1))}", "bright_black") if room > 0 else line


def _bar(size: float, largest: float) -> str:
    """In eighths of a column; what is not 0 shows."""
    eighths = max(1, round(8 * _BAR * size / largest)) if size and largest else 0
    return f"{_EIGHTHS[8] * (eighths // 8)}{_EIGHTHS[eighths % 8].strip()}".ljust(_BAR)


def _idle(terms: Sequence[Term], width: int) -> list[Text]:
    return _named("others", f"{', '.join(term.name for term in terms)}: 0", width, 2) if terms else []


def _unknown(terms: Sequence[Term], width: int) -> list[Text]:
    """Terms that the record has nothing for."""
    return _named("unknown", f"{', '.join(term.name for term in terms)}: not recorded, adding 0", width, 2) if terms else []


def _ladder(found: Explanation) -> list[Text]:
    """Where it stands: the highest rung first, what passes above it."""
    wide = max(len(rung.verdicts) for rung in found.rungs)
    above = Text(f"{'':<{_NAME}}  {'the worst that passes':<{wide}}  {found.profile.least:>7.3f}")
    rows = [above]
    for rung in reversed(found.rungs):
        mark, style = (">", "bold") if rung.here else (" ", "bright_black")
        rows.append(Text(f"{'':<{_NAME}}{mark} {rung.verdicts:<{wide}}  {rung.value:>7.3f}", style))
    return rows


def as_json(found: Explanation) -> str:
    """The same as one object; terms that are not known have a raw of null."""
    node, reward = found.node, found.reward
    return json.dumps(
        {
            "number": node.number,
            "parent": node.parent,
            "status": words.status(node),
            "directive": words.directive(node),
            "time_us": node.time_us,
            "over_baseline": _json_over(found.over_baseline),
            "over_parent": _json_over(found.over_parent),
            "floor_us": found.floor_us,
            "lines": dict(found.lines),
            "changes": list(found.changes),
            "reward": None if reward is None else reward.value,
            "by": found.profile.name,
            "gate": None if reward is None else reward.gate,
            "terms": [_json_term(term, known=True) for term in found.terms] + [_json_term(term, known=False) for term in found.unknown],
            "ladder": [{"verdicts": rung.verdicts, "value": rung.value, "here": rung.here} for rung in found.rungs],
            "others": dict(found.others),
        }
    )


def _json_over(found: Over | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {"ratio": found.ratio, "interval": None if found.interval is None else [found.interval.low, found.interval.high]}


def _json_term(term: Term, *, known: bool) -> dict[str, object]:
    raw = term.raw if known else None
    return {"name": term.name, "raw": raw, "weight": term.weight, "contribution": term.contribution, "note": term.note}
