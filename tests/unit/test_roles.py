"""Roles around the coder: what each is told, what becomes of its answer, what is paid, and what is recorded when it fails.

`KERNELSEARCH_GOLDEN=write pytest tests/unit/test_roles.py` writes the golden prompts anew; read the difference before keeping it.
"""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import example_run as example
import pytest
from nodes import ENVIRONMENT, passed, passing
from scripted import BAD, GOOD, Scripted

import runs
from kernelsearch import codec, digest
from kernelsearch.cli import group, run
from kernelsearch.errors import LlmBusy, LlmMisconfigured, NothingToPropose, UsageError
from kernelsearch.llm import open_model
from kernelsearch.llm.base import RefusedReply
from kernelsearch.llm.mailbox import Mailbox, Patience
from kernelsearch.model import (
    Attempt,
    Evaluation,
    Mended,
    Outcome,
    Plan,
    Prediction,
    Proposal,
    Teamwork,
    Usage,
    Verdict,
)
from kernelsearch.model.roles import ALONE, chosen, questions
from kernelsearch.propose import debugger, forecast, judge, open_proposer, planner, prompt, recorded, summariser
from kernelsearch.propose.base import Draft, RefusedEdit, UnusableReply
from kernelsearch.propose.book import book
from kernelsearch.propose.lessons import Lessons
from kernelsearch.propose.model import ModelProposer
from kernelsearch.propose.team import Team
from kernelsearch.report import roles as report
from kernelsearch.report import training
from kernelsearch.report.node import team as team_lines
from kernelsearch.workers.attempt import Bench, attempt
from kernelsearch.workers.base import Request
from kernelsearch.workers.judged import Judged

GOLDEN = Path(__file__).parents[1] / "golden" / "prompts"
PLAN = (
    'The loads are strided.\n\n```json\n{"bottleneck": "scattered loads", "method": "swap axes", "plan": "1. row from blockIdx.y"}\n```\n'
)
PREDICTION = 'I think so: {"speedup": 1.5, "risk": 0.25, "reason": "loads coalesce"}'
LESSONS = '```json\n{"lessons": ["Swapping axes gains 1.2x.", " ", "Vector loads\\n# miss the tail."]}\n```'
ONE = Usage(input_tokens=10, output_tokens=2, usd=0.5, calls=1)  # of a scripted turn
PROPOSAL = Proposal(ticket=1, parent=3, seed=42)
FIX = GOOD.replace("blockIdx.x * blockDim.x + threadIdx.x;", "blockIdx.y;").replace("= blockIdx.y;\n>", "= blockIdx.z;\n>")
AGAIN = GOOD.replace("blockIdx.x * blockDim.x + threadIdx.x;", "blockIdx.z;").replace("= blockIdx.y;\n>", "= threadIdx.y;\n>")
REFUSED = RefusedReply("declined", reason="declined", text="no", usage=Usage(output_tokens=7, calls=1))


def team(model: Scripted, *roles: str) -> Team:
    return Team(ModelProposer(model=model), (*ALONE, *roles))


def propose(model: Scripted, *roles: str, proposal: Proposal = PROPOSAL) -> Draft:
    return team(model, *roles).propose(proposal, example.passed(), example.task(), example.HARDWARE)


def failing(verdict: Verdict, detail: str = "error: expected ;", made: object = None, **more: object) -> Attempt:
    evaluation = Evaluation(candidate="x", verdict=verdict, detail=detail, environment=ENVIRONMENT)
    made = made or example.candidate(example.SOURCE.replace("256", "512"), "blocks of 512")
    return Attempt(proposal=PROPOSAL, outcome=Outcome.EVALUATED, candidate=made, evaluation=evaluation, **more)


def pages() -> dict[str, prompt.Prompt]:
    context, task, gpu = example.passed(), example.task(), example.HARDWARE
    mended = Teamwork(mended=(Mended(candidate="y", verdict=Verdict.BUILD_FAILED, detail="error: `a`\n# b"),))
    failed = failing(Verdict.WRONG, "y[256, 0]: 0 instead of 1.5", team=mended)
    draft = Draft(source=failed.candidate.source, flags=("-O3",), origin=failed.candidate.origin)
    planned = replace(context, plan=Plan(bottleneck="scattered loads", method="swap axes", plan="1. rows\n# 2. columns"))
    taught = replace(context, lessons=("gained: unroll on memory latency: 1.20x at best, 1 of 2 tries",))
    form = "Answer in the agreed form.\n"
    return {
        "planner": planner.write(replace(PROPOSAL, directive="coalesce-threads"), context, task, gpu),
        "judge": judge.write(draft, PROPOSAL, context, task, gpu),
        "debugger": debugger.write(failed, failed.evaluation, context, task, gpu, instructions=form),
        "summariser": summariser.write(taught, task, gpu),
        "planned": prompt.write(PROPOSAL, planned, task, gpu, instructions=form),
    }


