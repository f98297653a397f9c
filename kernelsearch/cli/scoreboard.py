"""A suite in words: cells of its tables, the same for the terminal and for Markdown. Pure: values in, text out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernelsearch.model import Row
from kernelsearch.report import words
from kernelsearch.suite import Header, Score
from kernelsearch.suite.board import DONE, FAILED, RUNNING, WAITING, Board, Cell, at
from kernelsearch.suite.compare import Comparison, Difference
from kernelsearch.suite.scores import Figure, library_us

_BASELINE = re.compile(r"the kernel to start from does not pass \((?P<verdict>[\w ]+)\), so there is nothing to improve yet: ")

_SPARED = ("cost", "took", "tried", "SOL", "library")  # columns that a narrow screen is spared, in this order
_REMARK = 24  # columns that the remark of a line should have
_GAP = 2  # between columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table as text; `right` are the columns of numbers."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()

    def fitted(self, width: int) -> Grid:
        """Without what tells least, where it would be wider than a screen: so names and speed-ups stay whole."""
        grid = self
        for head in _SPARED:
            if grid.wide() <= width:
                break
            grid = grid._without(head)
        return grid

    def wide(self) -> int:
        """Columns of a screen that it takes; its last one, of remarks, can be broken into lines."""
        texts = [[*head.split("\n"), *(line[place] for line in self.rows)] for place, head in enumerate(self.heads)]
        natural = [max(map(len, column)) for column in texts]
        return sum(natural[:-1]) + min(natural[-1], _REMARK) + _GAP * (len(natural) - 1)

    def _without(self, head: str) -> Grid:
        kept = [place for place, name in enumerate(self.heads) if name != head]
        return Grid(
            heads=tuple(self.heads[place] for place in kept),
            rows=tuple(tuple(line[place] for place in kept) for line in self.rows),
            right=tuple(new for new, place in enumerate(kept) if place in self.right),
        )

    def turned(self, columns: int) -> tuple[Grid, ...]:
        """With a line for each head: tables of at most so many columns beside the heads', for what is wider than a screen."""
        named = min(self.right, default=1)
        blocks = [self.rows[first : first + columns] for first in range(0, len(self.rows), columns)]
        return tuple(
            Grid(
                heads=("", *(" ".join(filter(None, line[:named])) for line in block)),
                rows=tuple((head, *(line[place] for line in block)) for place, head in enumerate(self.heads) if place >= named),
                right=tuple(range(1, len(block) + 1)),
            )
            for block in blocks
        )

    def markdown(self) -> str:
        rule = ["---:" if place in self.right else "---" for place in range(len(self.heads))]
        lines = [self.heads, rule, *self.rows]
        return "".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in lines)


def _escaped(text: str) -> str:
    """Nothing in a cell is markup: what a task or a kernel is called may hold anything."""
    for mark in "\\`*_{}[]<>|#":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(words.clean(text).split())


def unit(cells: Sequence[Cell]) -> str:
    return words.unit("measured" if all(cell.time_kind in ("", "measured") for cell in cells) else "modelled")


def tasks(board: Board, cells: Sequence[Cell] | None = None) -> Grid:
    """A line a search: what it came to, or what it is at; what is missing is said."""
    shown = list(board.cells.values()) if cells is None else list(cells)
    every = list(board.cells.values())
    settings, seeds = ({name for cell in every if (name := of(cell))} for of in (_setting, _seed))
    libraries = any(cell.row is not None and cell.row.yardsticks for cell in every)
    kind = unit(every)
    heads = ["task", *(["setting"] if settings else []), *(["seed"] if len(seeds) > 1 else [])]
    named = len(heads)
    heads += [f"baseline\n{kind}", f"best\n{kind}", "x", "SOL", *(["library"] if libraries else []), "tried", "took", "cost"]
    lines = []
    for cell in shown:
        line = [cell.job.entry.label, *([_setting(cell)] if settings else []), *([_seed(cell)] if len(seeds) > 1 else [])]
        line += [words.time(cell.baseline_us), words.time(cell.best_us), speedup(cell.speedup, cell.interval), _light(cell.row)]
        line += [*([library(cell.row)] if libraries else []), *_spent(cell), _remark(cell)]
        lines.append(tuple(line))
    return Grid(heads=(*heads, ""), rows=tuple(lines), right=tuple(range(named, len(heads))))


