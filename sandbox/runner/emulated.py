"""Runs the calls of one job on the emulated device. Started in a box as `python -I -S emulated.py IN OUT`; standard library only.

Reads IN/job.json, loads IN/artifact, and for each call: allocates guarded buffers, uploads inputs, poisons the rest, runs the entry or
the launch plan, and writes the outputs and result.json to OUT. Judges nothing. The candidate's host code shares this process, so what
is written here is material to be judged outside.
"""

from __future__ import annotations

import ctypes
import json
import re
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

_SCALARS = {
    "f64": ctypes.c_double,
    "f32": ctypes.c_float,
    "i64": ctypes.c_int64,
    "i32": ctypes.c_int32,
    "i16": ctypes.c_int16,
    "i8": ctypes.c_int8,
    "u64": ctypes.c_uint64,
    "u32": ctypes.c_uint32,
    "u16": ctypes.c_uint16,
    "u8": ctypes.c_uint8,
    "bool": ctypes.c_bool,
}
_CODES = {"f4": "<f", "f8": "<d", "i1": "<b", "i2": "<h", "i4": "<i", "i8": "<q", "u1": "<B", "u2": "<H", "u4": "<I", "u8": "<Q"}
_POISON = 0xFF  # outputs before a run: every float type reads it as a NaN, integers as -1
_SCRATCH_POISONS = (0xA5, 0x5A, 0xC3)  # by run: an output made of what was never written differs between two runs


class Function(Protocol):
    """What an attribute of a loaded library is."""

    restype: object

    def __call__(self, *args: object) -> Any: ...  # noqa: ANN401 - as declared by restype