@pytest.mark.parametrize("name", ["planner", "judge", "debugger", "summariser", "planned"])
def test_prompts_of_roles_are_as_agreed(name: str):
    written, file = pages()[name], GOLDEN / f"role-{name}.md"
    page = f"{written.system}\n<!-- request -->\n\n{written.request}"
    if os.environ.get("KERNELSEARCH_GOLDEN") == "write":
        file.write_text(page, encoding="utf-8")
    assert page == file.read_text(encoding="utf-8")


def test_a_debugger_is_served_by_the_coders_cache():
    assert pages()["debugger"].system == pages()["planned"].system != pages()["planner"].system


def test_a_plan_reaches_the_coder_and_the_record():
    model = Scripted(PLAN, GOOD)
    draft = propose(model, "planner")
    assert "method: swap axes" in model.heard[1][1][0].text and "blockIdx.y" in draft.source
    assert draft.team.plan == Plan(bottleneck="scattered loads", method="swap axes", plan="1. row from blockIdx.y")
    assert draft.team.usage == {"planner": ONE, "coder": ONE} and draft.origin.usage == ONE + ONE


@pytest.mark.parametrize(
    ("answer", "why", "cost"),
    [
        ("no JSON at all", "cannot be read", ONE),
        ('{"bottleneck": "a", "method": " ", "plan": "b"}', "method is empty", ONE),
        ('{"bottleneck": ["a"]}', "bottleneck", ONE),
        (REFUSED, "declined", REFUSED.usage),
        (LlmBusy("overloaded"), "overloaded", None),
    ],
)
def test_without_a_usable_plan_the_coder_goes_on(answer: object, why: str, cost: Usage | None):
    model = Scripted(answer, GOOD)
    draft = propose(model, "planner")
    assert draft.team.plan is None and "The plan for this" not in model.heard[1][1][0].text
    (note,) = draft.team.notes
    assert note.startswith("went on without the planner: ") and why in note and len(note) < 400
    assert draft.team.usage.get("planner") == cost


def test_a_prediction_is_recorded_and_a_wild_one_is_not():
    assert propose(Scripted(GOOD, PREDICTION), "judge").team.prediction == Prediction(speedup=1.5, risk=0.25, reason="loads coalesce")
    for wild in ('{"speedup": 0, "risk": 0.5}', '{"speedup": 2, "risk": 40}', '{"speedup": 1e999, "risk": 0}'):
        team = propose(Scripted(GOOD, wild), "judge").team
        assert team.prediction is None and "without the judge" in team.notes[0] and team.usage["judge"] == ONE


def test_what_was_paid_before_the_coder_failed_is_kept():
    with pytest.raises(UnusableReply, match="no answer in 3") as unusable:
        propose(Scripted(PLAN, BAD, BAD, BAD), "planner")
    assert unusable.value.usage.calls == 4 and unusable.value.team.usage["coder"].calls == 3
    with pytest.raises(RefusedEdit, match="declined") as refused:
        propose(Scripted(PLAN, REFUSED), "planner")
    assert refused.value.usage == ONE + REFUSED.usage and refused.value.team.plan is not None
    with pytest.raises(UnusableReply, match="could not be asked .overloaded") as busy:
        propose(Scripted(PLAN, LlmBusy("overloaded")), "planner")
    assert busy.value.usage == ONE


def test_no_answers_left_is_nothing_to_propose_and_a_wrong_key_ends_the_run():
    with pytest.raises(NothingToPropose):
        propose(Scripted(NothingToPropose("over"), NothingToPropose("over")), "planner")
    with pytest.raises(LlmMisconfigured):
        propose(Scripted(LlmMisconfigured("no key")), "planner")


