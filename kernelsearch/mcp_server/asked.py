"""What the tools take: a dataclass each, whose fields with the strings below them become the schema that a model reads.

The docstring of a class is the description of its tool. Unknown arguments are refused, as a misspelt one would be overlooked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

_CONFIG: Mapping[str, object] = {"extra": "forbid", "use_attribute_docstrings": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTask:
    """Say what a kernel's task is and whether it is fit to judge by. Do this first.

    For a bare .cu without a task file one is drafted and written beside it (KERNEL.task.toml); what was only assumed, and what must be
    answered there before anything can be judged, is told. Then answers that were not computed are tried on the task, and honest ones: a
    task that lets cheats pass is refused, with the reason. Without a [reference] a task is refused too, though kernels can be judged by it:
    the first kernel is then its own yardstick.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = _CONFIG
    subject: str
    """A .cu file, a task file or folder below the root, or the name of a shipped task such as core/row_softmax."""
    run_baseline: bool = True
    """Also compile the task's own kernel and verify it on the emulated device."""
    full: bool = False
    """At the timed sizes too; takes a minute or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    """Judge one kernel: compile, verify, time and profile it, in this order, and stop at the first thing that is wrong.

    One tool and not four, as each stage rests on the one before: a time of a kernel that was not verified means nothing. `until` says how
    far to go: "build" gives compiler errors, registers and spills within seconds; "verify" compares outputs with the reference on every
    case; "measure" also times it in pairs with the task's own kernel; "profile" adds counters and a diagnosis: the one bottleneck, with
    figures. A kernel that fails is a result, with a verdict and the evidence. Only "passed" means that it is right and was timed.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = _CONFIG
    kernel: str = ""
    """The .cu file below the root, or a .py with a ModelNew for a PyTorch problem. Empty: the task's own kernel."""
    task: str = ""
    """Task to hold it against: a task file or folder below the root, or a shipped one. Empty: the one beside the kernel."""
    until: Literal["build", "verify", "measure", "profile"] = "profile"
    """The last stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """Look up ways to make a kernel faster: which fit its diagnosis, with the reason; one of them in full with an example; or all.

    Name a kernel that you evaluated with until "profile", so that its counters are known, or a run and an attempt. Then look the promising
    ones up by name, for what they need and what to mind.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = _CONFIG
    name: str = ""
    """A directive, to be told in full."""
    kernel: str = ""
    """What fits this .cu file."""
    task: str = ""
    """The task that it was evaluated against, where that was named."""
    run: str = ""
    """What fits an attempt of this run."""
    node: int | None = None
    """The attempt's number. null: the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSearch:
    """Start a search for a faster version of a kernel, and return at once. It goes on in the background, also when this server ends.

    Edits come from symbolic rules, from a model, or from you: with llm "mailbox:DIR" each prompt is a file in DIR, and your answer beside
    it is the edit. Follow it with watch_search, end it with stop_search.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = _CONFIG
    subject: str
    """The .cu file, task file or folder to start from, below the root; or the name of a shipped task."""
    name: str = ""
    """Of the run, below runs/. Empty: made of the subject and the time."""
    candidates: int | None = 24
    """Attempts, at most. null: as many as `minutes` or `usd` allow."""
    minutes: float | None = None
    """Wall clock, at most."""
    llm: str = "rules"
    """rules, mailbox:DIR, replay:FILE, or PROVIDER:MODEL with anthropic or openai, for which the server needs a key."""
    usd: float | None = None
    """Money for a model, at most. Must be given with a model that costs."""
    strategy: str = "mcts"
    """mcts, priority, beam, best-first, evolve, forest, fsr, greedy, best-of-n, or auto, which picks one and says why."""
    reward: str = "default"
    """A reward profile by name, or a .toml file below the root."""
    seed: int = 0
    """Of strategy and proposer."""
    parallel: int = 1
    """Attempts at a time; 1 can be repeated exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSearch:
    """Say how a search stands: its state, the best kernel so far with its speed-up over the first, and the last attempts."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _CONFIG
    run: str
    """The run's name, or its folder below the root."""
    after: int = -1
    """Only attempts with a number above this one."""
    last: int = 10
    """At most so many attempts, the newest."""
    wait_s: float = 0.0
    """Wait until the search is over, at most so many seconds (600); attempts are told as progress meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSearch:
    """End a search gently: no new attempts, the journal is kept, the report is written. A second call ends it at once."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _CONFIG
    run: str
    """The run's name, or its folder below the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNode:
    """Show the evidence for one attempt of a run: verdict, times, checks, bottleneck, reward, and what was changed in the source."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _CONFIG
    run: str
    """The run's name, or its folder below the root."""
    node: int | None = None
    """The attempt's number; 0 is the kernel that the run began with. null: the best."""
    source: bool = False
    """Give the whole source, not only the difference to its parent's."""
