"""Builds PyTorch candidates: their source checked, and the extensions they compile built ahead, in a box without GPU or network.

The artifact is an archive of the source and the libraries that `load_inline` and `load` made when the module was imported here; where
it runs they are only loaded, so no compiler is in reach there. What comes out of the box is taken by name and size and not looked
into: it is as untrusted as the source.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from kernelsearch import paths
from kernelsearch.errors import ToolMissing
from kernelsearch.model import Build, Candidate, Task, Verdict
from kernelsearch.sandbox.base import Box, BoxResult, Limits, Sandbox
from kernelsearch.sandbox.files import read_left
from kernelsearch.toolchain.base import Toolchain
from kernelsearch.toolchain.cache import BuildCache, build_key
from kernelsearch.toolchain.locate import Nvcc

# torch's headers alone take g++ half a minute and a gigabyte, several files at a time.
_LIMITS = Limits(seconds=300.0, file_bytes=1 << 28, processes=128, memory_bytes=32 << 30)
_LIBRARY = re.compile(r"[0-9a-f]{32}-[A-Za-z_]\w{0,100}\.so")
_LIBRARIES = 16
_LIBRARY_BYTES = 1 << 28
_LOG_CHARACTERS = 8_000
# What ninja says besides the compiler's own words: commands of a thousand characters, and that it stopped.
_CHATTER = re.compile(r"\[\d+/\d+\] .*$|^FAILED: .*\n|^.* -DTORCH_EXTENSION_NAME=.*\n|^ninja: build stopped.*$", re.MULTILINE)
_TEMPORARY = re.compile(r"/tmp/[\w./-]*/")
_SYSTEM = "/usr/local/bin:/usr/bin:/bin"


class TorchToolchain(Toolchain):
    """`arch` is a hardware profile's, such as "sm_90". `cache` is made on demand. Raises `ToolMissing` without torch.

    Without nvcc, ninja or g++ a candidate that compiles extensions is BUILD_FAILED with the remedy; others need none of them.
    """

    def __init__(self, *, sandbox: Sandbox, cache: Path, nvcc: Nvcc | None, arch: str) -> None:
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.origin is None:
            raise ToolMissing("PyTorch tasks need torch; install kernelsearch[torch]")
        self._torch = Path(spec.origin).parent
        self._version = importlib.metadata.version("torch")
        self._sandbox = sandbox
        self._cache = BuildCache(cache)
        self._nvcc = nvcc
        self._arch = arch
        self._scripts = paths.data("sandbox") / "runner"

    @property
    def name(self) -> str:
        return f"torch {self._version}" + (f" + nvcc {self._nvcc.version}" if self._nvcc else "")

    def build(self, candidate: Candidate, task: Task) -> Build:
        """The candidate as an archive, from the cache when it was built before."""
        extensions = "load_inline" in candidate.source or "cpp_extension" in candidate.source
        settings = {
            "entry": task.entry,
            "extensions": extensions,
            "libraries": list(task.policy.libraries),
            "init": task.torch.init if task.torch else '{"list": []}',
        }
        text = json.dumps(settings)
        key = build_key(source=candidate.source, flags=(text,), form=task.form.value, arch=self._arch, toolchain=self.name)
        return self._cache.get(key) or self._make(candidate, text, key, extensions=extensions)

    def _make(self, candidate: Candidate, settings: str, key: str, *, extensions: bool) -> Build:
        if extensions and (missing := self._missing()):
            return Build(ok=False, toolchain=self.name, failure=Verdict.BUILD_FAILED, log=missing)  # not kept: it is the machine's
        with tempfile.TemporaryDirectory(prefix="build-", dir=paths.scratch_root(), ignore_cleanup_errors=True) as name:
            folder = Path(name)
            kept = folder / "kept"
            kept.mkdir()
            (folder / "candidate.py").write_text(candidate.source, encoding="utf-8", errors="surrogateescape")
            folder.chmod(0o755)
            result = self._run(folder / "candidate.py", kept, settings)
            log = _tidy(result.stderr or result.stdout)
            if result.timed_out:
                log = f"compiling its extensions took more than {_LIMITS.seconds:.0f} s\n{log}"
                return Build(ok=False, toolchain=self.name, failure=Verdict.TIMED_OUT, log=log, seconds=result.seconds)
            if result.returncode != 0:
                reason = log or f"importing it ended with code {result.returncode} and without a word"
                failed = Build(ok=False, toolchain=self.name, failure=Verdict.BUILD_FAILED, log=reason, seconds=result.seconds)
                return self._cache.put(key, failed)
            artifact = folder / "artifact"
            _pack(artifact, candidate.source, kept)
            build = Build(ok=True, toolchain=self.name, artifact=str(artifact), log=log, seconds=result.seconds)
            return self._cache.put(key, build, artifact)

    def _run(self, source: Path, kept: Path, settings: str) -> BoxResult:
        path = [str(Path(sys.executable).parent), _SYSTEM]
        env = {"LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "MAX_JOBS": "4", "TORCH_EXTENSIONS_DIR": "/tmp/torch_extensions"}
        readable = [self._scripts, source, self._torch.parent]
        if self._nvcc is not None:
            path.insert(0, str(self._nvcc.path.parent))
            env["CUDA_HOME"] = str(self._nvcc.root)
            env["LIBRARY_PATH"] = ":".join(map(str, self._nvcc.library_dirs))
            env["TORCH_CUDA_ARCH_LIST"] = _arch_list(self._arch)
            readable += self._nvcc.readable
        env["PATH"] = ":".join(path)
        command = (sys.executable, str(self._scripts / "torch_build.py"), str(source), str(kept), settings)
        return self._sandbox.run(Box(command=command, readable=tuple(readable), writable=(kept,), env=env, limits=_LIMITS))

    def _missing(self) -> str | None:
        """What the machine lacks for compiling extensions."""
        places = f"{Path(sys.executable).parent}:{_SYSTEM}"
        tools = [tool for tool in ("ninja", "g++") if shutil.which(tool, path=places) is None]
        tools += ["nvcc"] if self._nvcc is None else []
        if not tools:
            return None
        return f"it compiles an extension, for which this machine lacks {', '.join(tools)}; see kernelsearch doctor"


def _arch_list(arch: str) -> str:
    """torch's word for one machine: sm_90 is "9.0a", with the instructions of Hopper's own."""
    number = arch.removeprefix("sm_")
    suffix = "a" if number.isdigit() and int(number) >= 90 else ""
    return f"{number[:-1]}.{number[-1]}{suffix}"


def _tidy(log: str) -> str:
    """The candidate's or the compiler's words; the beginning, as later errors follow from earlier ones."""
    text = _TEMPORARY.sub("", _CHATTER.sub("", log)).strip()
    return text if len(text) <= _LOG_CHARACTERS else text[:_LOG_CHARACTERS] + "\n[cut]"


def _pack(artifact: Path, source: str, kept: Path) -> None:
    """The archive: ours in form, so that unpacking it writes nothing but these files."""
    with zipfile.ZipFile(artifact, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("candidate.py", source.encode("utf-8", errors="surrogateescape"))
        names = sorted(path.name for path in kept.iterdir() if _LIBRARY.fullmatch(path.name))
        for name in names[:_LIBRARIES]:
            data = read_left(kept / name, _LIBRARY_BYTES)
            if data is not None:
                archive.writestr(f"extensions/{name}", data)
