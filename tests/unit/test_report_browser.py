"""The pages in a real browser: what is clicked, typed and pressed does what it says, without an error and without a request."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import hostile_run
import long_run
import night_rows
import pytest
from browser import Browser, chromium

import runs
from kernelsearch.report import html, suite_html
from kernelsearch.report.view import build

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium on this machine: apt-get install chromium")

ACTIVE = "document.querySelector('#tree .active')?.id"
TITLE = "document.querySelector('#panel-title').textContent"
ROWS = "document.querySelectorAll('#rows tbody tr:not([hidden])').length"
TREE = "document.querySelectorAll('#tree [role=treeitem]').length"


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    record = replace(long_run.record(1), nodes=runs.nodes())
    (folder / "run.html").write_text(html.page(build(record)))
    (folder / "long.html").write_text(html.page(build(long_run.record(205))))
    (folder / "hostile.html").write_text(hostile_run.page())
    suite_html.write(folder, night_rows.rows(folder))
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture
def shown(browser, pages):
    """Opens a page by name at the size of a desk; afterwards nothing may have been complained of or asked for."""
    browser.size(1280, 900)
    browser.dark(False)
    browser.scripting(True)

    def opened(name: str, place: str = "") -> Browser:
        browser.open(pages / name, place)
        browser.js("localStorage.clear()")
        return browser

    yield opened
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith(("file://", "about:"))] == []
    assert len([url for url in browser.requests if url.startswith("file://")]) == 1


def test_a_click_on_a_node_opens_its_details(shown):
    page = shown("run.html")
    page.click("#t3 .node")
    page.until("document.querySelector('#panel-body .diff')")
    assert page.js(TITLE).startswith("#3 vector loads wrong")
    assert "last element not written" in page.js("document.querySelector('#panel-body').textContent")
    assert page.js(ACTIVE) == "t3" and page.js("document.querySelector('tr.chosen').dataset.number") == "3"
    page.click("#panel-body a[href='#n1']")
    page.until(f"{TITLE}.startsWith('#1 ')")


def test_a_link_to_an_attempt_opens_it_also_from_elsewhere(shown):
    page = shown("run.html", "#n5")
    page.until("document.querySelector('#panel-body h4')")
    assert page.js(TITLE).startswith("#5 inline PTX")
    page.click("#curve a[href='#n2']")
    page.until(f"{TITLE}.startsWith('#2 ')")


def test_prompts_are_unpacked_as_text(shown):
    page = shown("run.html", "#n4")
    page.until("document.querySelector('#panel-body pre')")
    assert runs.HOSTILE in page.js("[...document.querySelectorAll('#panel-body pre')].map((pre) => pre.textContent).join()")
    assert page.js("document.querySelectorAll('#panel-body script, #panel-body img').length") == 0


def test_filters_hold_for_tree_and_table(shown):
    page = shown("run.html")
    page.click(".filter[data-status=wrong]")
    assert page.js(ROWS) == 1 and page.js(TREE) == 3  # it, and the way to it
    assert page.js("document.querySelector('#shown').textContent") == "1 of 8 nodes match"
    page.click(".filter[data-status=wrong]")
    page.click("#find")
    page.press(*"float4")
    assert page.js(ROWS) == 0 and page.js(TREE) == 1
    page.js("document.querySelector('#find').value = '#6'; document.querySelector('#find').dispatchEvent(new Event('input'))")
    assert page.js(ROWS) == 1 and page.js("document.querySelector('#rows tbody a').textContent") == "6"


def test_the_tree_folds_and_is_coloured(shown):
    page = shown("run.html")
    assert page.js(TREE) == 8
    page.click("#t4 [data-knob]")
    assert page.js(TREE) == 6 and "+2" in page.js("document.querySelector('#t4').textContent")
    assert page.js("document.querySelector('#t4').getAttribute('aria-expanded')") == "false"
    page.click("#unfold")
    assert page.js(TREE) == 8
    for chosen, said in (("limit", "uncoalesced access (4)"), ("reward", "reward 1.45 to 1.45"), ("verdict", "passed")):
        page.js(f"colour.value = '{chosen}'; colour.dispatchEvent(new Event('change'))")
        assert said in page.js("document.querySelector('#legend').textContent")


def test_the_tree_can_be_walked_with_keys(shown):
    page = shown("run.html")
    page.js("document.querySelector('#tree').focus()")
    walked = []
    for key in ("Home", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowRight", "End", "b"):
        page.press(key)
        walked.append(page.js("document.querySelector('#tree').getAttribute('aria-activedescendant')"))
        assert page.js(f"document.getElementById('{walked[-1]}').getAttribute('aria-selected')") == "true"
    assert walked == ["t0", "t1", "t3", "t1", "t1", "t1", "t7", "t4"]
    page.press("Enter")
    page.until("document.activeElement.id === 'panel'")


def test_everything_that_can_be_used_has_a_name_and_can_be_reached(shown):
    page = shown("run.html")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    used = [
        node
        for node in nodes
        if node.get("role", {}).get("value") in ("button", "link", "combobox", "searchbox", "tree", "treeitem", "region")
    ]
    assert len(used) > 40
    assert [node for node in used if not node.get("name", {}).get("value") and not node.get("ignored")] == []
    levels = page.js("[...document.querySelectorAll('h1, h2, h3, h4')].map((head) => Number(head.tagName[1]))")
    assert levels[0] == 1 and all(after - before <= 1 for before, after in pairwise(levels))


def test_dark_comes_from_the_system_and_can_be_chosen(shown):
    page = shown("run.html")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.js(ground)
    page.dark(True)
    dark = page.js(ground)
    assert light != dark
    page.dark(False)
    page.click("#theme")
    assert page.js(ground) == dark and page.js("theme.textContent") == "theme: dark"
    page.click("#theme")
    assert page.js(ground) == light


@pytest.mark.parametrize("name", ["run.html", "long.html", "report.html", "hostile.html"])
def test_nothing_is_wider_than_a_phone(shown, name):
    page = shown(name)
    page.size(390, 844, phone=True)
    assert page.js("document.documentElement.scrollWidth") == 390


def test_a_long_run_begins_folded_and_finds_what_is_folded(shown):
    page = shown("long.html", "#n203")
    assert page.js(TREE) < 205
    page.until(f"{TITLE}.startsWith('#203 ')")
    assert page.js(ACTIVE) == "t203"
    assert page.js(ROWS) == 200
    page.click("#unfold")
    page.click("#whole")
    assert page.js(TREE) == 205 and page.js("tree.scrollHeight <= tree.clientHeight && tree.scrollWidth <= tree.clientWidth")
    page.click("#tobest")
    assert page.js(f"whole.getAttribute('aria-pressed') + {ACTIVE}").startswith("falset")
    page.click("#more")
    assert page.js(ROWS) == 205
    page.click("[data-key=time] button")
    times = page.js("[...document.querySelectorAll('#rows tbody tr')].map((row) => row.cells[4].textContent.replace(',', ''))")
    figures = [float(time) for time in times if time != "–"]
    assert figures == sorted(figures) and "–" not in times[: len(figures)]


def test_a_hostile_run_does_nothing(shown):
    page = shown("hostile.html", "#n4")
    page.until("document.querySelector('#panel-body h4')")
    assert page.js("document.querySelectorAll('img, iframe, object').length + document.querySelectorAll('script').length") == 4
    assert "‹U+202E›" in page.js("document.querySelector('#panel-body').textContent")


def test_without_a_script_there_are_tables(shown):
    shown("run.html")  # so that what is checked at the end was loaded
    browser = shown("run.html")
    browser.scripting(False)
    browser.open(Path(browser.js("decodeURIComponent(location.pathname)")))
    text = "".join(node.get("name", {}).get("value", "") for node in browser.call("Accessibility.getFullAXTree")["nodes"])
    assert "the search text was not found" in text and "colour by" not in text
    assert "#4 passed vector loads, fix" in text


def test_the_table_of_a_suite_sorts_and_filters(shown):
    page = shown("report.html")
    first = "document.querySelector('#rows tbody tr:not([hidden]) td').textContent"
    gains = "[...document.querySelectorAll('#rows tbody tr')].map((row) => row.cells[3].dataset.value)"
    page.click("[data-key=x] button")
    found = page.js(gains)
    figures = [float(value) for value in found if value]
    assert figures == sorted(figures, reverse=True) and "" not in found[: len(figures)]
    page.click("[data-key=task] button")
    assert page.js(first).startswith("batched_matmul")
    page.js("state.value = 'failed'; state.dispatchEvent(new Event('change'))")
    assert page.js(ROWS) == page.js("document.querySelectorAll('tr.failed').length") > 0
    page.js("state.value = ''; state.dispatchEvent(new Event('change'))")
    page.click("#find")
    page.press(*"softmax")
    assert page.js(ROWS) == 1 and page.js("document.querySelector('#shown').textContent") == "1 of 34 rows"
