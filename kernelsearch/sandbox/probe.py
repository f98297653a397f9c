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
from kernelsearch.sandbox.base import Box, BoxResult, Limits, Sandbox
from kernelsearch.sandbox.policy import box_policy

_LIMITS = Limits(seconds=20.0, processes=24, file_bytes=1 << 20)
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
    "kernel_settings": "write kernel settings",
    "descriptors": "use inherited descriptors",
    "forks": "fork beyond the limit",
    "file_size": "write a file beyond the limit",
    "disk": "fill a disk or memory file system",
    "daemon": "leave a process behind",
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
        script = paths.data("sandbox") / "probes" / "attacks.py"
        box = Box(
            command=(sys.executable, "-I", "-S", str(script), json.dumps({**world, "folder": str(folder)})),
            readable=(script,),
            writable=(folder,),
            limits=_LIMITS,
        )
        result = sandbox.run(box)
        alive = _grows(folder / "beat")
    results = _results(result)
    if alive:
        results["daemon"] = replace(results["daemon"], held=False, detail="a process survived its box")
    return tuple(results.values())


def _results(result: BoxResult) -> dict[str, ProbeResult]:
    answers = {name: rest for name, _, rest in (line.partition(" ") for line in result.stdout.splitlines())}
    why = (result.stderr.strip().splitlines() or ["timed out" if result.timed_out else f"exit code {result.returncode}"])[-1]
    found = {}
    for name, attempt in ATTACKS.items():
        outcome, _, detail = answers.get(name, f"unanswered no answer: {why}").partition(" ")
        found[name] = ProbeResult(name=name, attempt=attempt, held=outcome == "held", detail=detail)
    return found


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
                "private_bytes": max(box_policy().tmp_bytes, box_policy().shm_bytes),
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
