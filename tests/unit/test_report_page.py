"""The page of a run: what it shows beyond tables, that it is sealed against what kernels and models wrote, and that it stays small."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html import unescape

import hostile_run
import long_run
import pytest
from hostile_run import HOSTILE, record

import runs
from kernelsearch.llm.recording import ANSWERS
from kernelsearch.model import HotLine, Outcome, Proposal
from kernelsearch.model.team import Plan, Prediction, Teamwork
from kernelsearch.report import bars, columns, diff, html, ledger, markup, roofline
from kernelsearch.report.pack import Packed, pack, unpack
from kernelsearch.report.timing import Row
from kernelsearch.report.view import build
from kernelsearch.source import highlight


def details(page: str) -> tuple[str, ...]:
    """The packed texts of a page."""
    found = {name: re.search(rf'id="packed-{name}">([^<]*)<', page)[1] for name in ("lines", "texts")}
    return unpack(Packed(**found))


@pytest.fixture(scope="module")
def sealed() -> str:
    return hostile_run.page()


@pytest.fixture(scope="module")
def page() -> str:
    return html.page(build(record()))


def test_nothing_hostile_becomes_a_tag(sealed):
    for text in (sealed, *details(sealed)):
        assert len(re.findall(r"<script", text)) in (0, 4)
        assert not re.search(r"<(img|iframe|object|embed|link|base|form|style\s)", text)
        assert not re.search(r"<[^>]*\son\w+\s*=", re.sub(r"<script>.*</script>", "", text, flags=re.DOTALL))
        assert not re.search(r'(href|src|action)="(?!#|\./)', text)
    assert sealed.count("</script>") == 4 and sealed.count("</style>") == 1
    assert sealed.count("<noscript>") == sealed.count("</noscript>")


def test_templates_in_texts_stay_texts(sealed):
    assert "{{ 7 * 7 }}" in sealed and "{% for x in y %}" in sealed and "49{" not in sealed


def test_characters_that_hide_or_reorder_are_named(sealed):
    for text in (sealed, *details(sealed)):
        assert not re.search("[\x00-\x08\x0b-\x1f\u200b\u202e\u2066\u2069]", text)
    assert "a‹U+202E›cba‹U+2066›x‹U+2069›‹U+200B›" in sealed and "nul ‹U+0000› bell" in sealed
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', sealed, re.S)[1])
    assert any("‹U+202E›" in word for word in figures["words"])
    assert not any(re.search("[\x00\u202e]", word) for word in figures["words"])


def test_the_policy_allows_the_two_texts_of_the_page_and_nothing_else(page):
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    rules = dict(part.split(" ", 1) for part in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for rule, text in (
        ("style-src", re.search(r"<style>(.*?)</style>", page, re.S)[1]),
        ("script-src", re.search(r"<script>(.*?)</script>", page, re.S)[1]),
    ):
        assert rules[rule] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert 'style="' not in page  # which the policy would refuse


def test_data_cannot_end_their_element():
    text = markup.data({"x": list(HOSTILE)})
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == {"x": list(HOSTILE)}


def test_tables_and_code_are_escaped():
    rows = [Row(HOSTILE[0], (HOSTILE[1],), HOSTILE[2])]
    source = highlight.source("\n".join(HOSTILE[:6]))
    texts = (
        markup.table(rows, [HOSTILE[0]]),
        markup.listing(source, {1: HOSTILE[0]}),
        markup.difference(diff.side_by_side(highlight.source("x"), source, most=99), HOSTILE[0], HOSTILE[1]),
    )
    for text in texts:
        assert not re.search("<(script|img|iframe|/script|/style)", text)
        assert "&lt;/script&gt;" in text


def test_texts_come_out_of_the_pack_as_they_went_in():
    texts = ["", "a\nb\nc", '<tr class="x">\na\n<tr><td>1\n<tr><th>2', "b\nc\nd\n\n", "a\nb\nc"]
    assert unpack(pack(texts)) == tuple(texts)


def test_what_many_texts_share_is_packed_once():
    shared = "\n".join(f"line {n * n % 997} of a prompt {n}" for n in range(400))
    one, many = pack([shared]), pack([f"{shared}\n{n}" for n in range(200)])
    assert len(many.lines) < 1.5 * len(one.lines)
    assert len(many.texts) < 4000


def test_details_are_the_same_with_and_without_a_script(page):
    plain = unescape(page)
    for number, text in enumerate(details(page)[:-1]):
        assert unescape(text) in plain, number


def test_a_long_run_stays_small(monkeypatch):
    monkeypatch.setattr(html, "_PLAIN", 0)  # as for 5,000
    text = html.page(build(long_run.record(150)))
    assert len(text) / 150 < 4000  # the run's own way to the best is a large part of so few
    assert "Of this long run only the way to the best stands here in full" in text


def test_a_run_that_would_not_fit_leaves_out_counters_and_not_the_way_to_the_best(monkeypatch):
    monkeypatch.setattr(html, "_LARGEST", 1000)
    found = details(html.page(build(record())))
    assert "counters</summary>" in found[4] and "too long for one page" not in found[4]
    assert "counters</summary>" not in found[2] and "too long for one page" in found[2]


def test_long_texts_give_way_when_there_is_no_room(monkeypatch):
    monkeypatch.setattr("kernelsearch.report.node._TEXT_BUDGET", 50_000)
    nodes = list(runs.nodes())
    for number in range(8, 30):
        prompt = "\n".join(f"{number} {line}" for line in range(1000))
        nodes.append(replace(nodes[2], number=number, attempt=replace(nodes[2].attempt, prompt=prompt)))
    views = build(replace(record(), nodes=tuple(nodes))).nodes
    assert views[8].prompt == nodes[8].attempt.prompt
    assert len(views[29].prompt) < 2000 and "the whole text is in the run folder as blobs/" in views[29].prompt
    assert "blobs/" not in views[4].prompt


def test_a_step_has_its_reasons_and_its_evidence():
    nodes = list(runs.nodes())
    team = Teamwork(
        plan=Plan(bottleneck="DRAM", method="float4", plan="load four"),
        prediction=Prediction(speedup=1.5, risk=0.2, reason="fewer requests"),
    )
    asked = Proposal(ticket=3, parent=1, seed=3, directive="vector-loads", note="a pair with #2")
    nodes[4] = replace(nodes[4], attempt=replace(nodes[4].attempt, proposal=asked, team=team))
    first, second = build(replace(record(), nodes=tuple(nodes))).steps
    assert (first.node.number, second.node.number) == (1, 4)
    told = {row.name: row.cells[0] for row in second.reasons}
    assert told == {
        "held back by": "uncoalesced access: 4 sectors a request where 4 would do",
        "asked for": "vector-loads",
        "the strategy's words": "a pair with #2",
        "plan": "float4, against DRAM: load four",
        "predicted": "1.50x, 20% to fail; fewer requests",
    }
    assert second.moved == ("sectors/request 4.0 -> 1.0",) and second.gain == "1.46x"


def test_differences_leave_out_what_did_not_change():
    old = highlight.source("\n".join(f"line {n}" for n in range(40)))
    new = highlight.source("\n".join("other" if n == 20 else f"line {n}" for n in range(40)) + "\nmore")
    rows = diff.side_by_side(old, new, most=99)
    assert [row.note for row in rows if row.note] == ["17 unchanged lines", "13 unchanged lines"]
    (change,) = [row for row in rows if row.kind == "change"]
    assert (change.old.number, change.new.number, change.new.pieces) == (21, 21, (("", "other"),))
    assert rows[-1].kind == "add" and rows[-1].new.number == 41
    assert diff.side_by_side(old, old, most=99) == ()
    assert "4 more rows" in diff.side_by_side(old, new, most=len(rows) - 4)[-1].note


def test_hot_lines_are_shown_with_what_stands_there():
    nodes = list(runs.nodes())
    evaluation = nodes[4].evaluation
    hot = (HotLine(line=7, opcode="LDG.E", share=0.61, stall="long_sb"), HotLine(line=0, opcode="BAR", share=0.1, stall="barrier"))
    evaluation = replace(evaluation, profile=replace(evaluation.profile, hot=hot))
    nodes[4] = replace(nodes[4], attempt=replace(nodes[4].attempt, evaluation=evaluation))
    view = build(replace(record(), nodes=tuple(nodes)))
    assert view.best.hot[0].cells == ("61 %", evaluation.profile.hot[0].waits_for, "LDG.E")
    assert "largest = fmaxf" in view.best.hot[0].note and view.best.hot[1].note == ""
    assert view.best.heat == {7: "61 %"}
    assert '<tr class="hot"><td class="heat">61 %</td>' in html.page(view)


def test_roofline_places_candidates_by_their_own_bytes():
    hardware = record().hardware
    found = roofline.chart(runs.task(), runs.nodes(), hardware)
    flops = 5 * 4096 * 8192
    spots = {spot.number: spot for spot in found.spots}
    assert sorted(spots) == [0, 1, 2, 4]
    assert spots[4].intensity == pytest.approx(flops / 805e6) and spots[4].rate == pytest.approx(flops / 96.4e-6)
    assert found.own == pytest.approx(5 / 8) and all(spot.counted for spot in found.spots)
    bare = replace(runs.nodes()[1].evaluation, profile=None)
    nodes = (runs.nodes()[0], replace(runs.nodes()[1], attempt=replace(runs.nodes()[1].attempt, evaluation=bare)))
    assert roofline.chart(runs.task(), nodes, hardware).spots[1] == roofline.Spot(
        number=1, intensity=5 / 8, rate=flops / 141e-6, counted=False
    )


def test_without_a_roofline_the_reason_is_told():
    assert "no hardware profile" in roofline.chart(runs.task(), runs.nodes(), None)
    bare = replace(runs.task(), cost=replace(runs.task().cost, flops=None, bytes=None))
    assert "does not tell how many bytes" in roofline.chart(bare, runs.nodes(), record().hardware)


def test_work_without_operations_is_counted_in_bytes_under_one_roof():
    task = replace(runs.task(), cost=replace(runs.task().cost, flops=None))
    found = roofline.chart(task, runs.nodes(), record().hardware)
    size = 2 * 4096 * 8192 * 4
    assert (found.work, found.peak, found.own) == ("B", None, 1.0)
    assert found.spots[0].intensity == pytest.approx(size / 805e6) and found.spots[0].rate == pytest.approx(size / 412.3e-6)
    drawn = roofline.draw(found, build(record()).nodes)
    assert "bytes of the task a byte through DRAM" in drawn and "FLOP" not in drawn


def test_bars_add_up_to_the_reward():
    views = build(long_run.record(60)).nodes
    shown = bars.chosen(views)
    assert [node.number for node in shown if node.on_path] == [node.number for node in views if node.on_path and node.terms]
    rest = [node.reward_value for node in shown if not node.on_path]
    assert rest == sorted(rest, reverse=True) and len(shown) == 16
    assert bars.rewards(shown).svg.count("<rect") > 16 * 3
    assert bars.rewards([node for node in views if not node.terms]) is None


def test_time_is_told_by_what_it_went_into():
    nodes = runs.nodes()
    found = ledger.activities(nodes)
    assert found[ledger.MODEL] == pytest.approx(14.0)  # two calls of 7 s
    assert found["compiling"] == pytest.approx(4 * 0.8) and found["verifying"] == pytest.approx(4 * 1.4)
    shared = replace(nodes[1].attempt, outcome=Outcome.DUPLICATE)
    assert ledger.activities([*nodes, replace(nodes[1], number=8, attempt=shared)])["compiling"] == pytest.approx(4 * 0.8)


def test_money_is_told_by_model():
    (named, other) = sorted(ledger.by_model(runs.nodes()), key=lambda row: row.name)
    assert (named.name, other.name) == ("m-1", "not named")
    assert named.cells[:4] == ("1", "12,400", "8,000", "900")


def test_every_exchange_is_shown(tmp_path):
    runs.write(tmp_path / "run")
    (tmp_path / "run" / ANSWERS).write_text('{"reply": "first words"}\n{"reply": "", "refused": "declined", "detail": "try later"}\n')
    text = html.write(tmp_path / "run").read_text()
    assert "Every exchange with a model (2)" in text and "--llm replay:" in text
    assert "first words" in details(text)[-1] and "try later" in details(text)[-1]
    (tmp_path / "run" / ANSWERS).write_text("torn")
    assert "The exchanges with models cannot be shown" in html.write(tmp_path / "run").read_text()


def test_columns_hold_a_value_for_each_node():
    found = columns.of(build(record()))
    assert {len(found[name]) for name in ("parent", "edit", "status", "kind", "limit", "why", "time", "x", "light", "reward")} == {8}
    assert found["parent"] == [-1, 0, 0, 1, 1, 4, 4, 0] and found["path"] == [0, 1, 4] and found["best"] == 4
    assert [found["words"][place] for place in found["status"]][3:6] == ["wrong", "passed", "rejected"]


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [0, 1], ids=["light", "dark"])
def test_words_can_be_read_on_every_ground(dark):
    style, _ = html.assets("run")
    pairs = re.findall(r"--([\w-]+): (?:light-dark\((#\w{6}), (#\w{6})\)|(#\w{6}))", style)
    colours = {name: (first or both, second or both)[dark] for name, first, second, both in pairs}
    words = ["text", "quiet", "link", "good", "wrong", "broken", "foul", "idle", "best"]
    for name, grounds in (
        *((word, ("bg", "panel")) for word in words),
        ("text", ("mark", "hot", "add", "del")),
        *((name, ("bg", "add", "del")) for name in colours if name.startswith("k-")),
    ):
        for ground in grounds:
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
