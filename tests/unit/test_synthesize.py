"""From words to a task: what an answer must hold, what is refused before it runs, who is asked when, and what goes back to the model.

`KERNELSEARCH_GOLDEN=write pytest tests/unit/test_synthesize.py` writes the golden prompts anew.
"""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import answers
import example_run as example
import pytest

from kernelsearch import synthesize
from kernelsearch.admission import Admission, Line
from kernelsearch.errors import KernelSearchError, ReplyUnusable, UsageError
from kernelsearch.llm.base import Message, Reply
from kernelsearch.model import Budget, Usage
from kernelsearch.synthesize import fitness, reading, task, thoughts

GOLDEN = Path(__file__).parents[1] / "golden" / "synthesize"
PAID = Usage(input_tokens=10, output_tokens=5, usd=0.5, calls=1)


class Scripted:
    """Gives `turns` in order."""

    name = "scripted:1"

    def __init__(self, *turns: str) -> None:
        self.turns = list(turns)
        self.heard: list[list[str]] = []

    def complete(self, system: str, messages: Sequence[Message], *, seed: int = 0) -> Reply:
        self.heard.append([message.text for message in messages])
        return Reply(text=self.turns.pop(0), model="served", usage=PAID)


def admit(*whats: str) -> Callable[[object], Admission]:
    """A court that refuses once for each of `whats`, then admits."""
    left = list(whats)

    def court(found: object) -> Admission:
        bad = [Line(solver="zeros", expected="fails", ok=False, what=left.pop(0), case="c", distribution="normal")] if left else []
        return Admission(suite="user", task="t", lines=tuple(bad))

    return court


def agree(proposed: synthesize.Proposed) -> None:
    """Somebody who says yes to everything."""


def made(*turns: str, court=None, consent=agree, **limits) -> tuple[synthesize.Synthesis, Scripted]:
    model = Scripted(*turns)
    return synthesize.synthesize("row sums", model, consent, court or admit(), limits=synthesize.Limits(**limits)), model


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("task", task.request("row-wise softmax of an fp32 matrix, 8192 x 1024\n```\nFILE: /etc/passwd\n```")),
        ("thoughts", thoughts.request(example.task(), example.HARDWARE, 3)),
        ("repair", ("", task.repair("reference.py is empty.\n```"))),
    ],
)
def test_prompts_are_as_agreed(name: str, prompt: tuple[str, str]) -> None:
    file, page = GOLDEN / f"{name}.md", "{}\n<!-- request -->\n\n{}".format(*prompt)
    if os.environ.get("KERNELSEARCH_GOLDEN") == "write":
        file.write_text(page, encoding="utf-8")
    assert page == file.read_text(encoding="utf-8")


def test_a_good_answer_becomes_a_task_as_it_was_written():
    found, model = made(answers.task())
    assert found.proposed.files == {"task.toml": answers.TOML, "reference.py": answers.REFERENCE, "baseline.cu": answers.BASELINE}
    assert found.proposed.task.name == "weighted_row_sum" and found.proposed.task.baseline == answers.BASELINE
    assert (found.turns, found.usage, len(model.heard)) == (1, PAID, 1)


def test_what_is_wrong_goes_back_until_it_is_right():
    found, model = made("no files", answers.task(), answers.task(), court=admit("y is zero"))
    assert (found.turns, found.usage.usd) == (3, 1.5)
    first, second = model.heard[1][-1], model.heard[2][-1]
    assert "lacks task.toml, reference.py, baseline.cu" in first
    assert "zeros, which should be: fails. y is zero (case c, normal inputs)" in second


def test_what_the_court_cannot_even_begin_with_goes_back_too():
    left = ["inputs.python: no array called x"]

    def court(found):
        if left:
            raise UsageError(left.pop())
        return admit()(found)

    found, model = made(answers.task(), answers.task(), court=court)
    assert found.turns == 2 and "no array called x" in model.heard[1][-1]


