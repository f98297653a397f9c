"""Compiler flags: what nvcc can be told without touching the source."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsearch.model import Resource
from kernelsearch.propose.rules.base import Program, Rewrite


class CompilerFlags:
    """Adds one flag, or changes the register limit. Fast arithmetic only where the task's policy allows it."""

    name = "compiler-flags"
    relieves = (Resource.OCCUPANCY, Resource.SPILLS, Resource.COMPUTE)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        for flags, summary in self._variants(program):
            if flags != program.flags:
                yield Rewrite(
                    source=program.source, flags=flags, directive=f"{self.name}-{flags[-1].strip('-').replace('=', '-')}", summary=summary
                )

    def _variants(self, program: Program) -> Iterator[tuple[tuple[str, ...], str]]:
        without_limit = tuple(flag for flag in program.flags if not flag.startswith("-maxrregcount"))
        if not any(flag.startswith("-O") for flag in program.flags):
            yield (*program.flags, "-O3"), "optimise at level 3"
        if program.task.policy.fast_math and "--use_fast_math" not in program.flags:
            yield (*program.flags, "--use_fast_math"), "fast, less exact arithmetic"
        if "--extra-device-vectorization" not in program.flags:
            yield (*program.flags, "--extra-device-vectorization"), "let the compiler vectorise more"
        for limit in (64, 32, 128):
            yield (*without_limit, f"-maxrregcount={limit}"), f"at most {limit} registers a thread"
