"""How a run is watched: plain lines, JSON lines, or nothing. The live terminal view is in `live`; `open_view` chooses."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Protocol, Self

import click

from kernelsearch.cli import progress
from kernelsearch.cli.progress import Progress
from kernelsearch.model import Node
from kernelsearch.propose.forecast import Forecast
from kernelsearch.report import evidence, words
from kernelsearch.search import Ended, Event, NodeDone, Noted, Result, Started, Warned


class View(AbstractContextManager["View"], Protocol):
    """Watches one run. `watch` is called from the thread of the run, `note` also from a signal handler."""

    def watch(self, event: Event) -> None: ...

    def note(self, text: str) -> None:
        """Something said outside the run's own events."""
        ...

    def aside(self) -> AbstractContextManager[None]:
        """Leaves the screen to somebody else for a while."""
        ...

    def finish(self, result: Result, *, report: str, kept: str | None) -> None:
        """The end, once the report is written."""
        ...


def open_view(*, as_json: bool, quiet: bool) -> View:
    """JSON if asked for; the live view on a terminal unless `quiet`; plain lines otherwise."""
    if as_json:
        return JsonView()
    if not quiet and sys.stdout.isatty():
        from kernelsearch.cli.live import LiveView

        return LiveView()
    return PlainView(quiet=quiet)


class _Base:
    """What views without a screen have in common."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def note(self, text: str) -> None:
        click.echo(words.clean(text), err=True)

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()


class PlainView(_Base):
    """A line an attempt; with `quiet` only what the run is and what it came to."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._progress: Progress | None = None

    def watch(self, event: Event) -> None:
        match event:
            case Started():
                self._progress = Progress(event)
                self._say(*progress.head(event))
                if event.nodes:
                    self._table_head(self._progress)
            case NodeDone() if self._progress is not None:
                self._progress.add(event)
                if event.node.number == 0:
                    self._table_head(self._progress)
                elif not self._quiet and progress.told(event.node):
                    self._say(progress.row(self._progress.cells(event.node)))
            case Warned():
                self.note(f"warning: {event.text}")
            case Noted():
                self.note(event.text)

    def finish(self, result: Result, *, report: str, kept: str | None) -> None:
        if self._progress is not None:
            self._say("", *progress.tail(result, self._progress, report=report, kept=kept))

    def _table_head(self, state: Progress) -> None:
        self._say(progress.baseline_line(state))
        if not self._quiet:
            self._say("", progress.columns(words.unit(state.started.environment.time_kind)))

    def _say(self, *lines: str) -> None:
        for line in lines:
            click.echo(words.clean(line))


class JsonView(_Base):
    """One JSON object a line for each event; the last has `"event": "result"`. Times in µs, durations in seconds, money in USD."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def watch(self, event: Event) -> None:
        match event:
            case Started():
                self._progress = Progress(event)
                self._put("started", **_started(event))
            case NodeDone() if self._progress is not None:
                self._progress.add(event)
                self._put("node", **_node(event, self._progress))
            case Warned():
                self._put("warning", text=event.text)
            case Noted():
                self._put("note", text=event.text)
            case Ended():
                self._put("ended", reason=event.reason)

    def finish(self, result: Result, *, report: str, kept: str | None) -> None:
        self._put(
            "result",
            baseline_us=result.baseline.time_us,
            best_us=result.best.time_us,
            best=result.best.number,
            speedup=result.speedup,
            **_trust(result.best),
            time_kind=None if self._progress is None else self._progress.started.environment.time_kind,
            candidates=result.totals.candidates,
            by_hand=result.totals.by_hand,
            seconds=result.totals.seconds,
            usd=result.totals.usage.usd,
            tokens=result.totals.usage.tokens,
            estimated_tokens=result.totals.usage.estimated_tokens,
            ended=result.ended,
            folder=str(result.folder),
            report=report,
            kept=kept,
        )

    def _put(self, event: str, **values: object) -> None:
        click.echo(json.dumps({"event": event, **values}))


def _started(event: Started) -> dict[str, object]:
    return {
        "task": event.task.name,
        "device": event.environment.device,
        "time_kind": event.environment.time_kind,
        "sandbox": event.environment.sandbox,
        "proposer": event.spec.proposer,
        "strategy": event.spec.strategy,
        "strategy_reason": event.spec.strategy_reason,
        "seed": event.spec.seed,
        "forecast": None if event.forecast is None else _forecast(event.forecast),
        "assumptions": list(event.task.assumptions),
        "reference": "baseline" if event.task.reference is None else event.task.reference.function,
        "folder": str(event.folder),
        "nodes_before": len(event.nodes),
    }


def _forecast(forecast: Forecast) -> dict[str, object]:
    """Of one attempt; all of it is estimated."""
    attempt = forecast.attempt
    return {
        "input_tokens": attempt.input_tokens,
        "output_tokens": attempt.output_tokens,
        "usd": attempt.usd if forecast.known else None,
        "models": {model.name: model.date for model in forecast.models},
    }


def _node(event: NodeDone, state: Progress) -> dict[str, object]:
    node: Node = event.node
    return {
        "number": node.number,
        "parent": node.parent,
        "directive": words.directive(node),
        "status": words.status(node),
        "time_us": node.time_us,
        "speedup": words.speedup(node, state.baseline),
        **_trust(node),
        "reward": None if node.reward is None else node.reward.value,
        "why": words.why(node, state.parent(node)),
        "best": event.best.number,
        "candidates": event.totals.candidates,
        "usd": event.totals.usage.usd,
        "tokens": event.totals.usage.tokens,
        "seconds": node.at_seconds,
    }


def _trust(node: Node) -> dict[str, object]:
    """The interval of the speed-up over the baseline, how many inputs were verified, and what a second trial showed."""
    evaluation = node.evaluation
    if evaluation is None:
        return {}
    interval = None if evaluation.measurement is None else evaluation.measurement.interval
    return {
        "interval": None if interval is None else [interval.low, interval.high],
        "verified": len(evaluation.checks),
        "confirmed": None if evaluation.confirmation is None else evaluation.confirmation.held,
        "trust": evidence.trust(evaluation),
    }
