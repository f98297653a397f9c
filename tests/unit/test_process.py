"""Subprocesses: deadline, group kill, capped output, descriptors, and use from threads."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kernelsearch import process
from kernelsearch.errors import ToolMissing


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def gone(pid: int) -> bool:
    """Whether `pid` ended, waiting up to 5 s for whoever must reap it."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_output_and_code_come_back():
    done = process.run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], timeout_s=20)
    assert (done.returncode, done.stdout, done.stderr, done.timed_out, done.cut) == (3, "out\n", "err\n", False, False)


def test_death_by_signal_is_a_negative_code():
    assert process.run(["/bin/sh", "-c", "kill -SEGV $$"], timeout_s=20).returncode == -11


def test_output_beyond_the_cap_is_dropped_but_drained():
    done = process.run(python("import sys; sys.stdout.write('x' * 3_000_000); sys.stderr.write('y' * 10)"), timeout_s=20, output_bytes=1000)
    assert done.returncode == 0 and done.cut
    assert done.stdout == "x" * 1000 and done.stderr == "y" * 10


def test_time_out_kills_the_whole_group():
    done = process.run(["/bin/sh", "-c", "sleep 300 & echo $!; wait"], timeout_s=0.3)
    assert done.timed_out and done.returncode == -9
    assert gone(int(done.stdout))


def test_endless_output_does_not_outrun_the_deadline():
    done = process.run(["/bin/sh", "-c", "while :; do echo yyyyyyyyyyyyyyyy; done"], timeout_s=0.3, output_bytes=100)
    assert done.timed_out and len(done.stdout) == 100


def test_children_left_in_the_group_are_killed_and_cannot_hold_the_pipes():
    done = process.run(["/bin/sh", "-c", "sleep 300 & echo $!"], timeout_s=20)
    assert not done.timed_out and done.returncode == 0
    assert gone(int(done.stdout))


def test_a_daemon_that_holds_the_pipes_does_not_hold_us():
    code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(4)\n    os._exit(0)\nprint('done')"
    done = process.run(python(code), timeout_s=60)
    assert done.stdout == "done\n" and not done.timed_out


def test_our_descriptors_are_not_inherited():
    read, write = os.pipe()
    try:
        os.set_inheritable(read, True)
        done = process.run(["/bin/ls", "/proc/self/fd"], timeout_s=20)
    finally:
        os.close(read)
        os.close(write)
    assert set(done.stdout.split()) <= {"0", "1", "2", "3"}  # 3 is the listing itself


def test_environment_is_replaced_and_stdin_is_empty():
    done = process.run(["/bin/sh", "-c", "cat; echo $A; echo ${HOME-none}"], timeout_s=20, env={"A": "b"})
    assert done.stdout == "b\nnone\n"


def test_a_missing_program_is_named():
    with pytest.raises(ToolMissing, match="no-such-program"):
        process.run(["/no-such-program"], timeout_s=1)


def test_live_process_gives_lines_then_takes_input():
    live = process.start(["/bin/sh", "-c", "echo ready; echo more; cat"], stdin=True)
    assert live.read_line(20) == "ready"
    assert live.read_line(20) == "more"
    assert live.read_line(0.05) is None
    live.send(b"job")
    done = live.wait(20)
    assert done.stdout == "ready\nmore\njob" and done.returncode == 0


def test_live_process_outlives_the_thread_that_started_it():
    with ThreadPoolExecutor(1) as pool:
        live = pool.submit(process.start, ["/usr/bin/setpriv", "--pdeathsig=KILL", "/bin/sh", "-c", "echo ready; cat"], stdin=True).result()
    assert live.read_line(20) == "ready"
    live.send(b"alive")
    assert live.wait(20).stdout == "ready\nalive"


def test_kill_ends_a_wait_in_another_thread_and_may_be_repeated():
    live = process.start(["/bin/sleep", "300"])
    killer = threading.Timer(0.1, live.kill)
    killer.start()
    done = live.wait(60)
    killer.join()
    live.kill()
    assert done.returncode == -9 and not done.timed_out
    assert live.wait(1).returncode == -9


def test_an_interrupt_while_waiting_leaves_nothing_behind(monkeypatch):
    live = process.start(["/bin/sleep", "300"])

    def interrupted(deadline):
        raise KeyboardInterrupt

    monkeypatch.setattr(live, "_pump", interrupted)
    with pytest.raises(KeyboardInterrupt):
        live.wait(100)
    assert gone(live.pid)