def failure(why: str) -> str:
    """Why a search failed, as briefly as a line allows: what every failed baseline has in common is left out."""
    found = _BASELINE.match(why)
    return words.first_line(why if found is None else f"its own kernel, {found['verdict']}: {why[found.end() :]}", 110)


def _setting(cell: Cell) -> str:
    return cell.job.setting.name


def _seed(cell: Cell) -> str:
    return str(cell.job.seed)


def speedup(value: float | None, interval: tuple[float, float] | None) -> str:
    bounds = "" if interval is None or value is None else f"[{interval[0]:.2f}, {interval[1]:.2f}]"
    return f"{words.ratio(value)} {bounds}".rstrip()


def _light(row: Row | None) -> str:
    return words.DASH if row is None else words.percent(row.light_best)


def library(row: Row | None) -> str:
    """The fastest library's time over ours, with its name."""
    theirs = None if row is None else library_us(row)
    if row is None or theirs is None or row.best_us is None:
        return words.DASH
    name = min(row.yardsticks, key=lambda name: row.yardsticks[name])
    return f"{words.ratio(theirs / row.best_us)} {name}"


def _spent(cell: Cell) -> tuple[str, str, str]:
    seconds = cell.totals.seconds if cell.row is None else cell.row.seconds
    if cell.state == WAITING or (cell.row is not None and cell.row.failure):
        return words.DASH, words.DASH, words.DASH
    return f"{cell.candidates:,}", words.duration(seconds) if seconds else words.DASH, words.money(cell.usd)


def _remark(cell: Cell) -> str:
    if cell.state == FAILED:
        return f"failed: {failure(cell.why)}"
    if cell.row is not None:
        return f"{cell.row.steps}{' (cut off by its time limit)' if cell.row.censored else ''}".strip()
    if cell.state == RUNNING:
        return f"running: {at(cell)}"
    return "missing" if cell.state == WAITING else f"missing: {words.first_line(cell.why, 100)}"


def counts(board: Board) -> str:
    """How many searches are done, and what became of the others."""
    number = board.count()
    every = len(board.cells)
    parts = [f"{number.get(DONE, 0)} of {every} {'search' if every == 1 else 'searches'} done"]
    return ", ".join([*parts, *(f"{count} {state}" for state, count in number.items() if state != DONE)])


def figures(scores: Sequence[Score]) -> Grid:
    """A line a group and setting."""
    settings = any(score.setting for score in scores)
    ps = list(scores[0].fast) if scores else []
    heads = ["group", *(["setting"] if settings else []), "tasks", "searches", "failed", "correct", *(f"fast_{p:g}" for p in ps)]
    ks = _ks(scores)
    heads += ["geometric mean", "SOL score", "over library", *(f"pass@{k}" for k in ks), *(f"eff@{k}" for k in ks)]
    heads += ["wins", "a win costs", "GPU time a win"]
    lines = []
    for score in scores:
        line = [score.group, *([score.setting] if settings else []), str(score.tasks), str(score.searches), str(score.failures)]
        line += [share(score.correct), *(share(score.fast[p]) for p in ps), ratio(score.speedup), fraction(score.light)]
        line += [ratio(score.over_library), *(share(score.passes.get(k)) for k in ks), *(fraction(score.efficiencies.get(k)) for k in ks)]
        line += [str(score.wins), *_a_win(score)]
        lines.append(tuple(line))
    return Grid(heads=tuple(heads), rows=tuple(lines), right=tuple(range(1 + settings, len(heads))))


def _ks(scores: Sequence[Score]) -> list[int]:
    """For which numbers of tries something is told: with one seed nothing is."""
    ks = sorted({k for score in scores for k in (*score.passes, *score.efficiencies)})
    return [] if ks == [1] else ks


def _a_win(score: Score) -> tuple[str, str]:
    if score.usd_a_win is None or score.gpu_seconds_a_win is None:
        return "no win", "no win"
    return words.money(score.usd_a_win), words.duration(score.gpu_seconds_a_win)


def ratio(figure: Figure | None) -> str:
    return words.DASH if figure is None else speedup(figure.value, _bounds(figure))


