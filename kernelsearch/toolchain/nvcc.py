"""Builds for NVIDIA GPUs: nvcc in a box without network or device, a cubin for the kernels form, a shared object for a launcher.

Of the 0.75 s for a launcher, host code takes 0.5: cudafe++ 0.19, g++ 0.17, preprocessing and linking 0.1. No option of nvcc shortens
that; only builds that are not run do without it.

A launch plan names kernels as the source does, a cubin as the C++ ABI does. The plan in a `Build` holds the cubin's symbols: each
name is replaced by the one entry that ptxas reported under it (`ptxas.plain_name`), so an overloaded kernel, or a template with
several instances, is refused as ambiguous. Resources stay under the names of the source.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kernelsearch import paths, source
from kernelsearch.errors import ToolMissing, UsageError
from kernelsearch.model import Build, Candidate, Form, KernelResources, LaunchPlan, Origin, Task, Verdict
from kernelsearch.sandbox.base import Box, BoxResult, Limits, Sandbox
from kernelsearch.toolchain import ptxas, sass
from kernelsearch.toolchain.base import Toolchain
from kernelsearch.toolchain.cache import BuildCache, build_key
from kernelsearch.toolchain.locate import Nvcc

# A kernel takes a second; a template bomb takes all it is given. Memory is address space, of which cicc needs about 1 GiB.
_LIMITS = Limits(seconds=120.0, file_bytes=1 << 28, processes=64, memory_bytes=8 << 30)
_DISASSEMBLY_BYTES = 32 << 20
_LOG_CHARACTERS = 8_000
SOURCE = "candidate.cu"  # as line information names it
_TEMPORARY = re.compile(r"\S*/tmpxft_[\w-]+?(\.\w+)+")
_FORM_FLAGS = {Form.KERNELS: ("-cubin",), Form.LAUNCHER: ("-shared", "-Xcompiler", "-fPIC")}


class NvccToolchain(Toolchain):
    """`arch` is a hardware profile's, such as "sm_90". `cache` is made on demand.

    `witness`: builds will not be run. A launcher becomes a cubin too, in a third of the time: the same errors, of host code as well,
    and the same machine code, without host compiler and linker.
    """

    def __init__(self, *, sandbox: Sandbox, cache: Path, nvcc: Nvcc, arch: str, witness: bool = False) -> None:
        self._sandbox = sandbox
        self._cache = BuildCache(cache)
        self._nvcc = nvcc
        self._arch = arch
        self._form_flags = dict.fromkeys(Form, _FORM_FLAGS[Form.KERNELS]) if witness else _FORM_FLAGS

    @property
    def name(self) -> str:
        return f"nvcc {self._nvcc.version}"

    def build(self, candidate: Candidate, task: Task) -> Build:
        """The candidate as a cubin or a shared object, from the cache when it was built before. Flags are the guard's to judge."""
        flags = (*self._form_flags[task.form], *target(self._arch), "-lineinfo", "-Xptxas", "-v", *candidate.flags)
        disassembled = "with SASS" if self._nvcc.cuobjdump else "without SASS"
        key = build_key(
            source=candidate.source, flags=flags, form=task.form.value, arch=self._arch, toolchain=f"{self.name} {disassembled}"
        )
        return self._cache.get(key) or self._make(candidate, task, key, flags)

    def cubin(self, file: Path) -> Path:
        """Our own `file` as a cubin, from the cache when it was built before. Raises `ToolMissing` when nvcc refuses it."""
        text = file.read_text(encoding="utf-8")
        flags = ("-cubin", *target(self._arch), "-O3")
        key = build_key(source=text, flags=flags, form="own", arch=self._arch, toolchain=self.name)
        if (kept := self._cache.get(key)) is not None and kept.ok:
            return Path(kept.artifact)
        candidate = Candidate(task="", source=text, origin=Origin(proposer="own"))
        with tempfile.TemporaryDirectory(prefix="build-", dir=paths.scratch_root(), ignore_cleanup_errors=True) as folder:
            artifact = Path(folder) / "artifact"
            result = self._compile(candidate, flags, artifact)
            if result.returncode != 0 or not artifact.is_file():
                raise ToolMissing(f"{self.name} does not build {file} for {self._arch}: {tidy(result.stderr)}; is it older than the GPU?")
            return Path(self._cache.put(key, Build(ok=True, toolchain=self.name, artifact=str(artifact)), artifact).artifact)

    def _make(self, candidate: Candidate, task: Task, key: str, flags: Sequence[str]) -> Build:
        plan: LaunchPlan | None = None
        if task.form is Form.KERNELS:
            try:
                plan = source.launch_plan(candidate.source)
            except UsageError as error:
                return self._failed(key, Verdict.BUILD_FAILED, f"launch plan: {error}", 0.0)
        with tempfile.TemporaryDirectory(prefix="build-", dir=paths.scratch_root(), ignore_cleanup_errors=True) as folder:
            artifact = Path(folder) / "artifact"
            result = self._compile(candidate, flags, artifact)
            log = tidy(result.stderr + result.stdout)
            if result.timed_out:
                return self._failed(key, Verdict.TIMED_OUT, f"the compiler took more than {_LIMITS.seconds:.0f} s\n{log}", result.seconds)
            if result.returncode != 0 or not artifact.is_file():
                reason = log or f"nvcc ended with code {result.returncode} and without a word"
                return self._failed(key, Verdict.BUILD_FAILED, reason, result.seconds)
            kernels = ptxas.resources(result.stderr)
            try:
                plan = resolve(plan, kernels) if plan else None
            except UsageError as error:
                return self._failed(key, Verdict.BUILD_FAILED, f"launch plan: {error}", result.seconds)
            code = self._disassemble(artifact)
            build = Build(
                ok=True,
                toolchain=self.name,
                artifact=str(artifact),
                plan=plan,
                log=log,
                resources=tuple(replace(kernel, kernel=ptxas.plain_name(kernel.kernel)) for kernel in kernels),
                instructions=code.instructions,
                sass_digest=code.digest,
                seconds=result.seconds,
            )
            return self._cache.put(key, build, artifact)

    def _failed(self, key: str, failure: Verdict, log: str, seconds: float) -> Build:
        return self._cache.put(key, Build(ok=False, toolchain=self.name, failure=failure, log=log, seconds=seconds))

    def _compile(self, candidate: Candidate, flags: Sequence[str], artifact: Path) -> BoxResult:
        """Run nvcc in the artifact's folder, so that its messages name the file alone."""
        folder = artifact.parent
        (folder / SOURCE).write_text(candidate.source, encoding="utf-8")
        libraries = [f"-L{path}" for path in self._nvcc.library_dirs]
        command = (str(self._nvcc.path), *libraries, *flags, SOURCE, "-o", artifact.name)
        return self._sandbox.run(
            Box(command=command, readable=self._nvcc.readable, writable=(folder,), cwd=folder, limits=_LIMITS),
        )

    def _disassemble(self, artifact: Path) -> sass.Sass:
        """The machine code, or nothing where there is no disassembler or it fails: it is evidence, not a judgement."""
        if self._nvcc.cuobjdump is None:
            return sass.Sass()
        artifact.chmod(0o755)
        tools = self._nvcc.cuobjdump
        box = Box(
            command=(str(tools), "-sass", str(artifact)),
            readable=(*self._nvcc.readable, artifact),
            env={"PATH": f"{tools.parent}:/usr/bin:/bin"},  # it calls nvdisasm
            limits=replace(_LIMITS, output_bytes=_DISASSEMBLY_BYTES),
        )
        result = self._sandbox.run(box)
        return sass.read(result.stdout) if result.returncode == 0 else sass.Sass()