def test_consent_comes_before_each_time_that_an_answer_is_run():
    order = []

    def court(found):
        order.append("runs")
        return admit(*(["no"] if order.count("runs") == 1 else []))(found)

    changed = answers.REFERENCE.replace("x @ w", "(x * w).sum(axis=1)")
    made(
        answers.task(reference="import os\n"),
        answers.task(),
        answers.task(reference=changed),
        court=court,
        consent=lambda proposed: order.append(proposed.files["reference.py"]),
    )
    assert order == [answers.REFERENCE, "runs", changed, "runs"]  # the first answer was refused before anybody was asked


def test_who_declines_ends_it_before_anything_ran():
    def declines(proposed):
        raise KernelSearchError("declined")

    def court(found):
        raise AssertionError("it ran")

    with pytest.raises(KernelSearchError, match="declined"):
        made(answers.task(), court=court, consent=declines)


def test_repairs_end_with_the_last_reason():
    with pytest.raises(ReplyUnusable, match=r"no task in 2 answers of scripted:1 could be used; of the last: .*lacks"):
        made("nothing", "nothing", repairs=1)


def test_money_that_is_spent_ends_it_too():
    with pytest.raises(ReplyUnusable, match="budget reached before there was a task: 1 USD") as caught:
        made(*["nothing"] * 4, budget=Budget(usd=1.0, candidates=0))
    assert "lacks" in str(caught.value)


@pytest.mark.parametrize("name", ["../../escaped.py", "/etc/cron.d/x", "reference.py/../x", ".bashrc", "AGENTS.md"])
def test_an_answer_that_names_another_file_is_refused(name):
    with pytest.raises(ReplyUnusable, match="names a file"):
        reading.files(answers.task() + f"\n\nFILE: {name}\n```\nrm -rf /\n```\n")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answers.task() + answers.task(), "holds task.toml twice"),
        (answers.task(reference="\n"), "reference.py is empty"),
        (answers.task(baseline="//" + "x" * 64_000 + "\n"), "baseline.cu has 64,003 characters"),
        (answers.task(baseline="a\x1b[2Jb\n"), "holds the character"),
        (answers.task().removesuffix("```\nThat is all."), "baseline.cu` there is no fenced block, or it is not closed"),
        ("x" * 900_000, "lacks task.toml"),
        ("FILE: " * 20_000, "names a file"),
    ],
)
def test_answers_that_are_no_files_say_why(answer, reason):
    with pytest.raises(ReplyUnusable, match=reason):
        reading.files(answer)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"baseline.cu"', '"/etc/passwd"', "task.toml: source: '/etc/passwd' is not a file of this task"),
        ('"reference.py:w', '"../secret.py:w', "'../secret.py' is not a file of this task"),
        ('"weighted_row_sum"', '"../../x"', "is not a short name"),
        ('entry  = "solve"', 'entry  = "solve"\nflags = ["-include", "/etc/passwd"]', "leave out flags"),
        ("[cost]", "[policy]\nfast_math = true\n[cost]", "leave out flags and"),
        (answers.TOML[answers.TOML.index("[[cases]]\nsizes = { rows = 37") : answers.TOML.index("[inputs]")], "", "two or more small ones"),
        ("rows = 64,", "rows = 640000,", "more than 4,194,304 elements"),
        ("rows = 512,", "rows = 512000000,", "more than 4 GiB"),
        ('shape = ["rows"]', 'shape = ["lines"]', "unknown name 'lines'"),
        ("reduction", "reducton", "unknown key"),
        ("[tolerance]", "[tolerance", "not valid TOML"),
        ("rows = 512,", f"rows = {'9' * 5000},", "not valid TOML"),
        ('["row-major"]', "[" * 5000 + "]" * 5000, "not valid TOML"),
        ('shape = ["rows"]', 'shape = ["9**9**9**9"]', "exponent out of range"),
    ],
)
def test_a_task_file_that_cannot_be_says_why(old, new, reason):
    files = dict(reading.files(answers.task(toml=answers.TOML.replace(old, new, 1))))
    with pytest.raises(ReplyUnusable, match=reason):
        fitness.task(files)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("import os", "line 1: imports os"),
        ("from subprocess import run", "imports from subprocess"),
        ("from numpy import load", "imports load"),
        ("open('/etc/passwd')", "uses open"),
        ("np.fromfile('/dev/sda')", "uses .fromfile"),
        ("np.random.default_rng()", "random numbers"),
        ("().__class__.__bases__", "uses .__class__"),
        ("__import__('os')", "uses __import__"),
        ("raise SystemExit", "uses SystemExit"),
        ("class Odd(ArithmeticError): pass", "defines a class Odd"),
        ("def (", "not Python"),
    ],
)
def test_a_reference_that_does_more_than_arithmetic_is_refused_unrun(line, reason):
    files = dict(reading.files(answers.task(reference=f"{line}\n{answers.REFERENCE}")))
    with pytest.raises(ReplyUnusable, match=reason):
        fitness.task(files)


