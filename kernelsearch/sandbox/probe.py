"""Proves a box by trying to break out of it: runs `sandbox/probes/attacks.py` inside, with bait laid out here.

The program is ours, so what it says is believed; whether a daemon survived is seen from outside.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kernelsearch import paths, process
from kernelsearch.sandbox.base import Box, Limits, Sandbox

_LIMITS = Limits(seconds=20.0, processes=24, file_bytes=1 << 20, private_bytes=16 << 20)
_STARVED = replace(_LIMITS, group_bytes=96 << 20)
ATTACKS = {
    "network": "reach the host or the network",
    "abstract_socket": "reach the host's local sockets",
    "write_system": "write to the system",
    "read_home": "read the user's home",
    "read_secret": "read a file that was not listed",
    "processes": "see or signal other processes",
    "ptrace": "take over a process by ptrace",
    "mount": "change mounts or make a user namespace",
    "privileges": "hold or gain privileges",
    "devices": "find device nodes",
    "false_clock": "fake system calls or clocks",
    "kernel_settings": "write kernel settings",
    "descriptors": "use inherited descriptors",
    "forks": "fork beyond the limit",
    "file_size": "write a file beyond the limit",
    "disk": "fill a disk or memory file system",
    "daemon": "leave a process behind",
    "memory": "use more memory than allowed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """One attack: its short name, what it tries in words, whether the box held, and what happened."""

    name: str
    attempt: str
    held: bool
    detail: str


def probe(sandbox: Sandbox) -> tuple[ProbeResult, ...]:
    """Every attack, tried on `sandbox`, within a second. An attack that gave no answer counts as not held."""
    with tempfile.TemporaryDirectory(prefix="probe-", ignore_cleanup_errors=True) as outside, _bait(Path(outside)) as world:
        folder = Path(outside) / "folder"
        folder.mkdir()
        result = sandbox.run(_box({**world, "folder": str(folder), "alone": False}, folder, _LIMITS))
        alive = _grows(folder / "beat")
        starved = sandbox.run(_box({**world, "folder": str(folder), "alone": True}, folder, _STARVED))
    answers = {name: rest for name, _, rest in (line.partition(" ") for line in (result.stdout + starved.stdout).splitlines())}
    if alive:
        answers["daemon"] = "broken a process survived its box"
    if starved.out_of_memory and "memory" not in answers:
        answers["memory"] = "held the kernel ended the box"
    why = (result.stderr.strip().splitlines() or ["timed out" if result.timed_out else f"exit code {result.returncode}"])[-1]
    return tuple(_result(name, answers.get(name, f"unanswered no answer: {why}")) for name in ATTACKS)


def _result(name: str, answer: str) -> ProbeResult:
    outcome, _, detail = answer.partition(" ")
    return ProbeResult(name=name, attempt=ATTACKS[name], held=outcome == "held", detail=detail)


def _box(world: dict[str, object], folder: Path, limits: Limits) -> Box:
    script = paths.data("sandbox") / "probes" / "attacks.py"
    command = (sys.executable, "-I", "-S", str(script), json.dumps(world))
    return Box(command=command, readable=(script,), writable=(folder,), limits=limits)


@contextlib.contextmanager
def _bait(outside: Path) -> Iterator[dict[str, object]]:
    """A listener, a secret, a process and an open descriptor: what the attacks reach for."""
    secret, name = outside / "secret", f"kernelsearch-probe-{secrets.token_hex(8)}"
    secret.write_text("bait")
    victim_command = ("/usr/bin/sleep", f"60.{secrets.randbelow(10**6):06}")
    with socket.socket() as listener, socket.socket(socket.AF_UNIX) as local, secret.open() as descriptor:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        local.bind(f"\0{name}")
        local.listen()
        os.set_inheritable(descriptor.fileno(), True)
        victim = process.start(victim_command)
        try:
            yield {
                "port": listener.getsockname()[1],
                "abstract": name,
                "secret": str(secret),
                "home": str(Path.home()),
                "home_names": _home_names(),
                "victim": victim.pid,
                "victim_command": "".join(f"{word}\0" for word in victim_command),
                "processes": _LIMITS.processes,
                "file_bytes": _LIMITS.file_bytes,
                "private_bytes": _LIMITS.private_bytes,
                "group_bytes": _STARVED.group_bytes,
            }
        finally:
            victim.kill()


def _home_names() -> list[str]:
    """Some entries of the user's home, but those that lead to this Python, which a box does show."""
    home = Path.home()
    shown = {
        Path(path).relative_to(home).parts[0]
        for path in (sys.prefix, sys.base_prefix, Path(sys.executable).resolve())
        if Path(path).is_relative_to(home) and Path(path) != home
    }
    try:
        return sorted({path.name for path in home.iterdir()} - shown)[:100]
    except OSError:
        return []


def _grows(beat: Path) -> bool:
    """Whether a daemon still writes to `beat`, which it does every 5 ms."""
    size = beat.stat().st_size if beat.exists() else 0
    time.sleep(0.1)
    return beat.exists() and beat.stat().st_size > size
