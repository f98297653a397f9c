"""The trusted process: what a library prints does not disturb the conversation, and it ends with whoever started it."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from kernelsearch.oracle import wire

ROOT = Path(__file__).resolve().parents[2]
ECHO = """
import os, sys
from kernelsearch.oracle.serving import serve
def open_worker():
    print("a library says hello")
    return lambda request, given: ({"got": request["n"]}, {name: 2 * array for name, array in given.items()})
serve(open_worker)
"""
# A worker that never ends its answer, and a parent that starts it and asks.
ENDLESS = """
import time
from kernelsearch.oracle.serving import serve
def answer(request, given):
    print("begun", flush=True)
    time.sleep(1000)
serve(lambda: answer)
"""
PARENT = """
import subprocess, sys, time
from kernelsearch.oracle import wire
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
wire.write(child.stdin, {}, {})
print(child.pid, flush=True)
time.sleep(1000)
"""
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": ROOT}


def test_questions_are_answered_whatever_is_printed():
    with subprocess.Popen(
        [sys.executable, "-c", ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as child:
        for number in (1, 2):
            wire.write(child.stdin, {"n": number}, {"x": np.arange(3)})
            header, arrays = wire.read(child.stdout)
            assert header == {"got": number} and arrays["x"].tolist() == [0, 2, 4]
        _, said = child.communicate()
    assert child.returncode == 0 and b"hello" in said


def test_a_long_question_does_not_outlive_who_asked_it():
    with subprocess.Popen([sys.executable, "-c", PARENT, ENDLESS], **PIPES) as parent:
        worker = int(parent.stdout.readline())
        assert parent.stderr.readline() == b"begun\n"
        parent.kill()
    with suppress(ProcessLookupError):
        for _ in range(300):
            os.kill(worker, 0)
            time.sleep(0.1)
        os.kill(worker, 9)
        raise AssertionError("it goes on")
