"""What a suite varies: seeds and settings, from the command line or a table of them.

--setting beam='--strategy beam --playbook none'      one way to search, by its name
--setting grid.toml                                   every combination of lists: strategy = ["mcts", "beam"]
"""

from __future__ import annotations

import itertools
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from kernelsearch import catalog
from kernelsearch.cli.options import BUDGET, LAB, SEARCH, SearchOptions, together
from kernelsearch.errors import UsageError
from kernelsearch.suite import Setting

_FIXED = ("seed", "secret", "worker")  # of a suite as a whole


@click.command(add_help_option=False)
@together(SEARCH, BUDGET, LAB)
def _options(**chosen: Any) -> None:  # noqa: ANN401
    """Never called: it parses the options of a setting as a search's own."""


def settings(given: Sequence[str], base: SearchOptions) -> tuple[Setting, ...]:
    """The ways to search: `base` alone, or with what each of `given` changes. Raises `UsageError` naming the setting at fault."""
    named = [pair for text in given for pair in _named(text)]
    if not named:
        return (Setting(spec=base.spec("", "")),)
    names = [name for name, _ in named]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two settings are called {doubled!r}")
    return tuple(Setting(name=name, spec=SearchOptions(**{**asdict(base), **_changes(name, args)}).spec("", "")) for name, args in named)


def seeds(text: str | None, first: int) -> tuple[int, ...]:
    """`3` for three from `first` on, `4,7` for these two."""
    if text is None:
        return (first,)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"--seeds {text!r}: write how many, as in 5, or which, as in 0,1,7")
    if "," not in text:
        if int(text) == 0:
            raise UsageError("--seeds 0 would run nothing")
        return tuple(range(first, first + int(text)))
    return tuple(dict.fromkeys(map(int, parts)))


def shard(text: str | None) -> tuple[int, int]:
    """`2/4`: the second of four."""
    if text is None:
        return (1, 1)
    number, slash, of = text.partition("/")
    if not (slash and number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of)):
        raise UsageError(f"--shard {text!r}: write which part of how many, as in 2/4")
    return int(number), int(of)


def _named(text: str) -> Iterator[tuple[str, list[str]]]:
    """Names with the options that they stand for."""
    if text.endswith(".toml") and "=" not in text:
        yield from _grid(Path(text))
        return
    name, equals, options = text.partition("=")
    if not (equals and name.strip()):
        raise UsageError(f"--setting {text!r}: write NAME='--strategy beam …', or the name of a .toml file with lists of values")
    try:
        yield name.strip(), shlex.split(options)
    except ValueError as error:
        raise UsageError(f"--setting {name}: {error}") from error


def _grid(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Every combination of the lists in a table of options; what is no list is the same in all."""
    try:
        table = tomllib.loads(catalog.read(file))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: {error}") from error
    if bad := [name for name, value in table.items() if isinstance(value, dict) or value == []]:
        raise UsageError(f"{file}: {bad[0]}: write a value, or a list of some")
    axes = {name: value for name, value in table.items() if isinstance(value, list)}
    fixed = {name: value for name, value in table.items() if name not in axes}
    if not axes:
        raise UsageError(f"{file}: nothing varies in it; give one option a list of values, as in strategy = ['mcts', 'beam']")
    for values in itertools.product(*axes.values()):
        yield "/".join(map(str, values)), _args({**fixed, **dict(zip(axes, values, strict=True))})


def _args(table: Mapping[str, object]) -> list[str]:
    args = []
    for name, value in table.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            args += [option] if value else []
        else:
            args += [option, str(value)]
    return args


def _changes(name: str, args: list[str]) -> dict[str, Any]:
    """What a setting's options say, by the names that `SearchOptions` has."""
    try:
        context = _options.make_context(name, args)
    except click.ClickException as error:
        raise UsageError(f"setting {name!r}: {error.format_message()}") from error
    changes = {key: value for key, value in context.params.items() if context.get_parameter_source(key) is ParameterSource.COMMANDLINE}
    if wrong := [key for key in _FIXED if key in changes]:
        raise UsageError(f"setting {name!r}: --{wrong[0]} is the same for the whole suite{'; see --seeds' if wrong[0] == 'seed' else ''}")
    return changes
