"""Builds for the emulated device: a CUDA source as C++, compiled by g++ in the sandbox into one shared object.

With nvcc at hand the source is built by it too: its errors count, and its report of registers, spills and SASS is the evidence.
Without it, g++ is the only witness and the evidence is missing.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from kernelsearch import digest, paths, process, source
from kernelsearch.errors import SandboxBroken, ToolMissing, UsageError
from kernelsearch.model import Build, Candidate, Form, LaunchPlan, Task, Verdict
from kernelsearch.sandbox.base import Box, BoxResult, Limits, Sandbox
from kernelsearch.toolchain.base import Toolchain
from kernelsearch.toolchain.cache import BuildCache, build_key
from kernelsearch.toolchain.emulated_errors import explain
from kernelsearch.toolchain.emulated_source import not_rewritten, rewrite, unsupported

_SECONDS = 60.0
# Why these flags: sandbox/emulation/README.md. Short loops are peeled because nvcc unrolls them, and the time model counts blocks.
_COMMON = ("-std=c++20", "-O2", "-g1", "-fPIC", "-w", "-fno-diagnostics-show-caret", "-fmax-errors=5")
_RUNTIME = (*_COMMON, "-fvisibility=hidden", "-r", "-nostdlib", "-Wl,--force-group-allocation")
# What a candidate may bind to. All else of the runtime becomes local to it: of two instances of a template the linker keeps one, and
# were that the candidate's, the runtime would run instrumented code and come to be stopped by its own hooks.
_SHOWN = ("ks_emu_*", "__tsan_*", "__sanitizer_*", "cuda*")
_CANDIDATE = (
    *_COMMON,
    *("-fno-semantic-interposition", "-fno-gnu-unique", "-fno-strict-aliasing", "-fwrapv", "-fno-tree-vectorize"),
    *("-fno-store-merging", "-fno-optimize-sibling-calls", "-fno-math-errno", "-fpeel-loops"),
    *("-fsanitize=thread", "-fsanitize-coverage=trace-pc", "--param=tsan-instrument-func-entry-exit=0"),
    *("-include", "ks_emulation.h"),
)
_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


class EmulatedToolchain(Toolchain):
    """`cache` is made on demand. Raises `ToolMissing` when there is no g++."""

    def __init__(self, *, sandbox: Sandbox, cache: Path, nvcc: Toolchain | None) -> None:
        if shutil.which("g++", path=_ENV["PATH"]) is None:
            raise ToolMissing("the emulated device needs g++; install it (Debian: apt-get install g++)")
        self._sandbox = sandbox
        self._root = cache
        self._cache = BuildCache(cache)
        self._nvcc = nvcc
        self._headers = paths.data("sandbox") / "emulation"
        self._runtime_lock = threading.Lock()

    @property
    def name(self) -> str:
        return f"emulated ({self._compiler})" + (f" + {self._nvcc.name}" if self._nvcc else "")

    def build(self, candidate: Candidate, task: Task) -> Build:
        """The shared object of `candidate`, with nvcc's evidence where there is an nvcc. Both compile at the same time."""
        if task.form is Form.TORCH:
            log = "the emulated device runs no PyTorch modules; give the problem a launcher, or use a GPU"
            return Build(ok=False, toolchain=self.name, failure=Verdict.UNSUPPORTED, log=log)
        if self._nvcc is None:
            return dataclasses.replace(self._build(candidate, task, accepted_by_nvcc=False), toolchain=self.name)
        with ThreadPoolExecutor(max_workers=1) as pool:
            pending = pool.submit(self._nvcc.build, candidate, task)
            # What nvcc refuses never comes to count, so g++ may take for granted that it does not.
            build = self._build(candidate, task, accepted_by_nvcc=True)
            witness = pending.result()
        if not witness.ok:
            return witness
        return dataclasses.replace(
            build,
            toolchain=self.name,
            resources=witness.resources,
            instructions=witness.instructions,
            sass_digest=witness.sass_digest,
            seconds=max(build.seconds, witness.seconds),
            cached=build.cached and witness.cached,
        )

    def _build(self, candidate: Candidate, task: Task, *, accepted_by_nvcc: bool) -> Build:
        """g++'s part, from the cache where the rewritten source was built before."""
        plan: LaunchPlan | None = None
        if task.form is Form.KERNELS:
            try:
                plan = source.launch_plan(candidate.source)
            except UsageError as error:
                return Build(ok=False, toolchain=self.name, failure=Verdict.BUILD_FAILED, log=str(error))
        text = rewrite(candidate.source, plan)
        if construct := unsupported(candidate.source) or not_rewritten(text):
            log = f"line {construct.line}: the emulated device does not know {construct.construct}"
            return Build(ok=False, toolchain=self.name, failure=Verdict.UNSUPPORTED, log=log)
        flags = (*_CANDIDATE, *kept_flags(candidate.flags))
        key = build_key(
            source=text,
            flags=(*flags, f"accepted by nvcc: {accepted_by_nvcc}"),
            form=task.form.value,
            arch="host",
            toolchain=f"{self._compiler} {self._emulation}",
        )
        return self._cache.get(key) or self._compile(text, flags, plan, key, accepted_by_nvcc)

    def _compile(self, text: str, flags: tuple[str, ...], plan: LaunchPlan | None, key: str, accepted_by_nvcc: bool) -> Build:
        runtime = self._runtime()
        with tempfile.TemporaryDirectory(prefix="ks-emulated-") as name:
            folder = Path(name)
            (folder / "candidate.cu").write_text(text, encoding="utf-8", errors="replace")
            result = self._run(self._script(flags, runtime), folder, runtime)
            if result.timed_out:
                log = f"g++ did not finish in {_SECONDS:.0f} s"
                return Build(ok=False, toolchain=self.name, failure=Verdict.TIMED_OUT, log=log, seconds=result.seconds)
            if result.returncode != 0:
                failure, log = explain(result.stderr or result.stdout, accepted_by_nvcc=accepted_by_nvcc)
                failed = Build(ok=False, toolchain=self.name, failure=failure, log=log, seconds=result.seconds)
                return self._cache.put(key, failed)
            artifact = folder / "candidate.so"
            build = Build(ok=True, toolchain=self.name, artifact=str(artifact), plan=plan, seconds=result.seconds)
            return self._cache.put(key, build, artifact)

    def _script(self, flags: tuple[str, ...], runtime: Path) -> str:
        compiled = _shell(["g++", *flags, f"-I{self._headers / 'include'}", "-x", "c++", "-c", "candidate.cu", "-o", "candidate.o"])
        return f"{compiled} && {_shell(['g++', '-shared', '-Wl,-Bsymbolic', '-o', 'candidate.so', 'candidate.o', str(runtime)])}"

    def _runtime(self) -> Path:
        """The emulation's own object file, compiled once for each version of it."""
        target = self._root / f"runtime-{digest.of_text(self._compiler, self._emulation, *_RUNTIME, *_SHOWN)}.o"
        with self._runtime_lock:
            if target.is_file():
                return target
            sources = sorted(str(path) for path in (self._headers / "runtime").glob("*.cpp"))
            with tempfile.TemporaryDirectory(prefix="ks-runtime-") as name:
                closed = ["objcopy", "-w", *(f"--keep-global-symbol={pattern}" for pattern in _SHOWN), "runtime.o"]
                script = f"{_shell(['g++', *_RUNTIME, '-o', 'runtime.o', *sources])} && {_shell(closed)}"
                result = self._run(script, Path(name))
                if result.returncode != 0:
                    raise SandboxBroken(f"the emulation's runtime does not compile with {self._compiler}:\n{result.stderr[-2000:]}")
                self._root.mkdir(parents=True, exist_ok=True)
                aside = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
                shutil.copyfile(Path(name) / "runtime.o", aside)
                aside.rename(target)
        return target

    def _run(self, script: str, folder: Path, *more: Path) -> BoxResult:
        return self._sandbox.run(
            Box(
                command=("/bin/sh", "-c", script),
                readable=(self._headers, *more),
                writable=(folder,),
                env=_ENV,
                cwd=folder,
                limits=Limits(seconds=_SECONDS, output_bytes=64 * 1024),
            )
        )

    @cached_property
    def _compiler(self) -> str:
        """ "g++ 12.2.0"."""
        told = process.run(["g++", "-dumpfullversion"], timeout_s=10.0, env=_ENV)
        return f"g++ {told.stdout.strip()}"

    @cached_property
    def _emulation(self) -> str:
        """What the headers and the runtime are, by content."""
        files = sorted(path for path in self._headers.rglob("*") if path.is_file() and path.suffix != ".md")
        return digest.of_text(*(f"{path.relative_to(self._headers)}\n{path.read_text()}" for path in files))


def kept_flags(flags: Iterable[str]) -> tuple[str, ...]:
    """The candidate's flags that g++ has too and that matter here: definitions. The headers need their own language version."""
    kept: list[str] = []
    pending = ""
    for flag in flags:
        if pending:
            kept.append(pending + flag)
            pending = ""
        elif flag in ("-D", "-U"):
            pending = flag
        elif flag.startswith(("-D", "-U")):
            kept.append(flag)
    return tuple(kept)


def _shell(words: Iterable[str]) -> str:
    """One command line with every word quoted."""
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
