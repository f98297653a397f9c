"""What each tool does: from what was asked to what is told. Runs in a thread, one call at a time in each."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from kernelsearch import catalog, codec
from kernelsearch.admission import Line
from kernelsearch.draft import draft
from kernelsearch.errors import SandboxBroken, UsageError
from kernelsearch.evaluate import STAGES, Halfway
from kernelsearch.mcp_server import lookup
from kernelsearch.mcp_server.asked import CheckTask, Evaluate, LookUp, ReadNode, StartSearch, StopSearch, WatchSearch
from kernelsearch.mcp_server.judged import judged, node_evidence
from kernelsearch.mcp_server.root import Root
from kernelsearch.mcp_server.searches import Searches
from kernelsearch.mcp_server.settings import Settings
from kernelsearch.mcp_server.told import Found, Judged, NodeEvidence, SearchState, TaskChecked, Trial
from kernelsearch.mcp_server.work import Work, notes
from kernelsearch.model import Evaluation
from kernelsearch.playbook import situation
from kernelsearch.report import html, rescore
from kernelsearch.report.explain import explain
from kernelsearch.store.files import put
from kernelsearch.store.rundir import RunFolder

_ELEMENTS = 1 << 23  # of the largest tensor in a drafted task's timed case, as `kernelsearch init` has it
_PATHS = ("mailbox:", "replay:")  # proposers that name a file or folder
_FREE = ("rules", *_PATHS)
_LONGEST_WAIT_S = 600.0
_REMEMBERED = 64  # evaluations, for the playbook


class Desk:
    """The tools, for one root."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._root = Root(path=settings.root)
        self._searches = Searches(self._root)
        self._profiled: dict[tuple[str, str], Evaluation] = {}  # by source and task, for the playbook

    def check_task(self, asked: CheckTask, work: Work) -> TaskChecked:
        given = Path(asked.subject)
        if given.suffix == ".py":
            raise UsageError(f"{given}: a PyTorch problem needs no task file and is looked at when it is read; evaluate it right away")
        if given.suffix not in (".cu", ".cuh"):
            return self._tried(asked, self._root.task(asked.subject), None, work)
        kernel = self._root.kernel(asked.subject)
        file = kernel.with_suffix(".task.toml")
        if file.exists():
            return self._tried(asked, str(file), file, work)
        drafted = draft(catalog.read(kernel), kernel.name, elements=_ELEMENTS)
        put(file, drafted.toml)
        found = (
            self._tried(asked, str(file), file, work)
            if drafted.task is not None
            else _untried(kernel.stem, self._root.inside(file), drafted.questions)
        )
        return TaskChecked(
            task=found.task,
            file=found.file,
            drafted=True,
            assumed=drafted.assumptions,
            questions=found.questions,
            admitted=found.admitted,
            faults=found.faults,
            tried=found.tried,
        )

    def _tried(self, asked: CheckTask, ref: str, file: Path | None, work: Work) -> TaskChecked:
        if len(tasks := catalog.tasks(ref)) != 1:
            raise UsageError(f"{asked.subject} is {len(tasks)} tasks; name one of {', '.join(each.name for each in tasks)}")
        (task,) = tasks
        args = ["tasks", "check", "--no-baseline"] if not asked.run_baseline else ["tasks", "check"]
        args += ["--full"] if asked.full else []
        args += ["--unsafe"] if self._settings.unsafe else []
        with work.turn(), tempfile.TemporaryDirectory() as folder:
            work.tell(1.0, 2.0, "trying answers on the task")
            written = Path(folder) / "admission.json"
            work.command([*args, f"--json={written}", "--", ref], cwd=self._root.path, result=written)
            (found,) = json.loads(written.read_text(encoding="utf-8"))
        lines = [Line(**each) for each in found["lines"]]
        return TaskChecked(
            task=f"{task.suite}/{task.name}" if task.suite else task.name,
            file=None if file is None and not Path(ref).is_absolute() else self._root.inside(file or ref),
            drafted=False,
            assumed=task.assumptions,
            questions=(),
            admitted=bool(found["admitted"]),
            faults=tuple(Trial(solver=each.solver, expected=each.expected, ok=each.ok, what=each.what) for each in lines if not each.ok),
            tried=len(lines),
        )

    def evaluate(self, asked: Evaluate, work: Work) -> Judged:
        if not asked.kernel and not asked.task:
            raise UsageError("name a kernel, or a task whose own kernel is to be judged")
        subject = [str(self._root.kernel(asked.kernel))] if asked.kernel else []
        task = [self._root.task(asked.task)] if asked.task else []
        options = [*self._settings.options, f"--until={asked.until}", "--events"]
        if subject and task:
            options.append(f"--task={task[0]}")
        heard: dict[str, Mapping[str, Any]] = {}
        stages = STAGES[: STAGES.index(asked.until) + 1]

        def hear(event: Mapping[str, Any]) -> None:
            heard[str(event["event"])] = event
            if event["event"] == "stage":
                work.tell(stages.index(event["stage"]) + 1.0, len(stages) + 1.0, str(event["stage"]))

        with work.turn():
            ended = work.command(["evaluate", *options, "--", *(subject or task)], cwd=self._root.path, heard=hear)
        assumed = heard.get("task", {}).get("assumptions", ())
        found = _found(heard, ended.stderr)
        if isinstance(found, Evaluation) and found.profile is not None and asked.kernel:
            self._profiled[catalog.read(Path(subject[0])), asked.task] = found
            if len(self._profiled) > _REMEMBERED:
                del self._profiled[next(iter(self._profiled))]
        return judged(found, assumed, notes(ended.stderr))

    def look_up(self, asked: LookUp, work: Work) -> Found:
        if sum(map(bool, (asked.name, asked.kernel, asked.run))) > 1:
            raise UsageError("name one of name, kernel and run")
        if asked.kernel:
            return self._fitting_kernel(asked)
        if asked.run:
            return self._fitting_node(asked)
        return lookup.one(asked.name) if asked.name else lookup.everything()

    def _fitting_kernel(self, asked: LookUp) -> Found:
        source = catalog.read(self._root.kernel(asked.kernel))
        evaluation = self._profiled.get((source, asked.task))
        device = "" if evaluation is None else evaluation.environment.device
        task = catalog.task(self._root.task(asked.task)) if asked.task and not asked.task.endswith(".py") else None
        given = situation(source, evaluation, task, catalog.hardware_of(device, self._settings.hardware))
        return lookup.fitting(given, profiled=evaluation is not None)

    def _fitting_node(self, asked: LookUp) -> Found:
        run = RunFolder.open(self._root.run(asked.run))
        if asked.node is not None and not 0 <= asked.node < len(run.nodes):
            raise UsageError(f"{asked.run} has no node {asked.node}; it has {len(run.nodes)}")
        node = run.journal.best if asked.node is None else run.nodes[asked.node]
        if node is None or node.candidate is None:
            raise UsageError(f"{asked.run}: there is no kernel in {'it' if asked.node is None else f'node {asked.node}'}")
        evaluation = node.evaluation
        hardware = catalog.hardware_of(run.environment.device, run.spec.hardware)
        given = situation(node.candidate.source, evaluation, run.task, hardware)
        return lookup.fitting(given, profiled=evaluation is not None and evaluation.profile is not None)

    def start_search(self, asked: StartSearch, work: Work) -> SearchState:
        subject = self._root.kernel(asked.subject) if asked.subject.endswith((".cu", ".cuh", ".py")) else self._root.task(asked.subject)
        stem = re.sub(r"[^\w.-]", "_", Path(subject).stem.removesuffix(".task"))
        folder = self._root.new_run(asked.name or f"{stem}-{datetime.now():%Y%m%d-%H%M%S}")
        suffix = ".py" if str(subject).endswith(".py") else ".cu"
        reward = asked.reward if "/" not in asked.reward and not asked.reward.endswith(".toml") else str(self._root.existing(asked.reward))
        limits = {"budget": asked.candidates, "minutes": asked.minutes, "usd": asked.usd}
        if all(limit is None for limit in limits.values()):
            raise UsageError("a search needs a limit: candidates, minutes or usd")
        options = {"llm": self._proposer(asked), "strategy": asked.strategy, "reward": reward, "seed": asked.seed}
        options |= {"parallel": asked.parallel, "out": folder, "output": folder.with_name(f"{folder.name}.best{suffix}"), **limits}
        named = [f"--{name}={value}" for name, value in options.items() if value is not None]
        return self._searches.start(folder, ["optimize", *self._settings.options, *named, "--json", "--", str(subject)], work)

    def _proposer(self, asked: StartSearch) -> str:
        for kind in _PATHS:
            if asked.llm.startswith(kind):
                return kind + str(self._root.file(asked.llm.removeprefix(kind)))
        if not asked.llm.startswith(_FREE) and asked.usd is None:
            raise UsageError(f"{asked.llm} may cost money: say with usd how much it may be")
        return asked.llm

    def watch_search(self, asked: WatchSearch, work: Work) -> SearchState:
        if not 0 <= asked.wait_s <= _LONGEST_WAIT_S or asked.last < 1:
            raise UsageError(f"wait_s lies between 0 and {_LONGEST_WAIT_S:.0f}, and last is 1 or more")
        folder = self._root.run(asked.run)
        self._searches.wait(folder, asked.wait_s, work)
        return self._searches.state(folder, after=asked.after, last=asked.last)

    def stop_search(self, asked: StopSearch, work: Work) -> SearchState:
        return self._searches.stop(self._root.run(asked.run), work)

    def read_node(self, asked: ReadNode, work: Work) -> NodeEvidence:
        folder = self._root.run(asked.run)
        record = html.read(folder)
        profile = record.rewards or catalog.reward_profile(record.spec.reward)
        found = explain(record, asked.node, profile, rescore.recorded(record.nodes))
        return node_evidence(self._root.inside(folder), found, record.nodes, source=asked.source)


def _found(heard: Mapping[str, Mapping[str, Any]], stderr: str) -> Evaluation | Halfway:
    """The last event that `kernelsearch evaluate` gives."""
    if "evaluation" in heard:
        return codec.load_json(Evaluation, json.dumps(heard["evaluation"]["found"]))
    if "halfway" in heard:
        return codec.load_json(Halfway, json.dumps(heard["halfway"]["found"]))
    raise SandboxBroken(f"the evaluation ended without a result: {stderr.strip()[-2000:]}; ask again, and report it")


def _untried(name: str, file: str, questions: tuple[str, ...]) -> TaskChecked:
    return TaskChecked(task=name, file=file, drafted=True, assumed=(), questions=questions, admitted=None, faults=(), tried=0)