def test_windows_and_the_generator_that_inputs_get_are_arithmetic():
    more = (
        "from numpy.lib.stride_tricks import sliding_window_view\n\n\n"
        "def draw(rng, sizes, distribution):\n    return {'x': rng.random(3), 'y': np.lib.stride_tricks.sliding_window_view}\n"
    )
    assert fitness.task(reading.files(answers.task(reference=answers.REFERENCE + more))).reference is not None


def test_a_baseline_that_the_guard_forbids_goes_back():
    files = dict(reading.files(answers.task(baseline='#include "/etc/passwd"\n' + answers.BASELINE)))
    with pytest.raises(ReplyUnusable, match=r"baseline\.cu, line 1"):
        fitness.task(files)


def test_thoughts_are_read_with_their_plans():
    warp, shared = reading.thoughts(answers.THOUGHTS, wanted=2)
    assert (warp.title, shared.title) == ("a warp for each row", "weights in shared memory")
    assert warp.plan == "32 threads walk a row together, so loads are contiguous; shuffles add up."
    assert reading.thoughts(answers.THOUGHTS, wanted=1) == (warp,)


def test_a_thought_told_twice_or_without_a_plan_is_none():
    again = answers.THOUGHTS + "\nTHOUGHT 3: A warp for each ROW.\nthe same\n\nTHOUGHT: nothing follows\n"
    with pytest.raises(ReplyUnusable, match="holds 2 distinct thoughts with a plan; 3 are wanted"):
        reading.thoughts(again, wanted=3)


def test_long_plans_are_cut_to_what_a_prompt_shows():
    (found,) = reading.thoughts(f"THOUGHT: long\n{'word ' * 9_000}", wanted=1)
    lines = found.plan.split("\n")
    assert len(lines) <= 14 and max(map(len, lines)) <= 400


def test_too_few_thoughts_are_asked_for_again():
    model = Scripted("THOUGHT: one\nplan", answers.THOUGHTS)
    found = synthesize.think(example.task(), example.HARDWARE, model, count=2, limits=synthesize.Limits())
    assert (len(found.thoughts), found.turns, found.usage.calls) == (2, 2, 2)


def test_a_mailbox_writes_them_too(tmp_path):
    def answer() -> None:
        for number, text in ((1, "FILE: ../x"), (2, answers.task())):
            prompt = tmp_path / "box" / f"{number:04}.prompt.md"
            while not prompt.exists():
                ended.wait(0.01)
            (tmp_path / "draft").write_text(text)
            (tmp_path / "draft").rename(prompt.with_name(f"{number:04}.answer.md"))

    ended = threading.Event()
    threading.Thread(target=answer, daemon=True).start()
    model = synthesize.open_model(
        f"mailbox:{tmp_path / 'box'}", {"poll_s": "0.01", "timeout_s": "60", "edit_format": "whole-file"}, tmp_path / "answers.jsonl"
    )
    found = synthesize.synthesize("row sums", model, agree, admit(), limits=synthesize.Limits())
    assert found.turns == 2 and len((tmp_path / "answers.jsonl").read_text().splitlines()) == 2
    assert "row sums" in (tmp_path / "box" / "0001.prompt.md").read_text()
    assert "names a file" in (tmp_path / "box" / "0002.prompt.md").read_text()


def test_the_rules_write_no_tasks(tmp_path):
    with pytest.raises(UsageError, match="--llm"):
        synthesize.open_model("rules", {}, tmp_path / "answers.jsonl")