def target(arch: str) -> tuple[str, ...]:
    """nvcc's words for one machine. From Hopper on its own instructions (wgmma, setmaxnreg) are in the variant "a"."""
    number = arch.removeprefix("sm_")
    if number.isdigit() and int(number) >= 90:
        number += "a"
    return (f"-gencode=arch=compute_{number},code=sm_{number}",)


def tidy(log: str) -> str:
    """The compiler's warnings and errors, without its temporary paths; the beginning of it when it is long."""
    text = _TEMPORARY.sub(lambda match: f"candidate{match[1]}", ptxas.without_report(log))
    return text if len(text) <= _LOG_CHARACTERS else text[:_LOG_CHARACTERS] + "\n[cut]"


def resolve(plan: LaunchPlan, kernels: Sequence[KernelResources]) -> LaunchPlan:
    """`plan` with the symbols of its kernels. Raises `UsageError` for a kernel that is not there, or is there more than once."""
    launches = []
    for launch in plan.launches:
        symbols = [kernel.kernel for kernel in kernels if launch.kernel in (kernel.kernel, ptxas.plain_name(kernel.kernel))]
        if len(symbols) > 1:
            raise UsageError(f"{launch.kernel!r} is ambiguous, as there are {len(symbols)} kernels of that name; name them apart")
        if not symbols:
            known = ", ".join(sorted(ptxas.plain_name(kernel.kernel) for kernel in kernels)) or "none"
            raise UsageError(f"no kernel {launch.kernel!r} was compiled (a template needs an explicit instance); there are: {known}")
        launches.append(replace(launch, kernel=symbols[0]))
    return replace(plan, launches=tuple(launches))