def test_sending_to_a_dead_process_is_no_error():
    live = process.start(["/bin/true"], stdin=True)
    assert live.read_line(20) is None
    live.send(b"x" * 100)
    assert live.wait(20).returncode == 0


FLOOD = ["/bin/sh", "-c", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done"]


def test_kill_ends_a_wait_for_a_process_that_floods():
    live = process.start(FLOOD, output_bytes=1000)
    killer = threading.Timer(0.1, live.kill)
    killer.start()
    done = live.wait(60)
    killer.join()
    assert done.returncode == -9 and not done.timed_out and done.cut and len(done.stdout) == 1000


def test_kill_ends_reading_a_line_and_lines_after_the_end_are_none():
    live = process.start(["/bin/sleep", "300"])
    killer = threading.Timer(0.1, live.kill)
    killer.start()
    assert live.read_line(60) is None
    killer.join()
    before = set(Path("/proc/self/fd").iterdir())
    assert live.read_line(60) is None
    assert set(Path("/proc/self/fd").iterdir()) == before
    assert live.wait(1).returncode == -9


def test_a_flood_without_a_line_is_not_read_for_one_beyond_the_cap():
    live = process.start(python("import sys\nwhile True: sys.stdout.write('x' * 10000)"), output_bytes=1000)
    assert live.read_line(3600) is None
    live.kill()


def test_a_process_that_nobody_waits_for_blocks_on_its_pipe_and_can_be_killed():
    live = process.start(FLOOD, output_bytes=1000)
    live.kill()
    assert live.wait(1).returncode == -9


@pytest.mark.parametrize("command", [["/bin/sleep", "300"], ["/bin/sh", "-c", "setsid sleep 4 & sleep 300"]])
def test_kill_ends_sending_more_than_is_read(command):
    live = process.start(command, stdin=True)
    killer = threading.Timer(0.1, live.kill)
    killer.start()
    live.send(b"x" * 1_000_000)
    killer.join()
    live.send(b"more")
    assert live.wait(1).returncode == -9


def test_much_is_sent_to_one_that_reads_slowly():
    code = "import sys, time\nn = 0\nwhile data := sys.stdin.buffer.read(50000):\n    n += len(data)\n    time.sleep(0.01)\nprint(n)"
    live = process.start(python(code), stdin=True)
    live.send(b"x" * 1_000_000)
    assert live.wait(60).stdout == "1000000\n"


def test_kills_from_many_threads_meet():
    for _ in range(20):
        live = process.start(["/bin/sleep", "300"])
        with ThreadPoolExecutor(4) as pool:
            waiting = pool.submit(live.wait, 60)
            for killing in [pool.submit(live.kill) for _ in range(3)]:
                killing.result()
        assert waiting.result().returncode == -9


def test_many_threads_at_once():
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: process.run(["/bin/sh", "-c", f"echo {n}"], timeout_s=60).stdout, range(40)))
    assert results == [f"{n}\n" for n in range(40)]


def test_one_that_is_interrupted_may_tidy_up_and_is_reaped():
    code = "import time\ntry:\n    print('ready', flush=True)\n    time.sleep(300)\nexcept KeyboardInterrupt:\n    print('tidied')"
    live = process.start(python(code))
    assert live.read_line(60) == "ready"
    live.interrupt()
    assert live.wait(60).stdout == "ready\ntidied\n"
    live.interrupt()  # nothing is there any more


def test_what_is_detached_is_in_a_session_of_its_own_and_writes_to_its_log(tmp_path):
    log, code = tmp_path / "log", "import os, sys\nprint(os.getsid(0), os.getcwd())\nsys.exit('the end')"
    log.write_text("before\n")
    pid = process.detach(python(code), cwd=tmp_path, log=log)
    end = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:  # reaped as well, so it is gone altogether
        time.sleep(0.01)
    assert sorted(log.read_text().splitlines()) == sorted(["before", f"{pid} {tmp_path}", "the end"])


def test_a_program_that_is_not_there_cannot_be_detached(tmp_path):
    with pytest.raises(ToolMissing, match="no-such-program"):
        process.detach(["/no-such-program"], cwd=tmp_path, log=tmp_path / "log")
