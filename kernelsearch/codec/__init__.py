"""Text to model objects and back, checked on the way in (pydantic's only door).

JSON is what we wrote ourselves; TOML is what people write: hardware, metric sets, thresholds and rewards here, tasks and the playbook in
modules of their own beside. Every fault in TOML is a `UsageError` of the form `FILE: path: problem`, and an unknown key is a fault.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import Field, TypeAdapter, ValidationError

from kernelsearch.codec.strict import Table, parsed, problems, validated
from kernelsearch.codec.task_file import task_from_toml
from kernelsearch.errors import UsageError
from kernelsearch.model import Hardware, MetricSet, RewardProfile, Thresholds
from kernelsearch.model.reward import ladder

__all__ = [
    "description_from_toml",
    "dump_json",
    "hardware_from_toml",
    "load_json",
    "load_table",
    "metric_set_from_toml",
    "reward_profile_from_toml",
    "schema",
    "task_from_toml",
    "thresholds_from_toml",
]

T = TypeVar("T")


@lru_cache(maxsize=64)
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def dump_json(value: object) -> str:
    """One line of JSON for a model object."""
    kind: Any = type(value)
    return _adapter(kind).dump_json(value).decode()


def load_json(kind: type[T], text: str | bytes) -> T:
    """The model object that `dump_json` wrote. Raises `UsageError` with the path of what does not fit."""
    hashable: Any = kind
    try:
        value: T = _adapter(hashable).validate_json(text)
    except ValidationError as error:
        raise UsageError(problems(error)) from error
    return value


def load_table(kind: type[T], table: Mapping[str, object]) -> T:
    """An object of a dataclass from a table of its fields. Raises `UsageError` as `load_json` does."""
    hashable: Any = kind
    try:
        value: T = _adapter(hashable).validate_python(dict(table))
    except ValidationError as error:
        raise UsageError(problems(error)) from error
    return value


def schema(kind: type[Any]) -> dict[str, Any]:
    """The JSON schema of a dataclass as `dump_json` writes it; fields are described by the strings below them where it asks for that."""
    hashable: Any = kind
    return _adapter(hashable).json_schema(mode="serialization")


def hardware_from_toml(text: str, *, where: str) -> Hardware:
    """A hardware profile: its keys are the fields of `Hardware`."""
    return _fields_from_toml(Hardware, text, where)


def thresholds_from_toml(text: str, *, where: str) -> Thresholds:
    """The thresholds of the diagnosis: its keys are the fields of `Thresholds`, and none may be missing."""
    return _fields_from_toml(Thresholds, text, where)


def _fields_from_toml(kind: type[T], text: str, where: str) -> T:
    table, hashable = parsed(text, where), cast(Any, kind)
    known = [field.name for field in dataclasses.fields(hashable)]
    if unknown := sorted(table.keys() - set(known)):
        raise UsageError(f"{where}: {unknown[0]}: unknown key; known are {', '.join(known)}")
    value: T = validated(_adapter(hashable).validate_python, table, where)
    return value


def metric_set_from_toml(text: str, name: str, *, where: str) -> MetricSet:
    """A metric set: `description`, and `[metrics]` from counter name to what it tells."""
    return MetricSet(name=name, metrics=validated(_MetricFile.model_validate, parsed(text, where), where).metrics)


def reward_profile_from_toml(text: str, name: str, *, where: str) -> RewardProfile:
    """A reward profile: `description`, `[weights]` by term and `[gates]` by verdict; without gates a ladder below the weights' worst.

    Raises `UsageError` also for terms that do not exist and for gates that are no ladder.
    """
    file = validated(_RewardFile.model_validate, parsed(text, where), where)
    profile = RewardProfile(name=name, weights=file.weights, gates=file.gates or ladder(file.weights), description=file.description)
    if fault := profile.fault():
        raise UsageError(f"{where}: {fault}")
    return profile


def description_from_toml(text: str, *, where: str) -> str:
    """The description in a `suite.toml`."""
    return validated(_SuiteFile.model_validate, parsed(text, where), where).description


class _MetricFile(Table):
    description: str = ""
    metrics: dict[str, str] = Field(min_length=1)


class _RewardFile(Table):
    description: str = ""
    weights: dict[str, float] = Field(min_length=1)
    gates: dict[str, float] = Field(default_factory=dict)


class _SuiteFile(Table):
    description: str
