"""What came of configurations: Kernel Tuner's T4 results and its cache, written and read.

A `Trial` that failed is kept with the kind of its failure. T4 has the kinds in full; the cache has three error strings, so a recording
that is read from a cache knows only these. Of T4's two names for the compile time (the schema says `compilation_time`, Kernel
Tuner's writer `compilation`) both are written and either is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kernelsearch.errors import UsageError
from kernelsearch.formats.kerneltuner.space import Configuration, Value

SCHEMA = "1.0.0"


class Invalidity(StrEnum):
    """How a configuration ended, in T4's words."""

    CORRECT = "correct"
    TIMEOUT = "timeout"
    COMPILE = "compile"
    RUNTIME = "runtime"
    CORRECTNESS = "correctness"
    CONSTRAINTS = "constraints"


_ERRORS = {
    Invalidity.COMPILE: "CompilationFailedConfig",
    Invalidity.RUNTIME: "RuntimeFailedConfig",
    Invalidity.TIMEOUT: "RuntimeFailedConfig",
    Invalidity.CORRECTNESS: "RuntimeFailedConfig",
    Invalidity.CONSTRAINTS: "InvalidConfig",
}
_KINDS = {
    "CompilationFailedConfig": Invalidity.COMPILE,
    "RuntimeFailedConfig": Invalidity.RUNTIME,
    "InvalidConfig": Invalidity.CONSTRAINTS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One configuration that was tried. Times are milliseconds; `measurements` are name -> (value, unit)."""

    configuration: Configuration
    invalidity: Invalidity
    runtimes: tuple[float, ...] = ()
    time: float | None = None  # the objective: what stands for the runtimes
    compilation: float = 0.0
    validation: float = 0.0
    benchmark: float = 0.0
    timestamp: str = ""
    measurements: Mapping[str, tuple[float, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.invalidity is Invalidity.CORRECT) != (self.time is not None):
            raise UsageError(f"a trial has a time if and only if it is correct: {dict(self.configuration)}")


@dataclass(frozen=True, kw_only=True)
class Recording:
    """All trials of one kernel on one device."""

    kernel: str
    device: str
    problem: tuple[int, ...]
    parameters: Mapping[str, tuple[Value, ...]]  # in the order of the cache's keys
    trials: tuple[Trial, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def key(self, configuration: Configuration) -> str:
        """The cache's name of a configuration."""
        return ",".join(str(configuration[name]) for name in self.parameters)


def t4_as_text(recording: Recording) -> str:
    """The recording as a T4 results file; what T4 has no place for stands in its metadata."""
    metadata = {
        "timeunit": "milliseconds",
        "kernel": recording.kernel,
        "device": recording.device,
        "problem_size": list(recording.problem),
        "tune_params": {name: list(values) for name, values in recording.parameters.items()},
        **recording.metadata,
    }
    head = json.dumps(metadata, indent=1)
    lines = ",\n".join(json.dumps(_t4_result(trial)) for trial in recording.trials)
    return f'{{"schema_version": "{SCHEMA}",\n"metadata": {head},\n"results": [\n{lines}\n]}}\n'


def _t4_result(trial: Trial) -> dict[str, Any]:
    times = {
        "compilation_time": trial.compilation,
        "compilation": trial.compilation,
        "benchmark": trial.benchmark,
        "framework": 0.0,
        "search_algorithm": 0.0,
        "validation": trial.validation,
        "runtimes": list(trial.runtimes),
    }
    measured = [] if trial.time is None else [{"name": "time", "value": trial.time, "unit": "ms"}]
    return {
        "timestamp": trial.timestamp,
        "configuration": dict(trial.configuration),
        "times": times,
        "invalidity": trial.invalidity.value,
        "correctness": int(trial.invalidity is Invalidity.CORRECT),
        "measurements": [*measured, *({"name": k, "value": v, "unit": unit} for k, (v, unit) in trial.measurements.items())],
        "objectives": ["time"],
    }


def read_t4(text: str, *, where: str = "T4") -> Recording:
    """The recording in a T4 results file, ours or Kernel Tuner's."""
    try:
        raw = json.loads(text)
        metadata = dict(raw.get("metadata", {}))
        trials = tuple(_trial_of_t4(entry) for entry in raw["results"])
        known = metadata.pop("tune_params", None)
        metadata.pop("timeunit", None)
        return Recording(
            kernel=metadata.pop("kernel", ""),
            device=metadata.pop("device", ""),
            problem=tuple(metadata.pop("problem_size", ())),
            parameters={name: tuple(values) for name, values in known.items()} if known else _seen(trials),
            trials=trials,
            metadata=metadata,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{where}: cannot be read as T4 results ({type(error).__name__}: {error})") from error


def _trial_of_t4(entry: Mapping[str, Any]) -> Trial:
    times = entry["times"]
    measured = {m["name"]: (m["value"], m.get("unit", "")) for m in entry.get("measurements", [])}
    time = measured.pop("time", (None, ""))[0]
    invalidity = Invalidity(entry["invalidity"])
    return Trial(
        configuration=entry["configuration"],
        invalidity=invalidity,
        runtimes=tuple(times.get("runtimes", ())),
        time=time if invalidity is Invalidity.CORRECT else None,
        compilation=times.get("compilation_time", times.get("compilation", 0.0)),
        validation=times.get("validation", 0.0),
        benchmark=times.get("benchmark", 0.0),
        timestamp=entry.get("timestamp", ""),
        measurements=measured,
    )


def _seen(trials: Iterable[Trial]) -> dict[str, tuple[Value, ...]]:
    found: dict[str, dict[Value, None]] = {}
    for trial in trials:
        for name, value in trial.configuration.items():
            found.setdefault(name, {})[value] = None
    return {name: tuple(values) for name, values in found.items()}


def cache_as_text(recording: Recording) -> str:
    """The recording as Kernel Tuner's cache file, which its simulation mode reads."""
    head = {
        "schema_version": SCHEMA,
        "device_name": recording.device,
        "kernel_name": recording.kernel,
        "problem_size": list(recording.problem),
        "tune_params_keys": list(recording.parameters),
        "tune_params": {name: list(values) for name, values in recording.parameters.items()},
        "objective": "time",
    }
    lines = ",\n".join(f"{json.dumps(recording.key(trial.configuration))}: {json.dumps(_cached(trial))}" for trial in recording.trials)
    return f'{json.dumps(head, indent=0)[:-2]},\n"cache": {{\n{lines}}}\n}}\n'


def _cached(trial: Trial) -> dict[str, Any]:
    return {
        **trial.configuration,
        "time": _ERRORS[trial.invalidity] if trial.time is None else trial.time,
        **({"times": list(trial.runtimes)} if trial.time is not None else {}),
        "compile_time": trial.compilation,
        "verification_time": trial.validation,
        "benchmark_time": trial.benchmark,
        "strategy_time": 0.0,
        "framework_time": 0.0,
        "timestamp": trial.timestamp,
    }


def read_cache(text: str, *, where: str = "cache") -> Recording:
    """The recording in a cache file; one that was being written, without its end, is read as far as it goes."""
    try:
        raw = _parsed_cache(text)
        names = raw["tune_params_keys"]
        problem = raw.get("problem_size", ())
        return Recording(
            kernel=raw["kernel_name"],
            device=raw["device_name"],
            problem=tuple(problem) if isinstance(problem, list | tuple) else (problem,),
            parameters={name: tuple(raw["tune_params"][name]) for name in names},
            trials=tuple(_trial_of_cache(entry, names) for entry in raw["cache"].values()),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{where}: cannot be read as Kernel Tuner's cache ({type(error).__name__}: {error})") from error


def _parsed_cache(text: str) -> dict[str, Any]:
    whole = re.sub(r"\s*,?\s*$", "", text)
    cut = whole.rfind("},\n") + 1  # of a file broken off within a line that line is given up
    for ending in (text, whole + "}", whole + "}}", whole[:cut] + "}}"):
        try:
            found: dict[str, Any] = json.loads(ending)
        except ValueError:
            continue
        return found
    raise ValueError("it is no JSON, with or without its end")


def _trial_of_cache(entry: Mapping[str, Any], names: Iterable[str]) -> Trial:
    time = entry.get("__error__", entry.get("time"))
    failed = isinstance(time, str)
    return Trial(
        configuration={name: entry[name] for name in names},
        invalidity=_KINDS.get(time, Invalidity.RUNTIME) if isinstance(time, str) else Invalidity.CORRECT,
        runtimes=() if failed else tuple(entry.get("times", ())),
        time=None if failed else time,
        compilation=entry.get("compile_time", 0.0),
        validation=entry.get("verification_time", 0.0),
        benchmark=entry.get("benchmark_time", 0.0),
        timestamp=entry.get("timestamp", ""),
    )
