"""What the documents say must be so: commands and options exist, links lead somewhere, examples can be read."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from kernelsearch import codec
from kernelsearch.cli import COMMANDS, group

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = (ROOT / "README.md").read_text()


def blocks(text: str, language: str = "") -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def command_lines(text: str) -> list[list[str]]:
    """Every line of a plain block that calls one of our programs, as words."""
    found = []
    for line in "\n".join(blocks(text)).splitlines():
        if re.match(r"(\$ )?(kernelsearch|optimize|make) ", line):
            found.append(shlex.split(line.removeprefix("$ "), comments=True))
    return found


def test_every_command_is_documented():
    text = README + (ROOT / "CONTRIBUTING.md").read_text()
    assert [name for name in COMMANDS if f"kernelsearch {name}" not in text and f"`{name}" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_and_options_exist(page):
    context = click.Context(group)
    for program, *words in command_lines(page.read_text()):
        if program == "make":
            assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), words
            continue
        name = words.pop(0) if program == "kernelsearch" else "optimize"
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):  # its own command of that name, else the one that it takes for meant
            command = command.commands[words.pop(0) if words and words[0] in command.commands else "show"]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, (name, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert [target for target in targets if not target.startswith("https://") and not (page.parent / target).exists()] == []


def test_the_task_file_of_the_readme_is_one():
    (text,) = blocks(README, "toml")
    tomllib.loads(text)
    source = 'extern "C" void solve(const float* x, float* y, int rows, int cols) {}'
    reference = "def softmax(x, rows, cols):\n    return x\n"
    task = codec.task_from_toml(text, where="README.md", read=lambda name: reference if name.endswith(".py") else source)
    assert task.name == "softmax"
    assert len(task.cases) == 2


def test_the_skill_begins_with_what_agents_choose_it_by():
    text = (ROOT / "SKILL.md").read_text()
    _, head, body = text.split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    assert fields["name"] == "kernelsearch" and 50 < len(fields["description"]) <= 1024
    assert body.lstrip().startswith("# ") and len(text) < 20_000  # it is read into a context
    assert tomllib.loads("".join(blocks(body, "toml")))["reference"]["python"].endswith(":row_sum")


def test_makefile_explains_every_target():
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert [target for target in phony.split() if not re.search(rf"^{target}:.*## \w", makefile, re.MULTILINE)] == []