def test_lessons_in_words_are_asked_for_now_and_then_and_stand_in_later_prompts():
    assert propose(Scripted(GOOD), "summariser").team.lessons == ()
    model = Scripted(LESSONS, GOOD)
    draft = propose(model, "summariser", proposal=replace(PROPOSAL, ticket=8))
    assert draft.team.lessons == ("Swapping axes gains 1.2x.", "Vector loads # miss the tail.")
    assert "- Swapping axes gains 1.2x." in model.heard[1][1][0].text
    told = Lessons(book())
    nodes = [passed(0, None, 10.0)]
    for number, (name, time_us) in enumerate([("old", 8.0), ("summary", 9.0), ("new", 5.0)], 1):
        node = passed(number, Proposal(ticket=number, parent=0, seed=0, directive=name), time_us)
        lessons = draft.team.lessons if name == "summary" else ()
        nodes.append(replace(node, attempt=replace(node.attempt, team=Teamwork(lessons=lessons))))
        told.tell(nodes[-1], nodes[0])
    lines = told.lines()
    assert lines[:2] == draft.team.lessons and "new" in " ".join(lines) and "old" not in " ".join(lines)


class Site:
    """Gives `verdicts` in order."""

    hardware = example.HARDWARE

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts, self.sources = list(verdicts), []

    def judge(self, work, known=None):
        self.sources.append(work.candidate.source)
        verdict, name = self.verdicts.pop(0), digest.candidate(work.candidate)
        if verdict is Verdict.PASSED:
            return passing(5.0, name)
        return Evaluation(candidate=name, verdict=verdict, detail=f"{verdict.value}: here", environment=ENVIRONMENT)


def tried(model: Scripted, site: Site, *roles: str) -> Attempt:
    bench = Bench(task=example.task(), site=site, proposer=team(model, *(roles or ("debugger",))), judged=Judged())
    return attempt(Request(proposal=PROPOSAL, context=example.passed()), bench)


def test_a_failure_is_repaired_within_its_attempt():
    model, site = Scripted(PLAN, GOOD, FIX, AGAIN), Site(Verdict.BUILD_FAILED, Verdict.WRONG, Verdict.PASSED)
    done = tried(model, site, "planner", "debugger")
    assert done.outcome is Outcome.EVALUATED and done.evaluation.passed and "= threadIdx.y;" in done.candidate.source
    assert [each.verdict for each in done.team.mended] == [Verdict.BUILD_FAILED, Verdict.WRONG]
    assert done.team.mended[1].detail == "wrong: here"
    assert done.usage == done.candidate.origin.usage == done.team.total == ONE + ONE + ONE + ONE
    assert done.team.usage["debugger"].calls == 2 and done.team.plan is not None
    assert done.candidate.origin.summary == "swap the thread axes"
    second = model.heard[3][1][0].text
    assert (
        "wrong: here" in second and "int row = blockIdx.z" in second and "an earlier version of it failed as well: build failed" in second
    )
    assert FIX.strip() in done.reply and AGAIN.strip() in done.reply and second.strip() in done.prompt


def test_three_repairs_are_all_there_are():
    edits = [GOOD]
    for step in range(4):
        old, new = ("blockIdx.y" if step == 0 else f"{step}"), f"{step + 1}"
        edits.append(f"SUMMARY: x\n<<<<<<< SEARCH\n    int row = {old};\n=======\n    int row = {new};\n>>>>>>> REPLACE\n")
    model, site = Scripted(*edits), Site(*[Verdict.CRASHED] * 4)
    done = tried(model, site)
    assert len(site.sources) == 4 and len(model.turns) == 1 and len(done.team.mended) == 3
    assert done.evaluation.verdict is Verdict.CRASHED and "int row = 3;" in done.candidate.source


@pytest.mark.parametrize(
    ("answers", "said", "calls"),
    [
        ((BAD, BAD, BAD), "gave up: no answer in 3", 3),
        ((REFUSED,), "gave up: declined", 1),
        ((LlmBusy("overloaded"),), "gave up: overloaded", 0),
        ((NothingToPropose("over"),), "gave up: over", 0),
    ],
)
def test_a_debugger_that_fails_leaves_the_failure_as_it_is(answers: tuple, said: str, calls: int):
    done = tried(Scripted(GOOD, *answers), Site(Verdict.WRONG))
    assert done.evaluation.verdict is Verdict.WRONG and done.team.mended == () and said in done.team.notes[0]
    assert done.usage.calls == 1 + calls and done.team.total == done.usage


