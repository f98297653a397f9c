"""A recorded space to search in without a GPU: what became of every configuration, and which is the best."""

from __future__ import annotations

import lzma
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kernelsearch.errors import UsageError
from kernelsearch.formats.kerneltuner import Configuration, Invalidity, Recording, Trial, Value, read_t4

Key = tuple[Value, ...]
ENDING = ".t4.json.xz"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """`trials` holds every point that the space's conditions admit; what is not in it they refuse."""

    name: str
    parameters: Mapping[str, tuple[Value, ...]]
    default: Configuration
    trials: Mapping[Key, Trial]

    def key(self, configuration: Configuration) -> Key:
        """A configuration as what it is found by."""
        return tuple(configuration[name] for name in self.parameters)

    def configuration(self, key: Key) -> dict[str, Value]:
        """The configuration of a key."""
        return dict(zip(self.parameters, key, strict=True))

    def time_us(self, key: Key) -> float:
        """The recorded median in µs, without noise; infinite for what failed or is refused."""
        trial = self.trials.get(key)
        return math.inf if trial is None or trial.time is None else trial.time * 1e3

    @cached_property
    def best_us(self) -> float:
        """The best known time."""
        return min(trial.time for trial in self.trials.values() if trial.time is not None) * 1e3


def of(recording: Recording, name: str) -> Recorded:
    """The space in `recording`; its default is what the metadata says, else the first value of each parameter."""
    parameters = recording.parameters
    default = recording.metadata.get("default") or {key: values[0] for key, values in parameters.items()}
    trials = {tuple(trial.configuration[key] for key in parameters): trial for trial in recording.trials}
    found = Recorded(name=name, parameters=parameters, default=default, trials=trials)
    start = trials.get(found.key(default))
    if start is None or start.invalidity is not Invalidity.CORRECT:
        raise UsageError(f"space {name!r}: its default configuration was not recorded as correct, so no search can start from it")
    return found


def names(folder: Path) -> list[str]:
    """Spaces in `folder`."""
    found = sorted(path.name.removesuffix(ENDING) for path in folder.glob(f"*{ENDING}"))
    if not found:
        raise UsageError(f"no recorded space (NAME{ENDING}) in {folder}; benchmarks/record_space.py records them on a GPU")
    return found


def load(folder: Path, *only: str) -> dict[str, Recorded]:
    """The spaces in `folder`, or some of them, by name."""
    files = {name: folder / f"{name}{ENDING}" for name in only or names(folder)}
    return {name: of(read_t4(lzma.decompress(path.read_bytes()).decode(), where=str(path)), name) for name, path in files.items()}
