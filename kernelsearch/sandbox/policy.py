"""What every box sees and may keep, as data: reads `sandbox/policy/box.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kernelsearch import paths


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxPolicy:
    """The file's tables, flattened. Sizes in bytes; see the file for what each means and why."""

    system_roots: tuple[Path, ...]
    system_files: tuple[Path, ...]
    device_readable: tuple[Path, ...]
    tmp_bytes: int
    shm_bytes: int
    environment: Mapping[str, str]
    user_first: int
    user_count: int


@lru_cache(maxsize=1)
def box_policy() -> BoxPolicy:
    """The policy that ships with this package."""
    data = tomllib.loads((paths.data("sandbox") / "policy" / "box.toml").read_text())
    return BoxPolicy(
        system_roots=tuple(map(Path, data["system"]["roots"])),
        system_files=tuple(map(Path, data["system"]["files"])),
        device_readable=tuple(map(Path, data["devices"]["readable"])),
        environment=data["environment"],
        user_first=data["user"]["first"],
        user_count=data["user"]["count"],
        **data["sizes"],
    )
