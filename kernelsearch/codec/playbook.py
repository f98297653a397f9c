"""The playbook's own files: directives, and how one of them is chosen."""

from __future__ import annotations

import enum
from typing import TypeVar

from pydantic import Field

from kernelsearch.codec.strict import At, Table, parsed, validated
from kernelsearch.errors import UsageError
from kernelsearch.model import BanditSettings, Condition, Directive, Gain, Kind, Resource

E = TypeVar("E", bound=enum.Enum)


def directives_from_toml(text: str, *, where: str) -> tuple[Directive, ...]:
    """A group of the playbook: `description`, and a `[[directive]]` for each. Resources, kinds and gains go by their names in capitals."""
    file = validated(_PlaybookFile.model_validate, parsed(text, where), where)
    at = At(where)
    return tuple(at(f"directive[{i}] ({table.name})", table.build) for i, table in enumerate(file.directive))


def bandit_settings_from_toml(text: str, *, where: str) -> BanditSettings:
    """How directives are chosen: the fields of `BanditSettings`, and `description`."""
    file = validated(_BanditFile.model_validate, parsed(text, where), where)
    return BanditSettings(**file.model_dump(exclude={"description"}))


class _DirectiveTable(Table):
    name: str = Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
    title: str = Field(min_length=1)
    kind: str
    gain: str
    does: str = Field(min_length=1)
    relieves: tuple[str, ...] = Field(min_length=1)
    uses: tuple[str, ...] = ()
    when: str = ""
    not_when: str = ""
    example: str = Field(min_length=1)
    risks: str = Field(min_length=1)
    arch: int = Field(default=0, ge=0)
    rules: tuple[str, ...] = ()

    def build(self) -> Directive:
        return Directive(
            name=self.name,
            title=self.title,
            kind=_member(Kind, self.kind, "kind"),
            gain=_member(Gain, self.gain, "gain"),
            does=self.does.strip(),
            relieves=tuple(_member(Resource, name, "relieves") for name in self.relieves),
            uses=tuple(_member(Resource, name, "uses") for name in self.uses),
            when=_condition(self.when, "when"),
            not_when=_condition(self.not_when, "not_when"),
            example=self.example.strip("\n"),
            risks=self.risks.strip(),
            arch=self.arch,
            rules=self.rules,
        )


class _PlaybookFile(Table):
    description: str
    directive: tuple[_DirectiveTable, ...] = Field(min_length=1)


class _ClassesTable(Table):
    best: float = Field(ge=0, le=1)
    better: float = Field(ge=0, le=1)
    accept: float = Field(ge=0, le=1)
    reject: float = Field(ge=0, le=1)


class _BanditFile(Table):
    description: str = ""
    exploration: float = Field(ge=0)
    own: float = Field(ge=0, le=1)
    prior: float = Field(gt=0)
    window: int = Field(ge=1)
    saturated: float = Field(gt=0)
    effect: float = Field(ge=0)
    tie: float = Field(ge=0)
    classes: _ClassesTable
    sources: dict[str, str] = Field(default_factory=dict)


def _member(kind: type[E], name: str, key: str) -> E:
    """The member of an enumeration that a file names."""
    try:
        return kind[name]
    except KeyError as error:
        raise UsageError(f"{key}: unknown name {name!r}; one of {', '.join(kind.__members__)}") from error


def _condition(text: str, key: str) -> Condition | None:
    try:
        return Condition(text) if text.strip() else None
    except UsageError as error:
        raise UsageError(f"{key}: {error}") from error
