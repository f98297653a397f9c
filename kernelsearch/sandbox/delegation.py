"""Where this process may make control groups, found out by making one and joining it.

Version 2 lets a group have either processes or children with controllers, the root of all excepted. So, in this order: our own group
if it is the root; our own group if it was delegated to us, after what is in it moved into a leaf of it; the nearest group above that
hands memory and pids down and lets us in. Moving is done only where it disturbs nobody: at the top of a container in which we are
root, or alone in a group that belongs to us (`systemd-run --user --scope -p Delegate=yes kernelsearch …`). Version 1 has neither
rule: memory and pids are two hierarchies, and groups are made below our own place in each.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kernelsearch import process
from kernelsearch.errors import SandboxBroken, ToolMissing
from kernelsearch.sandbox import cgroup
from kernelsearch.sandbox.base import Limits
from kernelsearch.sandbox.cgroup import CONTROLLERS, Groups, pids

_ENABLE = " ".join(f"+{controller}" for controller in CONTROLLERS)
_LEAF = "kernelsearch-host"  # stays for as long as anything lives in it; its name is not one of a box
_MOVES = 10  # rounds of moving: processes may fork while we do


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mount:
    """A line of mountinfo: `root` is the group that shows at `point`."""

    point: Path
    root: str
    kind: str
    controllers: frozenset[str]


def find_groups(proc: Path = Path("/proc/self")) -> Groups:
    """The first place where a group can be made and joined; else none, with the reasons. Cleans up after processes that were killed."""
    reasons = []
    try:
        mounts = list(_mounts(proc))
        places = _own_places(proc, mounts)
        for found in (*_version_2(places, mounts), *_version_1(places)):
            if isinstance(found, str):
                reasons.append(found)
            elif not (problem := _problem(found)):
                with contextlib.suppress(OSError):
                    found.clean()
                return found
            else:
                reasons.append(problem)
    except (OSError, ValueError) as error:  # the second: not written as we know it
        reasons.append(str(error))
    return Groups(reason="; ".join(dict.fromkeys(reasons)) or "no hierarchy of control groups is mounted")


def _mounts(proc: Path) -> Iterator[_Mount]:
    for line in (proc / "mountinfo").read_text().splitlines():
        place, _, system = line.partition(" - ")
        root, point = (word.encode().decode("unicode_escape") for word in place.split()[3:5])
        kind, *_, options = system.split()
        if kind in ("cgroup", "cgroup2"):
            yield _Mount(point=Path(point), root=root, kind=kind, controllers=frozenset(options.split(",")))


def _own_places(proc: Path, mounts: list[_Mount]) -> dict[str, Path]:
    """The folder of our own group: by controller, and under "" in version 2. Left out where it does not show."""
    places = {}
    for line in (proc / "cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            for mount in mounts:
                if (mount.kind == "cgroup2") if name == "" else (mount.kind == "cgroup" and name in mount.controllers):
                    inside = PurePosixPath(path)
                    below = inside.relative_to(mount.root) if inside.is_relative_to(mount.root) else PurePosixPath()
                    if ".." not in below.parts and (mount.point / below).is_dir():
                        places[name] = mount.point / below
    return places


def _version_2(places: dict[str, Path], mounts: list[_Mount]) -> Iterator[Groups | str]:
    """Places to try, or why one will not do. What must be prepared for a place is done as it comes up, and not before."""
    own = places.get("")
    if own is None:
        return
    top = next(mount.point for mount in mounts if mount.kind == "cgroup2" and own.is_relative_to(mount.point))
    if _is_root(own) or _movable(own, top):
        yield _own_group(own)
    else:
        yield f"{own} may have no children, for it is not delegated to us"
    above = [own, *own.parents]
    for parent in above[1 : above.index(top) + 1]:
        if _is_root(parent):
            yield _own_group(parent)
        elif set(CONTROLLERS) <= _words(parent / "cgroup.subtree_control"):
            yield _at(parent)


def _at(parent: Path) -> Groups:
    return Groups(version=2, parents=dict.fromkeys(CONTROLLERS, parent))


def _own_group(own: Path) -> Groups | str:
    """Have `own` hand memory and pids down to its children, moving aside what is in it if it must be."""
    missing = set(CONTROLLERS) - _words(own / "cgroup.controllers")
    if missing:
        return f"version 2 has no {' or '.join(sorted(missing))} controller in {own}"
    if not set(CONTROLLERS) <= _words(own / "cgroup.subtree_control"):
        try:
            if not _is_root(own):
                _move(own, own / _LEAF)
            cgroup._write(own / "cgroup.subtree_control", _ENABLE)
        except OSError as error:
            if (own / _LEAF).is_dir():
                _move_back(own / _LEAF, own)
            return f"cannot enable {' and '.join(CONTROLLERS)} in {own}: {error.strerror}"
    return _at(own)


def _is_root(folder: Path) -> bool:
    """Whether it is the root of all groups, which alone may have both processes and children, and has no type."""
    return not (folder / "cgroup.type").exists()


def _movable(own: Path, top: Path) -> bool:
    if os.geteuid() == 0:
        return own == top
    return own.stat().st_uid == os.geteuid() and pids(own) <= {os.getpid()}


def _move(source: Path, leaf: Path) -> None:
    """All processes of `source` into `leaf`."""
    if not leaf.is_dir():
        cgroup._make(leaf)
    for _ in range(_MOVES):
        for pid in pids(source):
            with contextlib.suppress(ProcessLookupError):
                cgroup._write(leaf / "cgroup.procs", str(pid))


def _move_back(leaf: Path, target: Path) -> None:
    with contextlib.suppress(OSError):  # where they are now is as good
        for pid in pids(leaf):
            cgroup._write(target / "cgroup.procs", str(pid))
        cgroup._remove(leaf)


def _version_1(places: dict[str, Path]) -> Iterator[Groups | str]:
    if set(CONTROLLERS) <= set(places):
        yield Groups(version=1, parents={controller: places[controller] for controller in CONTROLLERS})
    elif set(CONTROLLERS) & set(places):
        yield f"version 1 has no hierarchy for {' and '.join(sorted(set(CONTROLLERS) - set(places)))}"


def _problem(groups: Groups) -> str:
    """Why no group can be made there and joined; empty when one was."""
    try:
        group = groups.make(Limits())
        if group is None:
            return groups.reason
        try:
            done = process.run([*group.joining, "/bin/sh", "-c", "exit 0"], timeout_s=10.0, env={})
        finally:
            group.end()
    except (SandboxBroken, ToolMissing) as error:
        return str(error)
    return "" if done.returncode == 0 else f"a process cannot join a group: {done.stderr.strip() or f'exit code {done.returncode}'}"


def _words(path: Path) -> set[str]:
    try:
        return set(path.read_text().split())
    except OSError:
        return set()
