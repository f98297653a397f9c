"""A person's word in a run, by the whole command line on the emulated device: `hint`, `add` and `--confirm`."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import runs
from kernelsearch.cli import group, run
from kernelsearch.store.rundir import RunFolder

PROGRAM = (sys.executable, "-c", "import sys; from kernelsearch.cli import main; main(sys.argv[1:])")
LONG = 120.0  # seconds: what takes that long does not come
EMULATED = ("--device", "emulated", "--metrics", "none", "--out", "run", "-o", "best.cu")


def kernelsearch(*args: object) -> int:
    return run(group, "kernelsearch", [str(arg) for arg in args])


def until(found: Callable[[], object]) -> None:
    end = time.monotonic() + LONG
    while not found():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


@pytest.fixture
def drafted(tmp_path, monkeypatch, capsys):
    """A kernel with its task drafted, at a size that the emulated device runs at once."""
    monkeypatch.chdir(tmp_path)
    Path("softmax.cu").write_text(runs.SOURCE)
    assert kernelsearch("init", "softmax.cu", "--elements", 2000) == 0
    capsys.readouterr()
    return Path("softmax.cu")


@pytest.fixture
def edited():
    """The same kernel in other words, saved under a name."""

    def save(name: str, number: int) -> Path:
        Path(name).write_text(runs.SOURCE.replace("float sum = 0.0f;", f"float sum = 0.0f + {number}.0f;"))
        return Path(name)

    return save


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *args: str) -> None:
        self.screen = self.said = ""  # since the last thing that was waited for; all of it
        self.pid, self._handle = pty.fork()
        if self.pid == 0:
            os.execv(PROGRAM[0], [*PROGRAM, *args])

    def shows(self, text: str) -> None:
        """Wait until `text` is on the screen; what stood before it is then forgotten."""
        while text not in self.screen:
            self.screen += self._more() or pytest.fail(f"ended without {text!r}:\n{self.screen}")
        self.screen = self.screen.partition(text)[2]

    def types(self, text: str) -> None:
        os.write(self._handle, text.encode())

    def end(self) -> int:
        """Its exit code, with all that it had still to say on the screen."""
        while more := self._more():
            self.screen += more
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _more(self) -> str:
        try:
            more = os.read(self._handle, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            return ""
        self.said += more
        return more


def test_every_candidate_is_shown_and_asked_about_and_the_live_view_goes_on(drafted, capsys):
    terminal = Terminal("optimize", str(drafted), *EMULATED, "--budget", "9", "--confirm", "--parallel", "2")
    terminal.shows("directive ")
    terminal.shows("build and run it?")
    terminal.types("n not on this day\n")
    terminal.shows("a candidate by rules, an edit of attempt 0")
    terminal.shows("build and run it?")
    terminal.types("y\n")
    terminal.shows("build and run it?")
    terminal.types("\x03")  # Ctrl-C
    assert terminal.end() == 0
    assert terminal.said.count("build and run it?") == 3 and "declined" in terminal.said
    assert "stopped by the user" in terminal.screen and "go on with: kernelsearch resume run" in terminal.screen
    outcomes = [node.attempt.outcome.value for node in RunFolder.open(Path("run")).nodes]
    assert outcomes.count("declined") == 1 and set(outcomes) <= {"declined", "evaluated"}
    refused = outcomes.index("declined")
    assert kernelsearch("explain", "run", refused) == 0
    assert "The owner of the run did not let it run" in capsys.readouterr().out


def test_a_kernel_is_added_to_a_run_that_nobody_goes_on_with(drafted, edited, capsys):
    assert kernelsearch("optimize", drafted, *EMULATED, "--budget", 0, "--quiet") == 0
    capsys.readouterr()
    assert kernelsearch("add", "run", edited("mine.cu", 0), "--note", "in other words", "--flag", "-O2", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["number"], said["parent"], said["outcome"], said["evaluation"]["verdict"]) == (1, 0, "evaluated", "passed")
    assert said["speedup"] == pytest.approx(1.0, rel=0.2)
    node = RunFolder.open(Path("run")).nodes[1]
    assert node.candidate.flags == ("-O2",) and node.candidate.origin.summary == "in other words"
    assert "in other words" in Path("run/report.html").read_text()

    assert kernelsearch("add", "run", edited("wrong.cu", 3), "--parent", 1) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("attempt 2 of run, from attempt 1\nsoftmax: wrong.")
    Path("none.cu").write_text("int nothing;\n")
    assert kernelsearch("add", "run", "none.cu") == 1
    assert "no function 'solve'" in capsys.readouterr().out
    assert kernelsearch("add", "run", "mine.cu", "--flag", "-O2") == 0
    assert "duplicate: the same kernel was judged before" in capsys.readouterr().out
    totals = RunFolder.open(Path("run")).journal.totals
    assert (totals.candidates, totals.by_hand) == (0, 4)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("nowhere", "mine.cu"), "nowhere is not a run folder"),
        (("run", "mine.cu", "--parent", "99"), "there is no attempt 99; the run has 8"),
        (("run", "mine.cu", "--parent", "-1"), "there is no attempt -1"),
        (("run", "mine.cu", "--parent", "7"), "attempt 7 left no kernel"),
        (("run", "missing.cu"), "missing.cu: no such file"),
        (("run", "empty.cu"), "the kernel is empty"),
        (("run", "binary.cu"), "not UTF-8"),
        (("run", "long.cu"), "more than 1,000,000 bytes"),
        (("run", "mine.cu", "--note", "\udcff"), "not UTF-8"),
    ],
)
def test_what_cannot_be_added_is_said_and_leaves_nothing(tmp_path, monkeypatch, capsys, args, said):
    monkeypatch.chdir(tmp_path)
    runs.write(Path("run"))
    for name, data in (("mine.cu", b"int a;"), ("empty.cu", b" \n"), ("binary.cu", b"\xff\xfe\x00"), ("long.cu", b"x" * 1_000_001)):
        Path(name).write_bytes(data)
    assert kernelsearch("add", *args) == 2
    assert said in capsys.readouterr().err
    assert list(Path("run").glob("inbox/*")) == []


def test_hints_are_listed_withdrawn_and_of_no_use_to_rules(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runs.write(Path("run"))
    assert kernelsearch("hint", "run") == 0
    assert "no hints yet" in capsys.readouterr().out
    assert kernelsearch("hint", "run", "one warp a row\x1b[2J") == 0 == kernelsearch("hint", "run", "float4")
    said = capsys.readouterr()
    assert "hint 2 goes into the next prompts of run" in said.out and "the proposer of this run is `rules`" in said.err
    assert kernelsearch("hint", "run", "--drop", 1) == 0 == kernelsearch("hint", "run")
    shown = capsys.readouterr().out
    assert re.search(r"^1 .*withdrawn +not yet +one warp a row�\[2J", shown, re.MULTILINE)
    assert re.search(r"^2  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d +in force", shown, re.MULTILINE)
    assert kernelsearch("hint", "run", "--json") == 0
    assert [(h["number"], h["in_force"], h["attempts"]) for h in json.loads(capsys.readouterr().out)] == [(1, False, 0), (2, True, 0)]
    for args in (("run", "x", "--drop", "1"), ("run", "--drop", "0"), ("nowhere", "x"), ("run", "")):
        assert kernelsearch("hint", *args) == 2


@contextmanager
def going_on(*args: str) -> Iterator[subprocess.Popen[str]]:
    """A search in another process."""
    with subprocess.Popen([*PROGRAM, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_hint_and_a_kernel_reach_a_run_that_goes_on_in_another_process(drafted, edited, capsys):
    letters, asked = Path("letters"), ("--llm", "mailbox:letters", "--llm-option", "repairs=0", "--budget", "2", "--json")
    with going_on("optimize", str(drafted), *EMULATED, *asked) as process:
        until((letters / "0001.prompt.md").exists)
        assert kernelsearch("hint", "run", "one warp a row") == 0
        assert kernelsearch("add", "run", edited("mine.cu", 0), "--note", "in other words") == 0  # while the first prompt is open
        assert "attempt 1 of run, from attempt 0" in capsys.readouterr().out
        (letters / "0001.answer.md").write_text("I know nothing.\n")
        until((letters / "0002.prompt.md").exists)
        (letters / "0002.answer.md").write_text("I still know nothing.\n")
        events = [json.loads(line) for line in process.communicate(timeout=LONG)[0].splitlines()]
        assert process.returncode == 0
    first, second = ((letters / f"000{number}.prompt.md").read_text() for number in (1, 2))
    section = "# What the owner of this run says\n\n- one warp a row\n"
    assert section in second and section not in first
    assert "in other words" in second
    assert [event["directive"] for event in events if event["event"] == "node"][:2] == ["baseline", "by hand"]
    assert any(event["event"] == "note" and "one warp a row" in event["text"] for event in events)
    assert (events[-1]["candidates"], events[-1]["by_hand"]) == (2, 1)
    nodes = RunFolder.open(Path("run")).nodes
    assert [node.attempt.proposal.hints for node in nodes[2:]] == [(), (1,)]
    assert [node.attempt.proposal.hints for node in nodes if node.attempt.proposal is not None and node.attempt.proposal.by_hand] == [()]
    assert kernelsearch("hint", "run") == 0
    assert "by 1 attempt " in capsys.readouterr().out