def share(figure: Figure | None) -> str:
    if figure is None:
        return words.DASH
    bounds = _bounds(figure)
    return words.percent(figure.value) + ("" if bounds is None else f" [{bounds[0] * 100:.0f}, {bounds[1] * 100:.0f}]")


def fraction(figure: Figure | None) -> str:
    if figure is None:
        return words.DASH
    bounds = _bounds(figure)
    return f"{figure.value:.2f}" + ("" if bounds is None else f" [{bounds[0]:.2f}, {bounds[1]:.2f}]")


def _bounds(figure: Figure) -> tuple[float, float] | None:
    return None if figure.low is None or figure.high is None else (figure.low, figure.high)


def notes(scores: Sequence[Score], board: Board) -> list[str]:
    """What must be known to read the figures."""
    found = ["in brackets: 95 % intervals over tasks; fast_p counts a speed-up only where the lower end of its own interval is above p"]
    if cut := sum(cell.row.censored for cell in board.cells.values() if cell.row):
        found.append(f"cut off by their time limit: {cut} of {len(board.cells)} searches, whose figures are lower bounds")
    if missing := sum(cell.row is None for cell in board.cells.values()):
        found.append(f"{missing} of {len(board.cells)} searches are missing, and count nowhere")
    if unit(list(board.cells.values())) != "µs":
        found.append("times are modelled: nothing here was measured on a GPU")
    remarks: dict[str, int] = {}
    for cell in board.cells.values():
        for text in () if cell.row is None else cell.row.remarks:
            remarks[text] = remarks.get(text, 0) + 1
    return [*found, *(f"{text}{f' ({count} times)' if count > 1 else ''}" for text, count in remarks.items())]


def markdown(header: Header, board: Board, scores: Sequence[Score], ended: str) -> str:
    """The file `suite.md`."""
    devices = sorted({cell.row.device for cell in board.cells.values() if cell.row is not None and cell.row.device})
    facts: Mapping[str, str] = {
        "started": header.started,
        "device": ", ".join(devices) or "none",
        "kernelsearch": header.version,
        "command": header.command,
        "seeds": ", ".join(map(str, header.seeds)),
        **({} if header.shard == (1, 1) else {"shard": "{} of {}".format(*header.shard)}),
        "ended": ended,
    }
    lines = ["# Suite\n\n", *(f"- {name}: {_escaped(text)}\n" for name, text in facts.items() if text), "\n", f"{counts(board)}.\n\n"]
    if scores:
        lines += [figures(scores).markdown(), "\n"]
    lines += [*(f"- {_escaped(text)}\n" for text in notes(scores, board)), "\n", tasks(board).markdown()]
    if header.problems:
        lines += ["\nNot run:\n\n", *(f"- {_escaped(problem.ref)}: {_escaped(problem.why)}\n" for problem in header.problems)]
    return "".join(lines)


def differences(found: Comparison) -> Grid:
    """A line a task: the two speed-ups, how many times the first the second is, and whether that is shown."""
    overall = found.overall if len(found.differences) > 1 else None
    every = [*found.differences, *([] if overall is None else [overall])]
    settings = any(d.setting for d in every)
    heads = ["task", *(["setting"] if settings else []), "seeds", "A", "B", "B over A", "p", ""]
    lines = []
    for d in every:
        name = f"{d.suite}/{d.task}" if d.suite else "all tasks"
        line = [name, *([d.setting] if settings else []), str(d.seeds), words.ratio(d.a), words.ratio(d.b), _ratio(d), _p(d)]
        lines.append((*line, verdict(d)))
    return Grid(heads=tuple(heads), rows=tuple(lines), right=tuple(range(1 + settings, len(heads) - 1)))


def verdict(d: Difference) -> str:
    if d.why:
        said = f"not compared: {d.why}"
    elif d.real and d.ratio is not None:
        said = "B is faster" if d.ratio > 1 else "A is faster"
    elif d.p is None:
        said = "not tested"
    else:
        said = "no difference shown"
    return f"{said} ({d.note})" if d.note else said


def _ratio(d: Difference) -> str:
    bounds = None if d.low is None or d.high is None else (d.low, d.high)
    return speedup(d.ratio, bounds)


def _p(d: Difference) -> str:
    return words.DASH if d.p is None else f"{d.p:.3f}" if d.p >= 0.001 else "<0.001"
