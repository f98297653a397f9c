"""The template door: strict names, escaping by file kind, includes."""

from pathlib import Path

import jinja2
import pytest

from kernelsearch.templates import render


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_markdown_is_not_escaped(tmp_path: Path):
    write(tmp_path, "p.md.j2", "a {{ value }} b\n")
    assert render(tmp_path, "p.md.j2", value="x < y && z") == "a x < y && z b\n"


@pytest.mark.parametrize("name", ["r.html", "r.html.j2", "chart.svg"])
def test_html_is_escaped(tmp_path: Path, name: str):
    write(tmp_path, name, "<p>{{ value }}</p>")
    assert render(tmp_path, name, value="<script>") == "<p>&lt;script&gt;</p>"


def test_missing_name_is_an_error(tmp_path: Path):
    write(tmp_path, "p.md.j2", "{{ forgotten }}")
    with pytest.raises(jinja2.UndefinedError, match="forgotten"):
        render(tmp_path, "p.md.j2")


def test_values_may_have_any_name(tmp_path: Path):
    write(tmp_path, "p.md.j2", "{{ name }} {{ folder }}")
    assert render(tmp_path, "p.md.j2", name="a", folder="b") == "a b"


def test_block_lines_leave_no_blank_lines_and_includes_work(tmp_path: Path):
    write(tmp_path, "list.md.j2", "{% for item in items %}\n- {{ item }}\n{% endfor %}\n")
    write(tmp_path, "p.md.j2", "Items:\n{% include 'list.md.j2' %}\nend\n")
    assert render(tmp_path, "p.md.j2", items=[1, 2]) == "Items:\n- 1\n- 2\nend\n"
