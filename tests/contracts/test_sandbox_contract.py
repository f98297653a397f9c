"""What every sandbox does, with walls or without; then what only one with walls does."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from kernelsearch.errors import SandboxBroken, ToolMissing
from kernelsearch.sandbox import open_sandbox
from kernelsearch.sandbox.bare import Bare
from kernelsearch.sandbox.base import Box, Limits, SandboxLevel
from kernelsearch.sandbox.bubblewrap import open_bubblewrap
from kernelsearch.sandbox.cgroup import Groups
from kernelsearch.sandbox.delegation import find_groups
from kernelsearch.sandbox.files import read_left


def walled():
    try:
        return open_bubblewrap()
    except ToolMissing as error:
        pytest.skip(f"no namespaces here: {error}")


@pytest.fixture(params=["bare", "bare in a group", "bubblewrap", "mapped user", "no filter", "no group"])
def sandbox(request):
    if request.param == "bare":
        return Bare()
    if request.param == "bare in a group":
        return Bare(groups=grouped())
    changes = {"mapped user": {"own_user": False}, "no filter": {"seccomp": False}, "no group": {"groups": Groups()}}
    return replace(walled(), **changes.get(request.param, {}))


def grouped():
    groups = find_groups()
    if not groups.parents:
        pytest.skip(groups.reason)
    return groups


def sh(script, **options):
    return Box(command=("/bin/sh", "-c", script), limits=options.pop("limits", Limits(seconds=60)), **options)


def test_streams_and_code(sandbox):
    result = sandbox.run(sh("echo out; echo err >&2; exit 7"))
    assert (result.returncode, result.stdout, result.stderr, result.timed_out) == (7, "out\n", "err\n", False)


def test_a_signal_is_a_negative_code_and_other_codes_are_kept(sandbox):
    assert sandbox.run(sh("kill -SEGV $$")).returncode == -11
    assert [sandbox.run(sh(f"exit {code}")).returncode for code in (1, 128, 192, 255)] == [1, 128, 192, 255]


def test_environment_is_ours_alone(sandbox, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    result = sandbox.run(sh("env", env={"GIVEN": "yes"}))
    names = {line.split("=")[0] for line in result.stdout.splitlines()}
    assert "GIVEN=yes" in result.stdout.splitlines()
    assert names <= {"GIVEN", "PATH", "HOME", "TMPDIR", "LANG", "PWD", "SHLVL", "_", "OLDPWD"}


def test_home_and_working_folder_are_private_and_empty(sandbox):
    lines = sandbox.run(sh("test $HOME = $(pwd) && ls -A && echo -- && touch mine && ls -A")).stdout.splitlines()
    before, after = set(lines[: lines.index("--")]), set(lines[lines.index("--") + 1 :])
    pythons = (Path(sys.prefix), Path(sys.base_prefix))  # one that lies under /tmp is mounted there
    assert before <= {path.relative_to("/tmp").parts[0] for path in pythons if path.is_relative_to("/tmp")}
    assert after == before | {"mine"}


def test_reads_and_writes_what_is_listed(sandbox, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir(mode=0o700)
    target.mkdir(mode=0o700)
    (source / "a").write_text("hello")
    result = sandbox.run(sh(f"cat {source}/a > b && mkdir -p c/d && cat b", readable=(source,), writable=(target,), cwd=target))
    assert result.returncode == 0 and result.stdout == "hello", result.stderr
    assert read_left(target / "b", 100) == b"hello"


def test_a_readable_folder_may_lie_in_a_writable_one(sandbox, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a").write_text("x")
    result = sandbox.run(sh(f"cat {inner}/a; touch {tmp_path}/b", readable=(inner,), writable=(tmp_path,)))
    assert result.stdout == "x" and (tmp_path / "b").exists()


def test_this_python_runs(sandbox):
    result = sandbox.run(Box(command=(sys.executable, "-I", "-c", "import json, ctypes; print(json.dumps(1))"), limits=Limits(seconds=60)))
    assert result.stdout == "1\n", result.stderr


def test_time_out_ends_everything(sandbox, tmp_path):
    result = sandbox.run(sh("sleep 300 & sleep 300", limits=Limits(seconds=0.3)))
    assert result.timed_out and result.returncode < 0


def test_output_is_cut(sandbox):
    result = sandbox.run(sh("yes | head -c 3000000; echo end >&2", limits=Limits(seconds=60, output_bytes=1000)))
    assert len(result.stdout) == 1000 and result.stderr == "end\n" and result.returncode == 0


def test_a_file_cannot_grow_beyond_its_limit(sandbox, tmp_path):
    box = sh(f"head -c 200000 /dev/zero > {tmp_path}/f", writable=(tmp_path,), limits=Limits(seconds=60, file_bytes=65536))
    assert sandbox.run(box).returncode != 0
    assert (tmp_path / "f").stat().st_size == 65536


def test_open_files_and_memory_are_limited(sandbox):
    result = sandbox.run(sh("ulimit -n; ulimit -v; ulimit -c", limits=Limits(seconds=60, open_files=77, memory_bytes=1 << 30)))
    assert result.stdout.split() == ["77", str(1 << 20), "0"]


def test_when_memory_runs_out_the_box_goes_first(sandbox):
    assert sandbox.run(sh("cat /proc/self/oom_score_adj")).stdout == "1000\n"


def test_a_missing_command_fails_in_the_box(sandbox):
    result = sandbox.run(Box(command=("/no/such/program",)))
    assert result.returncode in (126, 127) and "/no/such/program" in result.stderr


def test_standard_input_is_empty(sandbox):
    assert sandbox.run(sh("cat; echo end")).stdout == "end\n"


def test_a_live_box_says_it_is_ready_then_works(sandbox):
    live = sandbox.start(sh("echo ready; cat; exit 4"))
    assert live.read_line(60) == "ready"
    live.send(b"work")
    result = live.wait(60)
    assert (result.stdout, result.returncode, result.timed_out) == ("ready\nwork", 4, False)


def test_a_live_box_survives_the_thread_that_started_it(sandbox):
    with ThreadPoolExecutor(1) as pool:
        live = pool.submit(sandbox.start, sh("echo ready; cat")).result()
    assert live.read_line(60) == "ready"
    live.send(b"")
    assert live.wait(60).returncode == 0


def test_a_live_box_times_out(sandbox):
    live = sandbox.start(sh("sleep 300"))
    assert live.read_line(0.05) is None
    assert live.wait(0.1).timed_out


def test_a_live_box_can_be_killed_unused_twice_and_while_waited_for(sandbox):
    live = sandbox.start(sh("sleep 300"))
    live.kill()
    live.kill()
    live = sandbox.start(sh("sleep 300"))
    killer = threading.Timer(0.1, live.kill)
    killer.start()
    result = live.wait(100)
    killer.join()
    assert result.returncode < 0 and not result.timed_out


def talker(code, **options):
    """A box with a channel, whose program speaks over it as `channel`."""
    head = "import os, socket, sys\nchannel = socket.socket(fileno=int(os.environ['KS_CHANNEL']))\n"
    return Box(command=(sys.executable, "-I", "-S", "-c", head + code), channel=True, limits=Limits(seconds=60), **options)


def test_messages_go_both_ways_over_the_channel_and_keep_their_borders(sandbox):
    live = sandbox.start(talker("for _ in range(3):\n    channel.send(channel.recv(100)[::-1])\nprint('end')"))
    for message in (b"abc", b"d" * 90, b"ef"):
        live.channel.send(message)
    assert [live.channel.recv(100) for _ in range(3)] == [b"cba", b"d" * 90, b"fe"]
    assert live.wait(60).stdout == "end\n"


def test_the_channel_ends_when_the_box_dies(sandbox):
    live = sandbox.start(talker("channel.send(b'x')\nos.kill(os.getpid(), 9)"))
    live.channel.settimeout(60)
    assert [live.channel.recv(10), live.channel.recv(10)] == [b"x", b""]
    assert live.wait(60).returncode == -9


def test_a_box_sees_the_end_of_the_channel_when_we_close_it(sandbox):
    live = sandbox.start(talker("print(channel.recv(10))"))
    live.channel.close()
    assert live.wait(60).stdout == "b''\n"


def test_the_channel_is_closed_with_the_box_and_wakes_its_reader(sandbox):
    live = sandbox.start(talker("channel.recv(10)"))
    channel = live.channel

    def read():
        try:
            return channel.recv(10)
        except OSError:  # it came too late
            return b""

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        live.kill()
        assert reading.result(timeout=60) == b""
    assert channel.fileno() == -1


def test_a_channel_is_all_that_a_box_inherits(sandbox):
    code = "import pathlib\nprint(*(n for n in range(3, 1024) if pathlib.Path(f'/proc/self/fd/{n}').is_symlink()), channel.fileno())"
    spare, end = os.pipe()
    os.set_inheritable(spare, True)
    try:
        seen = sandbox.start(talker(code)).wait(60).stdout.split()
    finally:
        os.close(spare)
        os.close(end)
    assert len(seen) == 2 and seen[0] == seen[1]


def test_a_descriptor_sent_over_the_channel_does_not_arrive(sandbox):
    live = sandbox.start(talker("socket.send_fds(channel, [b'take this'], [0, 1, 2])\nchannel.recv(1)"))
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert live.channel.recv(100) == b"take this"
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    live.kill()


def test_without_asking_there_is_no_channel(sandbox):
    live = sandbox.start(sh("echo ${KS_CHANNEL-none}"))
    with pytest.raises(ValueError, match="no channel"):
        _ = live.channel
    assert live.wait(60).stdout == "none\n"


def test_boxes_run_side_by_side(sandbox):
    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(lambda n: sandbox.run(sh(f"echo {n}")).stdout, range(18))) == sorted(f"{n}\n" for n in range(18))


def test_no_descriptor_of_ours_is_left_open(sandbox):
    sandbox.run(sh("true"))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        sandbox.run(sh("true"))
        sandbox.start(sh("true", channel=True)).kill()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_no_control_group_is_left_behind(sandbox):
    if not sandbox.groups.parents:
        pytest.skip("it has none")
    before = groups_of_ours(sandbox)
    sandbox.run(sh("true"))
    sandbox.run(sh("setsid sleep 300 & sleep 300", limits=Limits(seconds=0.2)))
    live = sandbox.start(sh("sleep 300"))
    assert len(groups_of_ours(sandbox)) > len(before)
    live.kill()
    live.kill()
    assert groups_of_ours(sandbox) == before


def groups_of_ours(sandbox):
    return {path for parent in sandbox.groups.parents.values() for path in parent.glob(f"kernelsearch-{os.getpid()}-*")}


def test_a_box_that_cannot_be_started_leaves_no_group(monkeypatch):
    sandbox = replace(walled(), groups=grouped(), program=Path("/no/such/bwrap"))
    with pytest.raises(SandboxBroken):
        sandbox.run(sh("true"))

    def fails(*_, **__):
        raise ToolMissing("no shell")

    monkeypatch.setattr("kernelsearch.process.start", fails)
    with pytest.raises(ToolMissing):
        sandbox.run(sh("true"))
    assert groups_of_ours(sandbox) == set()


def test_want_of_memory_is_told(sandbox):
    code = "held = bytearray(b'x') * (200 << 20)\nprint(len(held))"
    command = (sys.executable, "-I", "-S", "-c", code)
    result = sandbox.run(Box(command=command, limits=Limits(seconds=60, group_bytes=64 << 20)))
    starved = bool(sandbox.groups.parents)
    assert (result.out_of_memory, result.returncode, result.timed_out) == (starved, -9 if starved else 0, False)
    result = sandbox.run(Box(command=command, limits=Limits(seconds=60, group_bytes=None)))
    assert (result.out_of_memory, result.returncode) == (False, 0)


class WholeGroupKilled:
    """A group that the kernel ended as a whole, as version 2 does: the box's command and bubblewrap with it."""

    joining = ()
    out_of_memory = False

    def make(self, limits):
        return self

    def end(self):
        self.out_of_memory = True


