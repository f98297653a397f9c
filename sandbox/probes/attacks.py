"""What a hostile program would try first, run inside a box by `kernelsearch/sandbox/probe.py`: standard library alone.

Called as `attacks.py JSON`, with the facts of the world outside that it tries to reach. Prints one line for each attack: name, `held`
or `broken`, and what happened. Every attack is harmless where it succeeds.
"""

import contextlib
import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import stat
import struct
import sys
import time
from pathlib import Path
from typing import Any

World = dict[str, Any]  # what `probe.py` lays out: paths, a port, a process, limits

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_TSC, PR_TSC_SIGSEGV = 22, 2, 26, 2
PTRACE_ATTACH, CLONE_NEWUSER, MS_BIND, MNT_DETACH = 16, 0x10000000, 4096, 2


class Program(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h: how many instructions, and where."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


ALLOW_ALL = ctypes.byref(Program(1, struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000)))


class Broken(Exception):
    """The attack worked."""


def network(world: World) -> str:
    """Reach a listener on the host, and an address of the Internet (TEST-NET-1, which no one has: unreachable, not silence)."""
    for address in (("127.0.0.1", world["port"]), ("192.0.2.1", 80)):
        with socket.socket() as attempt:
            attempt.settimeout(0.3)
            try:
                attempt.connect(address)
            except TimeoutError as error:
                raise Broken(f"packets to {address[0]} leave the box") from error
            except OSError:
                continue
        raise Broken(f"connected to {address[0]}:{address[1]}")
    with contextlib.suppress(OSError), socket.socket(socket.AF_VSOCK) as attempt:  # no namespace holds these
        raise Broken("sockets to the host of a virtual machine can be made")
    return "no connection to the host or out of it"


def abstract_socket(world: World) -> str:
    """Reach a listener in the host's abstract socket names, which no file permission guards."""
    with socket.socket(socket.AF_UNIX) as attempt:
        try:
            attempt.connect("\0" + world["abstract"])
        except OSError as error:
            return str(error.strerror)
    raise Broken("connected to a socket of the host")


def write_system(world: World) -> str:
    """Leave a file in the system, in the root and in the interpreter's folders."""
    for folder in ("/", "/usr", "/usr/bin", "/etc", "/dev", sys.prefix, sys.base_prefix):
        path = Path(folder) / f".kernelsearch-probe-{world['port']}"
        try:
            path.touch()
        except OSError:
            continue
        path.unlink()
        raise Broken(f"wrote to {folder}")
    return "read-only"


def read_home(world: World) -> str:
    """Look at the user's home: what is not the interpreter's must be absent."""
    try:
        seen = set(os.listdir(world["home"]))  # noqa: PTH208
    except OSError as error:
        return str(error.strerror)
    if seen & set(world["home_names"]):
        raise Broken(f"{len(seen & set(world['home_names']))} entries of {world['home']} are visible")
    return "empty"


def read_secret(world: World) -> str:
    """Read a file that was not listed, by its path and through the roots of other processes."""
    for root in ("", "/proc/1/root", "/proc/self/root", "/proc/self/cwd/../../../../.."):
        with contextlib.suppress(OSError):
            Path(root + world["secret"]).read_bytes()
            raise Broken(f"read {root}{world['secret']}")
    return "absent"


def processes(world: World) -> str:
    """See a process of the host, and signal it."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "cmdline").read_bytes() == world["victim_command"].encode():
                raise Broken("processes of the host are visible")
    try:
        os.kill(world["victim"], signal.SIGCONT)
    except OSError as error:
        return str(error.strerror)
    raise Broken("signalled a process of the host")


def ptrace(world: World) -> str:
    """Take hold of another process: a sibling in the box, then the box's first."""
    child = os.fork()
    if child == 0:
        time.sleep(5)
        os._exit(0)
    try:
        for pid in (child, 1):
            if libc.ptrace(PTRACE_ATTACH, pid, None, None) == 0:
                raise Broken(f"attached to process {'1' if pid == 1 else 'of its own'}")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return os.strerror(ctypes.get_errno())


