"""The directives that there are, checked as a whole: names, conditions, and the rules that they say carry them out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from kernelsearch import catalog
from kernelsearch.errors import UsageError
from kernelsearch.model import Directive, Node
from kernelsearch.playbook.situation import check_names


class Playbook:
    """Directives by name, in the order of their files. Immutable."""

    def __init__(self, directives: Iterable[Directive]) -> None:
        self._by_name = {directive.name: directive for directive in directives}
        self._by_rule: dict[str, tuple[Directive, ...]] = {}
        for directive in self._by_name.values():
            for rule in directive.rules:
                self._by_rule[rule] = (*self._by_rule.get(rule, ()), directive)

    def __iter__(self) -> Iterator[Directive]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __getitem__(self, name: str) -> Directive:
        return self._by_name[name]

    def get(self, name: str | None) -> Directive | None:
        """The directive called `name`, or the first that the rule of that name carries out; None for other words."""
        if name is None:
            return None
        return self._by_name.get(name) or next(iter(self._by_rule.get(name, ())), None)

    def with_rules(self) -> Playbook:
        """Those that symbolic rules can carry out."""
        return Playbook(directive for directive in self if directive.rules)

    def done(self, node: Node) -> Directive | None:
        """The directive that an attempt carried out: by its origin's name, which is a directive, a rule, or a rule and its variant
        ("block-size-128"). Where several have that rule, the one that was asked for. None when none of them did."""
        name = "" if node.candidate is None else node.candidate.origin.directive
        if name in self._by_name and not self._by_rule.get(name):
            return self._by_name[name]
        asked = None if node.attempt.proposal is None else node.attempt.proposal.directive
        while name:
            if found := self._by_rule.get(name):
                return next((directive for directive in found if directive.name == asked), found[0])
            name = name.rpartition("-")[0]
        return None


def load(rules: Collection[str], groups: Mapping[str, Sequence[Directive]] | None = None) -> Playbook:
    """The shipped playbook, or that of `groups` by file. `rules` are the names of the rules that there are.

    Raises `UsageError`, `FILE: directive NAME: problem`, for a name given twice, an unknown rule, or an unknown name in a condition.
    """
    found: dict[str, Directive] = {}
    for where, directives in (catalog.directives() if groups is None else groups).items():
        for directive in directives:
            try:
                _check(directive, rules, found)
            except UsageError as error:
                raise UsageError(f"{where}: directive {directive.name!r}: {error}") from error
            found[directive.name] = directive
    return Playbook(found.values())


def _check(directive: Directive, rules: Collection[str], before: Collection[str]) -> None:
    if directive.name in before:
        raise UsageError("name: there is another of that name")
    if unknown := sorted(set(directive.rules) - set(rules)):
        raise UsageError(f"rules: there is no rule {unknown[0]!r}; known: {', '.join(sorted(rules))}")
    if directive.name in rules and directive.name not in directive.rules:
        raise UsageError(f"rules: it is called like the rule {directive.name!r}, so it must be carried out by it")
    for key, condition in (("when", directive.when), ("not_when", directive.not_when)):
        if condition is not None:
            try:
                check_names(condition.names)
            except UsageError as error:
                raise UsageError(f"{key}: {error}") from error