def test_a_box_killed_for_memory_together_with_its_walls_is_no_broken_sandbox():
    command = ("/bin/sh", "-c", "echo ready; sleep 300")
    live = replace(walled(), groups=WholeGroupKilled()).start(Box(command=command))
    assert live.read_line(60) == "ready"
    os.kill(live._running.pid, 9)
    result = live.wait(60)
    assert (result.out_of_memory, result.returncode, result.timed_out) == (True, -9, False)
    live = walled().start(Box(command=command))
    assert live.read_line(60) == "ready"
    os.kill(live._running.pid, 9)
    with pytest.raises(SandboxBroken):
        live.wait(60)


def test_walls_report_their_level():
    assert Bare().level is SandboxLevel.NONE
    assert walled().level is SandboxLevel.BUBBLEWRAP


def test_walls_say_what_there_really_is():
    real = walled()
    names = {"level", "user", "system calls", "memory and processes"}
    assert set(real.walls) == set(Bare().walls) == names
    assert real.walls["level"] == real.level.text
    assert replace(real, seccomp=False).walls["system calls"] == "not filtered"
    assert replace(real, own_user=True).walls["user"].startswith("one of its own")
    assert replace(real, own_user=False).walls["user"].endswith("mapped to nobody, without capabilities")
    assert replace(real, groups=Groups(reason="read-only")).walls["memory and processes"] == "rlimits only: no control group (read-only)"
    groups = Groups(version=2, parents={"memory": Path("/x"), "pids": Path("/x")})
    assert Bare(groups=groups).walls["memory and processes"] == "control group v2: 16 GiB, 256 processes"


