"""A prompt that fits: its parts, and the one order in which they are shortened until the whole is within its tokens. Pure.

The order is one list of steps, each of which makes one part shorter, and a prompt is cut by the fewest of its first steps that make it
fit. So a larger budget never drops what a smaller one kept, and what was cut is known from how far down the list it went. Sizes are
estimates (see `llm.estimate`), and what is said of the cut in the prompt counts as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kernelsearch.errors import PromptTooLong
from kernelsearch.llm import estimate

ORDER = (
    "outlines",  # of other kernels, in the place of their source
    "other kernels",
    "example",  # of the directive
    "alternatives",  # to the directive
    "tried",  # from the present kernel, the oldest first
    "lessons",  # the least telling first
    "note",  # of the strategy
    "output",  # of compiler or verifier, but for its beginning
    "score",
    "lineage",  # the oldest first
    "difference",  # that an edit made
    "counters",  # but for the hot lines and the limit, which go last
    "kept lessons",  # which a summariser is to go on from
    "plan",
    "advice",  # on the directive, all but its name
    "beginning",  # of what the compiler or the verifier said
    "hints",  # of the run's owner, the oldest first
    "task notes",  # last, since they stand in the system part, which a provider's cache serves
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A shorter form of a part. `stage` is the place in `ORDER` at which it is taken, `said` what the prompt is then without."""

    stage: str
    text: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One section of a prompt, whole, with its shorter forms from the longest to the shortest; without any it is never cut."""

    name: str
    text: str
    cuts: tuple[Cut, ...] = ()

    def __post_init__(self) -> None:
        places = [ORDER.index(cut.stage) for cut in self.cuts]
        if places != sorted(places):
            raise ValueError(f"part {self.name!r}: its cuts are not in the order of their stages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Of one section, in estimated tokens. `cut` is what it is without, empty where it is whole."""

    name: str
    tokens: int
    whole: int
    cut: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Of one prompt, in estimated tokens; sections of `system` come first. `limit` is None where there is none."""

    limit: int | None
    tokens: int
    sections: tuple[Size, ...]

    @property
    def cut(self) -> tuple[str, ...]:
        """What the prompt is without."""
        return tuple(dict.fromkeys(section.cut for section in self.sections if section.cut))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is to be said: the parts of both halves of a prompt. `ending` of the request follows on what is said of a cut."""

    system: Sequence[Part]
    request: Sequence[Part]
    ending: Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    system: str
    request: str
    account: Account


def fit(page: Page, limit: int | None, notice: Callable[[Sequence[str]], str]) -> Fitted:
    """`page` within `limit` estimated tokens, whole where there is none; `notice` words what was cut. Raises `PromptTooLong`."""
    parts = (*page.system, *page.request, *page.ending)
    forms = [_Form(part) for part in parts]
    steps = _steps(forms)
    least = math.inf
    for step in (None, *steps):
        if step is not None:
            forms[step].shorten()
        said = list(dict.fromkeys(form.cut for form in forms if form.cut))
        told = notice(said) if said else ""
        halves = _halves(page, forms, told)
        tokens = sum(map(estimate.tokens, halves))
        if limit is None or tokens <= limit:
            sizes = tuple(form.size for form in forms)
            return Fitted(system=halves[0], request=halves[1], account=Account(limit=limit, tokens=tokens, sections=sizes))
        least = min(least, tokens)
    raise PromptTooLong(
        f"a prompt for this kernel takes some {least:,.0f} tokens (estimated) with all left out that may be, and prompt_tokens is "
        f"{limit:,}: allow more than that, or begin with a shorter source"
    )


class _Form:
    """A part in the form that it has at the moment."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.cuts = _shorter(part)
        self.text, self.cut = part.text, ""
        self._taken = 0

    def shorten(self) -> None:
        taken = self.cuts[self._taken]
        self.text, self.cut = taken.text, taken.said
        self._taken += 1

    @property
    def size(self) -> Size:
        return Size(name=self.part.name, tokens=estimate.tokens(self.text), whole=estimate.tokens(self.part.text), cut=self.cut)


def _shorter(part: Part) -> tuple[Cut, ...]:
    """The forms that save something: an outline may be as long as the source."""
    found, length = [], len(part.text.encode(errors="replace"))
    for cut in part.cuts:
        size = len(cut.text.encode(errors="replace"))
        if size < length:
            found.append(cut)
            length = size
    return tuple(found)


def _steps(forms: Sequence[_Form]) -> list[int]:
    """Which part is shortened next, by stage; within a stage the later parts go first."""
    keyed = [(ORDER.index(cut.stage), -place, turn) for place, form in enumerate(forms) for turn, cut in enumerate(form.cuts)]
    return [-place for _, place, _ in sorted(keyed)]


def _halves(page: Page, forms: Sequence[_Form], told: str) -> tuple[str, str]:
    texts = [form.text for form in forms]
    system, end = len(page.system), len(page.system) + len(page.request)
    return "".join(texts[:system]), "".join([*texts[system:end], told, *texts[end:]])