def test_a_repair_to_a_kernel_that_was_judged_is_noted():
    back = GOOD.replace("int row = blockIdx.x * blockDim.x + threadIdx.x;", "int row = blockIdx.y;", 1)
    back = back.replace("=======\n    int row = blockIdx.y;", "=======\n    int row = blockIdx.x * blockDim.x + threadIdx.x;")
    known, site = Judged(), Site(Verdict.WRONG)
    original = replace(example.candidate(), task=digest.task(example.task()))
    known.put(original, passing(7.0, digest.candidate(original)))
    bench = Bench(task=example.task(), site=site, proposer=team(Scripted(GOOD, back), "debugger"), judged=known)
    done = attempt(Request(proposal=PROPOSAL, context=example.passed()), bench)
    assert done.outcome is Outcome.EVALUATED and not done.evaluation.passed and done.usage.calls == 2
    assert "a repair was not judged: the same kernel was judged before" in done.team.notes[0]


@pytest.mark.parametrize("verdict", [Verdict.PASSED, Verdict.CHEATED, Verdict.REJECTED, Verdict.IMPLAUSIBLE, Verdict.UNSUPPORTED])
def test_what_passed_or_is_no_mistake_is_not_repaired(verdict: Verdict):
    assert len(tried(Scripted(GOOD), Site(verdict)).team.usage) == 1


def test_a_coder_alone_leaves_a_record_as_before():
    plain = ModelProposer(model=Scripted(GOOD))
    bench = Bench(task=example.task(), site=Site(Verdict.WRONG), proposer=plain, judged=Judged())
    assert attempt(Request(proposal=PROPOSAL, context=example.passed()), bench).team == Teamwork()
    old = json.loads(codec.dump_json(passed(1, PROPOSAL, 5.0)))
    del old["attempt"]["team"]
    assert codec.load_json(type(example.BASELINE), json.dumps(old)).attempt.team == Teamwork()


def test_a_recorded_team_replays(tmp_path: Path):
    first = recorded(team(Scripted(PLAN, GOOD, PREDICTION), "planner", "judge"), tmp_path / "answers.jsonl")
    given = first.propose(PROPOSAL, example.passed(), example.task(), example.HARDWARE)
    again = open_proposer(f"replay:{tmp_path}/answers.jsonl", options={}, roles=("coder", "planner", "judge"))
    draft = again.propose(PROPOSAL, example.passed(), example.task(), example.HARDWARE)
    assert (draft.source, draft.team) == (given.source, given.team)


def test_each_question_is_a_letter_of_its_own(tmp_path: Path):
    crew = Team(ModelProposer(model=Mailbox(tmp_path, Patience(limit_s=20, poll_s=0.01))), ("coder", "planner"))
    drafts: list[Draft] = []
    asking = threading.Thread(target=lambda: drafts.append(crew.propose(PROPOSAL, example.passed(), example.task(), example.HARDWARE)))
    (tmp_path / "0001.answer.md").write_text(PLAN)
    (tmp_path / "0002.answer.md").write_text(GOOD)
    asking.start()
    asking.join(20)
    assert drafts[0].team.plan is not None and drafts[0].team.usage.keys() == {"planner", "coder"}
    assert "Write no code" in (tmp_path / "0001.prompt.md").read_text() and "method: swap axes" in (tmp_path / "0002.prompt.md").read_text()


def test_roles_are_chosen_by_name():
    assert chosen("debugger, coder") == ("coder", "debugger") and questions(chosen("coder,planner,debugger")) == 5
    for text, said in (("coder,poet", "no role 'poet'"), ("planner", "without a coder"), ("", "without a coder")):
        with pytest.raises(UsageError, match=said):
            chosen(text)
    with pytest.raises(UsageError, match="the rules ask no model.*judge"):
        open_proposer("rules", options={}, roles=("coder", "judge"))
    assert isinstance(open_proposer("mailbox:x", options={}), ModelProposer)
    assert open_model("mailbox:x", options={}).name == open_proposer("mailbox:x", options={}, roles=("coder", "judge")).name


def test_an_attempt_with_roles_is_expected_to_cost_more():
    one = forecast.at_start(runs.task(), example.HARDWARE, "anthropic:claude-opus-5", {}).attempt
    many = forecast.at_start(runs.task(), example.HARDWARE, "anthropic:claude-opus-5", {}, roles=("coder", "debugger")).attempt
    assert many.tokens == 4 * one.tokens and many.usd == pytest.approx(4 * one.usd)


