"""Several models as one: `pool:NAME*SHARE,NAME*SHARE` asks each as often as its share says, `pool:bandit:NAME,NAME` by what they bring for
their price.

Who is asked is settled before an attempt begins and stands in its proposal, so all turns of a conversation go to one model, and a resumed
run knows who was asked. A pool that is asked without that goes by the seed alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kernelsearch.errors import UsageError
from kernelsearch.llm.base import LanguageModel, Message, Reply

_KINDS = "anthropic:MODEL, openai:MODEL, replay:PATH or mailbox:DIR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One model of a pool, or the only one. `name` tells two members of one spec apart."""

    name: str
    spec: str
    share: float
    options: Mapping[str, str]


class Pool:
    """Thread-safe as its members are."""

    def __init__(self, spec: str, members: Sequence[Member], opened: Mapping[str, LanguageModel]) -> None:
        self._spec = spec
        self.members = tuple(members)
        self._opened = dict(opened)

    @property
    def name(self) -> str:
        return self._spec

    @property
    def by_price(self) -> bool:
        """Whether what was brought decides who is asked, in place of the shares."""
        return self._spec.startswith("pool:bandit:")

    def member(self, name: str, seed: int = 0) -> LanguageModel:
        """The model called `name`; by the seed where there is none of that name."""
        found = self._opened.get(name)
        if found is not None:
            return found
        shares = [member.share for member in self.members]
        (chosen,) = random.Random(f"pool {seed}").choices(self.members, shares)
        return self._opened[chosen.name]

    def each(self, change: Callable[[LanguageModel], LanguageModel]) -> Pool:
        """The same pool of changed models."""
        return Pool(self._spec, self.members, {name: change(model) for name, model in self._opened.items()})

    def complete(self, system: str, messages: Sequence[Message], *, seed: int = 0) -> Reply:
        return self.member("", seed).complete(system, messages, seed=seed)


def members_of(spec: str, given: Mapping[str, str], known: Mapping[str, Sequence[str]]) -> tuple[Member, ...]:
    """The models that `spec` names, one or a pool of them, each with its options out of `given`; `known` are the options of each kind.

    Raises `UsageError` for what cannot be read, and for an option that nobody takes.
    """
    if not spec.startswith("pool:"):
        _check_kind(spec, known)
        kind = spec.partition(":")[0]
        if unknown := sorted(given.keys() - set(known[kind])):
            raise UsageError(f"{kind} has no option {unknown[0]!r}; it has {', '.join(known[kind])}")
        return (Member(name=spec, spec=spec, share=1.0, options=dict(given)),)
    bandit = spec.startswith("pool:bandit:")
    listed = [part.strip() for part in spec.removeprefix("pool:").removeprefix("bandit:").split(",") if part.strip()]
    if len(listed) < 2:
        raise UsageError(f"{spec!r} names no pool; write pool:NAME*SHARE,NAME*SHARE or pool:bandit:NAME,NAME with two models or more")
    pairs = [_share(part, bandit) for part in listed]
    for one, _ in pairs:
        _check_kind(one, known)
    options = _dealt([one for one, _ in pairs], given, known)
    names = [one if [o for o, _ in pairs].count(one) == 1 else f"{one}#{number}" for number, (one, _) in enumerate(pairs, 1)]
    return tuple(
        Member(name=name, spec=one, share=share, options=mine) for name, (one, share), mine in zip(names, pairs, options, strict=True)
    )


def _check_kind(spec: str, known: Mapping[str, Sequence[str]]) -> None:
    kind, _, target = spec.partition(":")
    if kind not in known or not target:
        raise UsageError(f"no language model {spec!r}; use {_KINDS}, or several of them as pool:NAME*SHARE,NAME*SHARE")


def _share(part: str, bandit: bool) -> tuple[str, float]:
    name, star, share = part.rpartition("*")
    if not star:
        return part, 1.0
    if bandit:
        raise UsageError(f"{part!r}: a bandit finds the shares; leave out *{share}, or leave out `bandit:`")
    try:
        number = float(share)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise UsageError(f"{part!r}: a share is a number above zero, as in anthropic:MODEL*3")
    return name, number


def _dealt(specs: Sequence[str], given: Mapping[str, str], known: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """The options of each member: those for all that have them, then those for it alone."""
    dealt: list[dict[str, str]] = [{} for _ in specs]
    for option, value in sorted(given.items(), key=lambda pair: pair[0][:1].isdigit()):
        number, dot, name = option.partition(".")
        alone = bool(dot) and number.isdigit()
        if alone and not 1 <= int(number) <= len(specs):
            raise UsageError(f"option {option!r}: the pool has members 1 to {len(specs)}")
        takers = [int(number) - 1] if alone else range(len(specs))
        found = [place for place in takers if (name if alone else option) in known[specs[place].partition(":")[0]]]
        if not found:
            raise UsageError(f"no member of the pool has an option {option!r}")
        for place in found:
            dealt[place][name if alone else option] = value
    return dealt
