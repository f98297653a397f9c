"""The charts: well-formed, with every node in its place."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

import runs
from kernelsearch.report import svg
from kernelsearch.report.node import NodeViews
from kernelsearch.report.view import bests, lineage


@pytest.fixture
def views():
    nodes = runs.nodes()
    found = bests(nodes)
    maker = NodeViews(nodes, nodes[0], found, frozenset(node.number for node in lineage(nodes, found[-1].number)))
    return [maker.view(node) for node in nodes]


def places(text: str) -> dict[int, tuple[float, float]]:
    """Number to position of every linked circle."""
    found = re.findall(r'<a href="#n(\d+)"[^>]*><circle[^>]*cx="([\d.]+)" cy="([\d.]+)"', text)
    return {int(number): (float(x), float(y)) for number, x, y in found}


def test_charts_are_well_formed(views):
    for text in (svg.curve(views, "µs"), svg.tree(views)):
        assert ElementTree.fromstring(text).tag == "svg"


def test_curve_has_a_dot_for_every_timed_node_and_faster_is_lower(views):
    dots = places(svg.curve(views, "µs"))
    assert sorted(dots) == [0, 1, 2, 4]
    assert dots[0][1] < dots[2][1] < dots[1][1] < dots[4][1]  # y grows downwards
    assert dots[0][0] < dots[1][0] < dots[2][0] < dots[4][0]


def test_curve_is_logarithmic_only_for_wide_ranges(views):
    assert "logarithmic" not in svg.curve(views, "µs")
    assert "logarithmic" in svg.curve([replace(views[0], time_us=96_400.0), *views[1:5]], "modelled µs")


def test_curve_of_nothing_timed_is_empty(views):
    assert svg.curve([views[3]], "µs") == ""


def test_tree_places_children_to_the_right_and_never_on_one_spot(views):
    spots = places(svg.tree(views))
    assert len(set(spots.values())) == len(views)
    for node in views:
        for child in node.children:
            assert spots[child][0] > spots[node.number][0]
        if node.children:
            heights = [spots[child][1] for child in node.children]
            assert min(heights) <= spots[node.number][1] <= max(heights)


def test_tree_marks_the_way_to_the_best(views):
    assert svg.tree(views).count('class="edge path"') == 2


def test_tree_of_ten_thousand_in_a_row_needs_no_recursion(views):
    chain = [
        replace(views[1], number=n, parent=n - 1 if n else None, depth=n, children=(n + 1,) if n < 9999 else ()) for n in range(10_000)
    ]
    assert len(places(svg.tree(chain))) == 10_000


def test_names_from_models_are_escaped(views):
    hostile = replace(views[1], directive="<script>", children=())
    assert "<script>" not in svg.tree([replace(views[0], children=(1,)), hostile]) + svg.curve([views[0], hostile], "<b>")