def predicted(number: int, speedup: float, risk: float, time_us: float | None, *, mended: bool = False):
    proposal = Proposal(ticket=number, parent=0, seed=0)
    done = failing(Verdict.WRONG) if time_us is None else passed(number, proposal, time_us).attempt
    failures = (Mended(candidate="x", verdict=Verdict.WRONG, detail=""),) if mended else ()
    work = Teamwork(usage={"coder": ONE, "judge": ONE}, prediction=Prediction(speedup=speedup, risk=risk), mended=failures)
    return replace(example.BASELINE, number=number, attempt=replace(done, proposal=proposal, usage=ONE + ONE, team=work))


def test_predictions_are_held_against_what_happened():
    nodes = [
        passed(0, None, 10.0),
        predicted(1, 1.2, 0.2, 5.0),
        predicted(2, 2.0, 0.1, 2.5),
        predicted(3, 1.0, 1.0, None),
        predicted(4, 1.2, 0.6, 4.0, mended=True),
    ]
    found = report.calibration(nodes)
    assert [(each.count, each.happened) for each in found.risks] == [(2, 0.0), (1, 1.0), (1, 1.0)]
    assert found.brier == pytest.approx((0.04 + 0.01 + 0 + 0.16) / 4) and found.brier_of_rate == pytest.approx(0.25)
    assert [(each.count, each.happened) for each in found.speedups] == [(1, pytest.approx(2.0)), (1, pytest.approx(4.0))]
    assert found.ordered == 1.0 and report.repaired(nodes) == (1, 0)
    assert {each.role: (each.attempts, each.usage.calls) for each in report.spent(nodes)} == {"coder": (4, 4), "judge": (4, 4)}
    assert report.calibration(nodes[:1]) is None


def test_the_commands_show_roles_and_their_prompts(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs.write(tmp_path / "run")
    assert run(group, "kernelsearch", ["roles", f"{tmp_path}/run"]) == 0
    assert "coder" in capsys.readouterr().out
    folder = runs.RunFolder.open_for_writing(tmp_path / "run")
    folder.journal.append(predicted(1, 1.2, 0.2, None).attempt, None, 99.0)
    folder.close()
    assert run(group, "kernelsearch", ["roles", f"{tmp_path}/run"]) == 0
    said = capsys.readouterr().out
    assert "judge" in said and "mean squared error 0.640" in said
    assert run(group, "kernelsearch", ["roles", f"{tmp_path}/run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calibration"]["brier"] == pytest.approx(0.64)
    for role, words in (
        ("planner", "Write no code"),
        ("summariser", "Write the lessons"),
        ("judge", "# The edit to judge"),
        ("debugger", "# A kernel to repair"),
    ):
        assert run(group, "kernelsearch", ["prompt", f"{tmp_path}/run:3", "--role", role]) == 0
        assert words in capsys.readouterr().out
    for target, role in (("row_softmax", "judge"), (f"{tmp_path}/run:4", "debugger"), ("row_softmax", "poet")):
        assert run(group, "kernelsearch", ["prompt", target, "--role", role, "--hardware", "h100"]) == 2
        assert capsys.readouterr().err


def test_a_report_says_what_roles_brought():
    done = tried(Scripted(PLAN, GOOD, PREDICTION, FIX), Site(Verdict.WRONG, Verdict.PASSED), "planner", "judge", "debugger")
    lines = team_lines(replace(example.BASELINE, number=1, attempt=done))
    assert lines == (
        "planned: swap axes, against scattered loads",
        "predicted: 1.50x the parent, 25% to fail; loads coalesce",
        "repaired: wrong: wrong: here",
    )
    assert team_lines(example.BASELINE) == ()


def test_training_data_has_the_coders_turn_and_no_repaired_one():
    planned = tried(Scripted(PLAN, BAD, GOOD), Site(Verdict.PASSED), "planner")
    turn = training._turn(replace(example.BASELINE, number=1, attempt=planned))
    assert turn.answer == GOOD.strip() and turn.request.startswith("# The present kernel") and "method: swap axes" in turn.request
    mended = tried(Scripted(GOOD, FIX), Site(Verdict.WRONG, Verdict.PASSED))
    assert training._turn(replace(example.BASELINE, number=1, attempt=mended)) is None


def test_texts_of_roles_are_recorded_without_keys():
    key = "sk-" + "a" * 24
    told = propose(Scripted(PLAN.replace("swap axes", key), GOOD, f"no JSON {{{key}"), "planner", "judge").team
    assert key not in codec.dump_json(told) and told.plan.method == "[key removed]"