def mount(world: World) -> str:
    """Change the mounts, as it is and from a new user namespace."""
    target = Path(world["folder"]) / "mount"
    target.mkdir()
    if libc.mount(b"/usr", bytes(target), None, MS_BIND, None) == 0:
        libc.umount2(bytes(target), MNT_DETACH)
        raise Broken("mounted a folder")
    why = os.strerror(ctypes.get_errno())
    child = os.fork()
    if child == 0:
        os._exit(libc.unshare(CLONE_NEWUSER) == 0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise Broken("made a user namespace, and with it capabilities")
    return why


def privileges(world: World) -> str:
    """Hold a capability, or be able to gain one by a set-uid program."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    held = {name: status[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb") if int(status[name], 16)}
    if held or status["NoNewPrivs"].strip() != "1":
        raise Broken(f"{held or 'set-uid programs work'}")
    return "none, and none to gain"


def devices(world: World) -> str:
    """Find a device node beyond those that any program may have."""
    harmless = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"}
    seen = []
    for folder, _, names in os.walk("/dev"):
        for name in names:
            path = Path(folder) / name
            if name not in harmless and folder != "/dev/pts" and stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFBLK, stat.S_IFCHR):
                seen.append(str(path))
    if seen:
        raise Broken(f"there are {' '.join(seen[:3])} and {len(seen)} in all")
    return "none"


def false_clock(world: World) -> str:
    """Install a filter of its own, which could answer system calls, or a trap on reading the time stamp counter."""
    child = os.fork()
    if child == 0:
        trapped = libc.prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) == 0
        os._exit(trapped or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ALLOW_ALL, 0, 0) == 0)
    ending = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ending:  # a trap may also have ended it
        raise Broken("system calls or clocks can be faked")
    return "refused"


def kernel_settings(world: World) -> str:
    """Write a setting of the kernel."""
    try:
        with Path("/proc/sys/kernel/core_pattern").open("r+") as setting:
            setting.write(setting.read())
    except OSError as error:
        return str(error.strerror)
    raise Broken("wrote /proc/sys/kernel/core_pattern")


def descriptors(world: World) -> str:
    """Use a descriptor that was open outside."""
    held = []
    for number in range(3, 256):
        with contextlib.suppress(OSError):
            os.fstat(number)
            held.append(number)
    if held:
        raise Broken(f"inherited {held}")
    return "only the standard three"


def forks(world: World) -> str:
    """Fork beyond the limit; the box is given one of `processes`."""
    children = []
    try:
        for _ in range(world["processes"] + 8):
            child = os.fork()
            if child == 0:
                time.sleep(5)
                os._exit(0)
            children.append(child)
    except OSError as error:
        return f"{len(children)} forks, then: {error.strerror}"
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    raise Broken(f"{len(children)} forks where {world['processes']} processes are allowed")


def file_size(world: World) -> str:
    """Write a file beyond the limit; the box is given one of `file_bytes`."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = Path(world["folder"]) / "large"
    try:
        with path.open("wb", buffering=0) as file:
            while file.tell() <= world["file_bytes"]:
                file.write(bytes(world["file_bytes"] // 4))
    except OSError as error:
        if error.errno == errno.EFBIG:
            return str(error.strerror)
        raise
    finally:
        path.unlink(missing_ok=True)
    raise Broken("the file grew on")


def disk(world: World) -> str:
    """Fill what can be written to without being listed, beyond what it may hold, by many files that are each allowed."""
    piece = bytes(world["file_bytes"] // 2)
    for folder in map(Path, ("/", "/dev", "/tmp", "/dev/shm")):
        filler = folder / f"kernelsearch-probe-{world['port']}"
        info = os.statvfs(folder)
        if not os.access(folder, os.W_OK) or info.f_flag & os.ST_RDONLY:
            continue
        if info.f_blocks * info.f_frsize > 16 * world["private_bytes"]:
            raise Broken(f"{folder} holds {info.f_blocks * info.f_frsize >> 20} MiB")  # so much is not tried
        filler.mkdir()
        with contextlib.suppress(OSError):
            for number in range(world["private_bytes"] // len(piece) + 1):
                (filler / str(number)).write_bytes(piece)
        written = sum(path.stat().st_size for path in filler.iterdir())
        shutil.rmtree(filler)
        if written > world["private_bytes"]:
            raise Broken(f"{folder} took {written >> 20} MiB")
    return f"full at {world['private_bytes'] >> 20} MiB each"


def memory(world: World) -> str:
    """Use more memory than the limit, spread over processes, none of which uses more itself; the box is given one of `group_bytes`."""
    share = world["group_bytes"] // 2
    go, start = os.pipe()
    children = []
    try:
        for _ in range(4):
            answers, end = os.pipe()
            child = os.fork()
            if child == 0:
                held = bytearray(b"x") * share
                os.write(end, str(len(held)).encode())
                os.read(go, 1)
                os.write(end, str(len(held)).encode())
                time.sleep(5)
                os._exit(0)
            os.close(end)
            children.append((child, answers))
        for _, answers in children:
            os.read(answers, 32)  # it has its share, or was killed over it
        os.write(start, bytes(len(children)))
        used = sum(int(os.read(answers, 32) or 0) for _, answers in children)  # of those that are still alive
    finally:
        for child, answers in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(answers)
    if used > world["group_bytes"]:
        raise Broken(f"{used >> 20} MiB where {world['group_bytes'] >> 20} are allowed")
    return f"{used >> 20} MiB, and no more"


def daemon(world: World) -> str:
    """Leave a process behind, in a session of its own, that goes on writing. The caller sees whether it does."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            beat = Path(world["folder"]) / "beat"
            for _ in range(300):
                with beat.open("ab") as file:
                    file.write(b"x")
                time.sleep(0.005)
        os._exit(0)
    while not (Path(world["folder"]) / "beat").exists():
        time.sleep(0.001)
    return "left one; the caller looks for it"


ATTACKS = (network, abstract_socket, write_system, read_home, read_secret, processes, ptrace, mount, privileges, kernel_settings,
           devices, false_clock, descriptors, forks, file_size, disk, daemon)  # fmt: skip
ALONE = (memory,)  # may end the whole box, and says so by giving no answer


def main() -> None:
    world = json.loads(sys.argv[1])
    for attack in ALONE if world["alone"] else ATTACKS:
        try:
            detail, outcome = attack(world), "held"
        except Broken as success:
            detail, outcome = str(success), "broken"
        print(attack.__name__, outcome, detail, flush=True)


if __name__ == "__main__":
    main()