def test_a_box_that_cannot_be_made_is_not_the_candidates_fault(tmp_path):
    with pytest.raises(SandboxBroken, match="gone"):
        walled().run(sh("true", readable=(tmp_path / "gone",)))


def test_what_is_not_listed_is_absent(tmp_path):
    (tmp_path / "secret").write_text("x")
    shown = tmp_path / "shown"
    shown.mkdir()
    result = walled().run(sh(f"ls -A {tmp_path}; ls -A /dev/shm /tmp | head", readable=(shown,)))
    assert "secret" not in result.stdout and "shown" in result.stdout


def test_readable_is_not_writable(tmp_path):
    assert walled().run(sh(f"touch {tmp_path}/a", readable=(tmp_path,))).returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_there_only_when_listed():
    device = next((path for path in map(Path, ("/dev/fuse", "/dev/net/tun", "/dev/kvm")) if path.is_char_device()), None)
    if device is None:
        pytest.skip("no device node here to lend to a box")
    script = f"test -c {device}; echo $?; test -d /sys/devices; echo $?"
    assert walled().run(sh(script)).stdout.split() == ["1", "1"]
    assert walled().run(sh(script, devices=(device,))).stdout.split() == ["0", "0"]


def test_a_daemon_is_gone_when_the_box_is(tmp_path):
    result = walled().run(sh(f"setsid sh -c 'while :; do echo x >> {tmp_path}/beat; done' & while ! test -s {tmp_path}/beat; do :; done",
                             writable=(tmp_path,)))  # fmt: skip
    assert result.returncode == 0
    size = (tmp_path / "beat").stat().st_size
    assert all((tmp_path / "beat").stat().st_size == size for _ in range(1000))


def test_no_namespaces_and_no_permission_to_go_without(monkeypatch, tmp_path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr("kernelsearch.sandbox.bubblewrap._programs", lambda: iter([broken]))
    with pytest.raises(ToolMissing, match="No permissions to create new namespace.*--unsafe"):
        open_sandbox()
    assert open_sandbox(unsafe=True).level is SandboxLevel.NONE


def test_what_a_box_left_is_read_with_care(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert read_left(tmp_path / "file", 3) == b"abc"
    assert [read_left(tmp_path / name, 10) for name in ("link", "pipe", "none", ".")] == [None] * 4
    assert read_left(tmp_path / "file", 2) is None
