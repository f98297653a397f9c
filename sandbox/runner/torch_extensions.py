"""Extensions that a candidate compiles by `load_inline` or `load`: built in a box without a GPU, only loaded in the one with it.

Both functions of `torch.utils.cpp_extension` are replaced before the candidate is imported: by `Recorder` where it is built, which
keeps each library under a name made of all that went into it, and by `Prebuilt` where it runs, which finds the library under that
name and compiles nothing. A candidate that asks for something else there than where it was built gets an error.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import inspect
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.utils import cpp_extension

_SIGNATURES = {name: inspect.signature(getattr(cpp_extension, name)) for name in ("load_inline", "load")}
_LIBRARY = re.compile(r"[0-9a-f]{32}-([A-Za-z_]\w*)\.so")
# Settings of the build itself, which are ours.
_OURS = ("build_directory", "verbose", "keep_intermediates", "use_pch")
_FLAG = re.compile(
    r"-O[0-3s]|-Ofast|-O|-g|-G|-w|-Wall|-Wno-[\w-]+|-std=\w+\+\+\w+|-D\w+(=\w+)?|-U\w+|-m[\w=.-]+|-f(?!plugin|use-ld|profile)[\w-]+(=\w+)?"
    r"|-?-lineinfo|--?generate-line-info|--?use_fast_math|--?fmad=\w+|--?ftz=\w+|--?prec-(div|sqrt)=\w+|--?maxrregcount=\d+"
    r"|--expt-[\w-]+|--extended-lambda|--?default-stream=legacy|--?restrict|--ptxas-options=[\w,=.-]+|-Xptxas(=[\w,=.-]+)?|-v|--allow-unsupported-compiler"
    r"|-Xcompiler(=[\w-]+)?|-?-gencode(=arch=compute_\w+,code=\w+)?|arch=compute_\w+,code=\w+|-arch=sm_\w+|--threads=?\d*|\d+|-dlcm=\w+"
)


class Refused(Exception):
    """The candidate asks the compiler for what it may not have."""


class Recorder:
    """Builds with torch's own functions and keeps what comes out in `kept`. `libraries` may be linked."""

    def __init__(self, work: Path, kept: Path, libraries: list[str]) -> None:
        self._work, self._kept = work, kept
        self._libraries = {f"-l{name}" for name in (*libraries, "cuda", "cudart")}
        self.built = 0

    def install(self) -> None:
        for function, signature in _SIGNATURES.items():
            setattr(cpp_extension, function, self._stand_in(getattr(cpp_extension, function), signature))

    def _stand_in(self, original: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
        def build(*args: object, **kwargs: object) -> object:
            given = signature.bind(*args, **kwargs)
            self._check(given.arguments)
            key = _key(given.arguments)
            folder = self._work / key
            folder.mkdir(exist_ok=True)
            given.arguments.update(build_directory=str(folder), verbose=False)
            loaded = original(*given.args, **given.kwargs)
            for library in folder.glob("*.so"):
                shutil.copyfile(library, self._kept / f"{key}-{library.stem}.so")
                self.built += 1
            return loaded

        return build

    def _check(self, given: Mapping[str, Any]) -> None:
        for name in ("extra_cflags", "extra_cuda_cflags"):
            for flag in given.get(name) or ():
                if not _FLAG.fullmatch(flag):
                    raise Refused(f"{name}: {flag!r} is not a flag that a candidate may give")
        for flag in given.get("extra_ldflags") or ():
            if flag not in self._libraries:
                raise Refused(f"extra_ldflags: {flag!r} is not a library that the task allows")


class Prebuilt:
    """Loads the libraries in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._libraries = {path.name[:32]: path for path in folder.glob("*.so") if _LIBRARY.fullmatch(path.name)}

    def install(self) -> None:
        for function, signature in _SIGNATURES.items():
            setattr(cpp_extension, function, self._stand_in(signature))

    def _stand_in(self, signature: inspect.Signature) -> Callable[..., Any]:
        def find(*args: object, **kwargs: object) -> object:
            given = signature.bind(*args, **kwargs).arguments
            library = self._libraries.get(_key(given))
            if library is None:
                raise Refused(f"the extension {given.get('name')!r} was not built: it must be asked for when the module is imported")
            if not given.get("is_python_module", True):
                torch.ops.load_library(str(library))
                return str(library)
            return _imported(library)

        return find


def _imported(library: Path) -> ModuleType:
    match = _LIBRARY.fullmatch(library.name)
    name = match[1] if match else library.stem
    loader = importlib.machinery.ExtensionFileLoader(name, str(library))
    spec = importlib.util.spec_from_file_location(name, library, loader=loader)
    if spec is None:
        raise Refused(f"the extension {name!r} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _key(given: Mapping[str, Any]) -> str:
    """A name for all that an extension is made from: files count by their contents."""
    parts = {name: value for name, value in given.items() if name not in _OURS}
    if "sources" in parts:
        paths = [parts["sources"]] if isinstance(parts["sources"], str) else parts["sources"]
        parts["sources"] = [Path(path).read_text() for path in paths]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
