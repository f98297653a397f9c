"""From the rows of a suite to what a reader is shown: plain values, no markup, no files.

A row that failed has a speed-up of nothing: it counts in every share and in no mean. `fast_p` is the share of all rows whose best kernel
is more than p times as fast as the baseline. A library's time is held against the best kernel of the same row, never against another row's.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import quote

from kernelsearch.model.suite import Row
from kernelsearch.report import words

LIBRARY = "against the fastest library"
_THRESHOLDS = (1.0, 1.5, 2.0, 5.0)
_SETTINGS = 6  # that are told apart in a chart


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row, ready to print. `href` leads to the report of its run, from the folder of the suite; empty where there is none."""

    number: int
    row: Row
    href: str
    time: tuple[str, str]
    speedup: str
    interval: str
    light: str
    yardsticks: tuple[str, ...]
    over_library: float | None
    took: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Of the rows of one group or setting, as a row of a table under `HEADS`."""

    name: str
    cells: tuple[str, ...]
    note: str = ""


HEADS = ("rows", "failed", "mean x", "median x", *(f"> {p:g}x" for p in _THRESHOLDS), "speed of light", "candidates", "GPU time", "money")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteView:
    """The whole page. `series` are speed-ups by name for the curve of fast_p, 0 for a row that failed; `unit` is that of the times,
    `ended` how all rows ended, where they ended alike."""

    title: str
    folder: str
    unit: str
    modelled: bool
    devices: tuple[str, ...]
    started: str
    ended: str
    entries: tuple[Entry, ...]
    total: Summary
    groups: tuple[Summary, ...]
    settings: tuple[Summary, ...]
    series: Mapping[str, tuple[float, ...]]
    seeded: bool
    varied: bool
    verdicts: tuple[tuple[str, int], ...]


def build(rows: Sequence[Row], folder: Path) -> SuiteView:
    """The view of a suite whose reports lie under `folder`. Raises `ValueError` for no rows at all."""
    if not rows:
        raise ValueError("a suite without rows has nothing to show")
    kinds = {row.time_kind for row in rows if row.time_kind}
    settings = by(rows, lambda row: row.setting)
    verdicts: dict[str, int] = defaultdict(int)
    for row in rows:
        for verdict, count in row.verdicts.items():
            verdicts[verdict] += count
    return SuiteView(
        title=folder.resolve().name,
        folder=str(folder),
        unit="µs" if kinds == {"measured"} else "modelled µs" if kinds == {"modelled"} else "µs, of two kinds" if kinds else "µs",
        modelled="modelled" in kinds,
        devices=tuple(sorted({row.device for row in rows if row.device})),
        started=min((row.started for row in rows if row.started), default=""),
        ended=_alike([row.ended for row in rows if not row.failure]),
        entries=tuple(_entry(number, row, folder) for number, row in enumerate(rows)),
        total=_summary("all", rows),
        groups=tuple(_summary(name, found) for name, found in by(rows, lambda row: row.suite).items()),
        settings=tuple(_summary(name, found) for name, found in settings.items()) if len(settings) > 1 else (),
        series=_series(rows, settings),
        seeded=len({row.seed for row in rows}) > 1,
        varied=len(settings) > 1,
        verdicts=tuple(sorted(verdicts.items(), key=lambda entry: (-entry[1], entry[0]))),
    )


def by(rows: Sequence[Row], name: Callable[[Row], str]) -> dict[str, list[Row]]:
    """Rows by a name, in the order of names."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[name(row) or "not named"].append(row)
    return dict(sorted(found.items()))


def gain(row: Row) -> float:
    """The speed-up that counts: 0 of a row that failed."""
    return 0.0 if row.failure or row.speedup is None else row.speedup


def fast(speedups: Sequence[float], p: float) -> float:
    """The share that is more than `p` times as fast."""
    return sum(value > p for value in speedups) / len(speedups)


def over_library(row: Row) -> float | None:
    """How many times as fast as the fastest library; None without one, 0 of a row that failed."""
    times = [us for us in row.yardsticks.values() if us > 0]
    if not times:
        return None
    return min(times) / row.best_us if row.best_us and not row.failure else 0.0


def _alike(texts: Sequence[str]) -> str:
    return texts[0] if len(set(texts)) == 1 else ""


def _series(rows: Sequence[Row], settings: Mapping[str, list[Row]]) -> dict[str, tuple[float, ...]]:
    parts = settings if 1 < len(settings) <= _SETTINGS else {"against the baseline": list(rows)}
    found = {name: tuple(gain(row) for row in part) for name, part in parts.items()}
    held = [ratio for row in rows if (ratio := over_library(row)) is not None]
    return {**found, LIBRARY: tuple(held)} if held else found


def _summary(name: str, rows: Sequence[Row]) -> Summary:
    gains = [gain(row) for row in rows]
    done = [value for value in gains if value > 0]
    lights = [(row.light_baseline, row.light_best) for row in rows if row.light_baseline is not None and row.light_best is not None]
    light = f"{_mean([one for one, _ in lights])} → {_mean([other for _, other in lights])}" if lights else words.DASH
    return Summary(
        name=name,
        cells=(
            f"{len(rows):,}",
            f"{sum(bool(row.failure) for row in rows):,}",
            words.ratio(words.geometric_mean(done)),
            words.ratio(median(done) if done else None),
            *(words.percent(fast(gains, p)) for p in _THRESHOLDS),
            light,
            f"{sum(row.candidates for row in rows):,}",
            words.duration(sum(row.gpu_seconds for row in rows)),
            words.money(sum(row.usd for row in rows)),
        ),
    )


def _mean(shares: Sequence[float]) -> str:
    return words.percent(sum(shares) / len(shares))


def _entry(number: int, row: Row, folder: Path) -> Entry:
    bounds = row.interval
    lights = (words.percent(row.light_baseline), words.percent(row.light_best))
    return Entry(
        number=number,
        row=row,
        href=_href(row, folder),
        time=(words.time(row.baseline_us), words.time(row.best_us)),
        speedup=words.DASH if row.failure else words.ratio(row.speedup),
        interval=f"[{bounds[0]:.2f}, {bounds[1]:.2f}]" if bounds else "",
        light=words.DASH if row.light_best is None else lights[1] if row.light_baseline is None else f"{lights[0]} → {lights[1]}",
        yardsticks=tuple(_yardstick(name, us, row.best_us) for name, us in sorted(row.yardsticks.items(), key=lambda entry: entry[1])),
        over_library=over_library(row),
        took=words.duration(row.seconds) if row.seconds else words.DASH,
    )


def _yardstick(name: str, us: float, best_us: float | None) -> str:
    held = f", {us / best_us:.2f}x" if best_us and us > 0 else ""
    return f"{name} {words.time(us)}{held}"


def _href(row: Row, folder: Path) -> str:
    """A path from the suite's folder to the report; it begins with a dot, so that no name can be a scheme."""
    if row.failure or not row.folder:
        return ""
    inside = os.path.relpath(Path(row.folder).absolute(), folder.absolute())
    return quote(f"./{Path(inside).as_posix()}/report.html")