class Stop(Exception):
    """The job cannot go on: `kind` as in abi.h, or "load"."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Emulation:
    """The functions of abi.h in a loaded candidate."""

    def __init__(self, artifact: Path) -> None:
        self.artifact = artifact
        try:
            self.library = ctypes.CDLL(str(artifact))
        except OSError as error:
            raise Stop("load", f"the built candidate cannot be loaded: {error}") from error
        self.library.ks_emu_configure.argtypes = (ctypes.c_uint64, ctypes.c_int, ctypes.c_int)
        self.library.ks_emu_alloc.argtypes = (ctypes.c_size_t, ctypes.c_int)
        self.library.ks_emu_alloc.restype = ctypes.c_void_p
        self.library.ks_emu_label.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
        self.library.ks_emu_protect.argtypes = (ctypes.c_void_p,)
        self.library.ks_emu_report.restype = ctypes.c_char_p

    def function(self, name: str) -> Function:
        try:
            function: Function = getattr(self.library, name)
            return function
        except AttributeError as error:
            raise Stop("load", f"the candidate defines no function {name!r} with C linkage") from error

    def allocate(self, nbytes: int, name: str, readonly: bool) -> int:
        pointer = self.library.ks_emu_alloc(nbytes, int(readonly))
        if not pointer:
            raise Stop("launch", f"out of device memory: {name} needs {nbytes} bytes")
        self.library.ks_emu_label(pointer, name.encode())
        return int(pointer)

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.library.ks_emu_report())
        if (error := found["error"]) and not error["line"] and error["pc"]:
            error["line"] = self.line(error["pc"])
        return found

    def line(self, offset: int) -> int:
        """The candidate's source line of an instruction, 0 where that is not known; that of the call where a header was inlined."""
        try:
            told = subprocess.run(
                ["addr2line", "-i", "-e", str(self.artifact), hex(offset)], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return 0
        found = re.search(r"candidate\.cu:(\d+)", told.stdout)
        return int(found[1]) if found else 0


def _view(pointer: int, nbytes: int) -> memoryview:
    return memoryview((ctypes.c_char * nbytes).from_address(pointer)).cast("B")


class Run:
    """One call made once: its buffers, and what became of them."""

    def __init__(self, emulation: Emulation, spec: Mapping[str, Any], folder: Path, number: int) -> None:
        self._emulation = emulation
        self._spec = spec
        self._folder = folder
        self._args = [self._tensor(arg) if "nbytes" in arg else None for arg in spec["args"]]
        self._scratch = [emulation.allocate(nbytes, f"scratch {index}", False) for index, nbytes in enumerate(spec["scratch"])]
        for pointer, nbytes in zip(self._scratch, spec["scratch"], strict=True):
            ctypes.memset(pointer, _SCRATCH_POISONS[number % len(_SCRATCH_POISONS)], nbytes)

    def _tensor(self, arg: Mapping[str, Any]) -> int:
        readonly = arg["output"] is None
        pointer = self._emulation.allocate(arg["nbytes"], arg["name"], readonly)
        if arg["input"] is None:
            ctypes.memset(pointer, _POISON, arg["nbytes"])
        else:
            with (self._folder / arg["input"]).open("rb") as file:
                file.readinto(_view(pointer, arg["nbytes"]))
        if readonly:
            self._emulation.library.ks_emu_protect(pointer)
        return pointer

    def launcher(self, entry: Function) -> None:
        entry.restype = None
        entry(*(self._value(arg, pointer) for arg, pointer in zip(self._spec["args"], self._args, strict=True)))

    def _value(self, arg: Mapping[str, Any], pointer: int | None) -> object:
        if pointer is not None:
            return ctypes.c_void_p(pointer)
        kind = _SCALARS.get(arg["dtype"])
        if kind is None:
            raise Stop("unsupported", f"the emulated device cannot pass a {arg['dtype']} by value")
        return kind(arg["value"])

    def planned(self) -> None:
        for launch in self._spec["launches"]:
            name = launch["kernel"]
            signature = self._emulation.function(f"ks_signature_{name}")
            signature.restype = ctypes.c_char_p
            codes = signature().decode().split()
            if len(codes) != len(launch["args"]):
                raise Stop("launch", f"{name} takes {len(codes)} arguments, the launch plan gives {len(launch['args'])}")
            packed = [self._packed(code, item, name) for code, item in zip(codes, launch["args"], strict=True)]
            args = (ctypes.c_void_p * len(packed))(*(ctypes.addressof(item) for item in packed))
            dims = [ctypes.c_uint(extent) for extent in (*launch["grid"], *launch["block"])]
            self._emulation.function(f"ks_emu_launch_{name}")(*dims, ctypes.c_size_t(launch["shared"]), args)

    def _packed(self, code: str, item: Mapping[str, Any], kernel: str) -> ctypes.Array[ctypes.c_char]:
        """One argument in the kernel's own type."""
        pointer = self._scratch[item["scratch"]] if "scratch" in item else self._args[item["arg"]] if "arg" in item else None
        if pointer is not None:
            if not code.startswith("p"):
                raise Stop("launch", f"the launch plan passes a buffer where {kernel} takes a number")
            data = struct.pack("<Q", pointer)
        else:
            value = self._spec["args"][item["arg"]]["value"] if "arg" in item else item["value"]
            form = _CODES.get(code)
            if form is None:
                raise Stop("unsupported", f"the emulated device cannot pass {value} by value to {kernel}: only numbers of 1 to 8 bytes")
            try:
                data = struct.pack(form, float(value) if code.startswith("f") else int(value))
            except (struct.error, OverflowError) as error:
                raise Stop("launch", f"{value} does not fit into a parameter of {kernel}: {error}") from error
        return ctypes.create_string_buffer(data, len(data))

    def changed(self) -> str | None:
        """The first input that no longer holds what was uploaded."""
        for arg, pointer in zip(self._spec["args"], self._args, strict=True):
            if pointer is not None and arg["output"] is None and arg["input"] is not None:
                contents = (self._folder / arg["input"]).read_bytes()
                if _view(pointer, arg["nbytes"]) != contents:
                    return str(arg["name"])
        return None

    def write(self, out: Path, suffix: str) -> None:
        for arg, pointer in zip(self._spec["args"], self._args, strict=True):
            if pointer is not None and arg["output"] is not None:
                (out / (arg["output"] + suffix)).write_bytes(_view(pointer, arg["nbytes"]))


def _once(emulation: Emulation, job: Mapping[str, Any], spec: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Make one call once, under the thread order `number`, and report it."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    emulation.library.ks_emu_free_all()
    emulation.library.ks_emu_configure(job["orders"][number], int(job["instrument"]), job["sampled_blocks"])
    run = Run(emulation, spec, folder, number)
    if job["entry"] is None:
        run.planned()
    else:
        run.launcher(emulation.function(job["entry"]))
    report = emulation.report()
    if report["error"] is None:
        report["changed"] = run.changed()
        run.write(out, f".{number}" if number else "")
    return report


def _threads(report: Mapping[str, Any]) -> int:
    total = 0
    for launch in report["launches"]:
        count = 1
        for extent in (*launch["grid"], *launch["block"]):
            count *= extent
        total += count
    return total


def _call(emulation: Emulation, job: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    runs = [_once(emulation, job, spec, 0)]
    for number in range(1, len(job["orders"])):
        if runs[-1]["error"] is None and _threads(runs[0]) <= job["repeat_threads"]:
            runs.append(_once(emulation, job, spec, number))
    return {"label": spec["label"], "runs": runs}


def _failed(runs: Sequence[Mapping[str, Any]]) -> bool:
    return any(run["error"] is not None for run in runs)


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    job = json.loads((folder / "job.json").read_bytes())
    result: dict[str, Any] = {"calls": [], "stopped": None}
    try:
        emulation = Emulation(folder / "artifact")
        for spec in job["calls"]:
            (out / "progress").write_text(spec["label"])
            result["calls"].append(_call(emulation, job, spec))
            if _failed(result["calls"][-1]["runs"]):
                break
    except Stop as stop:
        result["stopped"] = {"kind": stop.kind, "message": str(stop), "line": 0}
    (out / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
